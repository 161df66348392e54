//! The table `account_changes`: the feed.

use rusqlite::{Connection, params, types::Type};
use service::{
    clock::Timestamp,
    contract::account_feed::{AccountChange, Standing},
};

use super::id_blocks;

/// Appends a change, in the transaction of its cause. The sequence comes from a row that stays
/// locked until the commit, so that sequences ascend in the order of commits and a reader can miss
/// none.
pub(super) fn append(
    db: &Connection,
    account_id: i64,
    standing: Standing,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sequence = id_blocks::reserve(db, "account_changes", 1)?;
    db.prepare_cached(
        "INSERT INTO account_changes (sequence, account_id, standing, created_at)
         VALUES (?, ?, ?, ?)",
    )?
    .execute(params![sequence, account_id, text(standing), now.as_micros()])?;
    Ok(())
}

/// At most `limit` changes after `sequence`, in order.
pub(super) fn after(
    db: &Connection,
    sequence: i64,
    limit: u32,
) -> rusqlite::Result<Vec<AccountChange>> {
    db.prepare_cached(
        "SELECT sequence, account_id, standing, created_at FROM account_changes
         WHERE sequence > ? ORDER BY sequence LIMIT ?",
    )?
    .query_map(params![sequence, limit], |row| {
        let standing = parse(&row.get::<_, String>("standing")?)?;
        Ok(AccountChange {
            sequence: row.get("sequence")?,
            account_id: row.get("account_id")?,
            standing,
            created_at: Timestamp::from_micros(row.get("created_at")?),
        })
    })?
    .collect()
}

/// The sequence of the newest change; 0 if there is none.
pub(super) fn newest(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("SELECT COALESCE(MAX(sequence), 0) FROM account_changes", [], |row| row.get(0))
}

const fn text(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Suspended => "suspended",
        Standing::Closed => "closed",
    }
}

fn parse(text: &str) -> rusqlite::Result<Standing> {
    match text {
        "active" => Ok(Standing::Active),
        "suspended" => Ok(Standing::Suspended),
        "closed" => Ok(Standing::Closed),
        other => {
            let error = format!("`{other}` is not a standing");
            Err(rusqlite::Error::FromSqlConversionFailure(2, Type::Text, error.into()))
        }
    }
}
