//! The table `revocations`: tokens and keys that an operator ended, for the instances of the
//! service that tell gateways about it.

use rusqlite::{Connection, params};
use service::{clock::Timestamp, contract::introspection::TokenDigest};

use super::{id_blocks, rows};
use crate::store::{EndedToken, REVOCATIONS_KEPT, REVOCATIONS_PURGED_MAX};

/// Appends what an operator ended, in the transaction that ends it. The sequence comes from a row
/// that stays locked until the commit, so that sequences ascend in the order of commits and an
/// instance can miss none.
pub(super) fn append(
    db: &Connection,
    ended: &[TokenDigest],
    now: Timestamp,
) -> rusqlite::Result<()> {
    let Ok(count @ 1..) = u32::try_from(ended.len()) else { return Ok(()) };
    let first = id_blocks::reserve(db, "revocations", count)?;
    let mut insert = db.prepare_cached(
        "INSERT INTO revocations (sequence, digest, created_at) VALUES (?, ?, ?)",
    )?;
    for (sequence, digest) in (first..).zip(ended) {
        insert.execute(params![sequence, digest.0, now.as_micros()])?;
    }
    purge(db, count, now)
}

/// Removes some of the oldest rows, more than were added, if no cache can remember their tokens.
fn purge(db: &Connection, added: u32, now: Timestamp) -> rusqlite::Result<()> {
    let limit = added + REVOCATIONS_PURGED_MAX;
    let oldest: Vec<(i64, Timestamp)> = db
        .prepare_cached("SELECT sequence, created_at FROM revocations ORDER BY sequence LIMIT ?")?
        .query_map([limit], |row| Ok((row.get("sequence")?, rows::timestamp(row, "created_at")?)))?
        .collect::<Result<_, _>>()?;
    let mut delete = db.prepare_cached("DELETE FROM revocations WHERE sequence = ?")?;
    for (sequence, created_at) in oldest {
        if now.since(created_at) >= REVOCATIONS_KEPT {
            delete.execute([sequence])?;
        }
    }
    Ok(())
}

/// The sequence of the newest; 0 if there is none.
pub(super) fn newest(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT COALESCE(MAX(sequence), 0) FROM revocations")?
        .query_row([], |row| row.get(0))
}

/// At most `limit` after `sequence`, in order.
pub(super) fn after(
    db: &Connection,
    sequence: i64,
    limit: u32,
) -> rusqlite::Result<Vec<EndedToken>> {
    db.prepare_cached(
        "SELECT sequence, digest FROM revocations WHERE sequence > ? ORDER BY sequence LIMIT ?",
    )?
    .query_map(params![sequence, limit], |row| {
        Ok(EndedToken { sequence: row.get("sequence")?, digest: rows::digest(row, "digest")? })
    })?
    .collect()
}
