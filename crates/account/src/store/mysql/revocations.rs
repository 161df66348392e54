//! The table `revocations`: tokens and keys that an operator ended, for the instances of the
//! service that tell gateways about it.

use mysql_async::{Conn, Result, Row, prelude::Queryable};
use service::{clock::Timestamp, contract::introspection::TokenDigest};

use super::{id_blocks, rows};
use crate::store::{EndedToken, REVOCATIONS_KEPT, REVOCATIONS_PURGED_MAX};

/// Appends what an operator ended, in the transaction that ends it. The sequence comes from a row
/// that stays locked until the commit, so that sequences ascend in the order of commits and an
/// instance can miss none.
pub(super) async fn append(conn: &mut Conn, ended: &[TokenDigest], now: Timestamp) -> Result<()> {
    let Ok(count @ 1..) = u32::try_from(ended.len()) else { return Ok(()) };
    let first = id_blocks::reserve(conn, "revocations", count).await?;
    for (sequence, digest) in (first..).zip(ended) {
        conn.exec_drop(
            "INSERT INTO revocations (sequence, digest, created_at) VALUES (?, ?, ?)",
            (sequence, digest.0, now.as_micros()),
        )
        .await?;
    }
    purge(conn, count, now).await
}

/// Removes some of the oldest rows, more than were added, if no cache can remember their tokens.
/// One transaction at a time does this: the counter's row is locked.
async fn purge(conn: &mut Conn, added: u32, now: Timestamp) -> Result<()> {
    let oldest: Vec<Row> = conn
        .exec(
            "SELECT sequence, created_at FROM revocations ORDER BY sequence LIMIT ?",
            (added + REVOCATIONS_PURGED_MAX,),
        )
        .await?;
    for row in &oldest {
        if now.since(rows::timestamp(row, "created_at")?) >= REVOCATIONS_KEPT {
            let sequence: i64 = rows::get(row, "sequence")?;
            conn.exec_drop("DELETE FROM revocations WHERE sequence = ?", (sequence,)).await?;
        }
    }
    Ok(())
}

/// The sequence of the newest; 0 if there is none.
pub(super) async fn newest(conn: &mut Conn) -> Result<i64> {
    let found = conn.query_first("SELECT COALESCE(MAX(sequence), 0) FROM revocations").await?;
    Ok(found.unwrap_or(0))
}

/// At most `limit` after `sequence`, in order.
pub(super) async fn after(conn: &mut Conn, sequence: i64, limit: u32) -> Result<Vec<EndedToken>> {
    let found: Vec<Row> = conn
        .exec(
            "SELECT sequence, digest FROM revocations WHERE sequence > ? ORDER BY sequence LIMIT ?",
            (sequence, limit),
        )
        .await?;
    let read = |row: &Row| {
        Ok(EndedToken {
            sequence: rows::get(row, "sequence")?,
            digest: rows::digest(row, "digest")?,
        })
    };
    found.iter().map(read).collect()
}
