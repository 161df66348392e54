//! The table `closings`: which closings were begun, and which are not settled yet.

use rusqlite::{Connection, OptionalExtension as _, params};
use service::clock::Timestamp;

use super::{accounts, rows};
use crate::store::{BegunClosing, ChangeRefusal, OpenClosing, next_attempt};

pub(super) fn begin(
    db: &Connection,
    account_id: i64,
    now: Timestamp,
) -> rusqlite::Result<Result<BegunClosing, ChangeRefusal>> {
    if let Err(refusal) = accounts::find_active(db, account_id)? {
        return Ok(Err(refusal));
    }
    let before = db
        .prepare_cached("SELECT attempt, is_open, started_at FROM closings WHERE account_id = ?")?
        .query_row([account_id], |row| {
            let is_open: bool = row.get("is_open")?;
            let started_at = rows::timestamp(row, "started_at")?;
            Ok((row.get("attempt")?, is_open.then_some(started_at)))
        })
        .optional()?;
    let (attempt, started_at) = before.unwrap_or((0, None));
    let attempt = next_attempt(attempt, now);
    db.prepare_cached(
        "INSERT INTO closings (account_id, attempt, is_open, started_at, attempted_at)
         VALUES (?, ?, 1, ?, ?)
         ON CONFLICT (account_id) DO UPDATE SET attempt = excluded.attempt, is_open = 1,
             started_at = excluded.started_at, attempted_at = excluded.attempted_at",
    )?
    .execute(params![
        account_id,
        attempt,
        started_at.unwrap_or(now).as_micros(),
        now.as_micros()
    ])?;
    Ok(Ok(BegunClosing { attempt, is_first: started_at.is_none() }))
}

pub(super) fn resume(
    db: &Connection,
    account_id: i64,
    attempt: i64,
    now: Timestamp,
) -> rusqlite::Result<Option<i64>> {
    let next = next_attempt(attempt, now);
    let resumed = db
        .prepare_cached(
            "UPDATE closings SET attempt = ?, attempted_at = ?
             WHERE account_id = ? AND attempt = ? AND is_open = 1",
        )?
        .execute(params![next, now.as_micros(), account_id, attempt])?;
    Ok((resumed == 1).then_some(next))
}

pub(super) fn end(db: &Connection, account_id: i64, attempt: i64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE closings SET is_open = 0 WHERE account_id = ? AND attempt = ?")?
        .execute([account_id, attempt])?;
    Ok(())
}

/// Whatever the attempt: the account is closed.
pub(super) fn settle(db: &Connection, account_id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE closings SET is_open = 0 WHERE account_id = ?")?
        .execute([account_id])?;
    Ok(())
}

pub(super) fn open(db: &Connection, limit: u32) -> rusqlite::Result<Vec<OpenClosing>> {
    db.prepare_cached(
        "SELECT account_id, attempt, started_at, attempted_at FROM closings
         WHERE is_open = 1 ORDER BY attempted_at LIMIT ?",
    )?
    .query_map([limit], |row| {
        Ok(OpenClosing {
            account_id: row.get("account_id")?,
            attempt: row.get("attempt")?,
            started_at: rows::timestamp(row, "started_at")?,
            attempted_at: rows::timestamp(row, "attempted_at")?,
        })
    })?
    .collect()
}
