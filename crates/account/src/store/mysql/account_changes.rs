//! The table `account_changes`: the feed.

use mysql_async::{Conn, Result, prelude::Queryable};
use service::{
    clock::Timestamp,
    contract::account_feed::{AccountChange, Standing},
};

use super::{id_blocks, rows};

/// Appends a change, in the transaction of its cause. The sequence comes from a row that stays
/// locked until the commit, so that sequences ascend in the order of commits and a reader can miss
/// none.
pub(super) async fn append(
    conn: &mut Conn,
    account_id: i64,
    standing: Standing,
    now: Timestamp,
) -> Result<()> {
    let sequence = id_blocks::reserve(conn, "account_changes", 1).await?;
    conn.exec_drop(
        "INSERT INTO account_changes (sequence, account_id, standing, created_at)
         VALUES (?, ?, ?, ?)",
        (sequence, account_id, text(standing), now.as_micros()),
    )
    .await
}

/// At most `limit` changes after `sequence`, in order.
pub(super) async fn after(
    conn: &mut Conn,
    sequence: i64,
    limit: u32,
) -> Result<Vec<AccountChange>> {
    let found: Vec<mysql_async::Row> = conn
        .exec(
            "SELECT sequence, account_id, standing, created_at FROM account_changes
             WHERE sequence > ? ORDER BY sequence LIMIT ?",
            (sequence, limit),
        )
        .await?;
    found
        .iter()
        .map(|row| {
            Ok(AccountChange {
                sequence: rows::get(row, "sequence")?,
                account_id: rows::get(row, "account_id")?,
                standing: parse(&rows::get::<String>(row, "standing")?)?,
                created_at: rows::timestamp(row, "created_at")?,
            })
        })
        .collect()
}

const fn text(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Suspended => "suspended",
        Standing::Closed => "closed",
    }
}

fn parse(word: &str) -> Result<Standing> {
    [Standing::Active, Standing::Suspended, Standing::Closed]
        .into_iter()
        .find(|standing| text(*standing) == word)
        .ok_or_else(|| rows::misfit("standing"))
}
