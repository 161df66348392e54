//! The table `closings`: which closings were begun, and which are not settled yet.

use mysql_async::{Conn, Result, Row, prelude::Queryable};
use service::clock::Timestamp;

use super::{accounts, rows};
use crate::store::{BegunClosing, ChangeRefusal, OpenClosing, next_attempt};

pub(super) async fn begin(
    conn: &mut Conn,
    account_id: i64,
    now: Timestamp,
) -> Result<std::result::Result<BegunClosing, ChangeRefusal>> {
    if let Err(refusal) = accounts::lock_active(conn, account_id).await? {
        return Ok(Err(refusal));
    }
    let before: Option<Row> = conn
        .exec_first(
            "SELECT attempt, is_open, started_at FROM closings WHERE account_id = ?",
            (account_id,),
        )
        .await?;
    let (attempt, started_at) = match &before {
        None => (0, None),
        Some(row) => {
            let is_open: bool = rows::get(row, "is_open")?;
            let started_at = rows::timestamp(row, "started_at")?;
            (rows::get(row, "attempt")?, is_open.then_some(started_at))
        }
    };
    let attempt = next_attempt(attempt, now);
    let started_micros = started_at.unwrap_or(now).as_micros();
    conn.exec_drop(
        "INSERT INTO closings (account_id, attempt, is_open, started_at, attempted_at)
         VALUES (?, ?, 1, ?, ?)
         ON DUPLICATE KEY UPDATE attempt = VALUES(attempt), is_open = 1,
             started_at = VALUES(started_at), attempted_at = VALUES(attempted_at)",
        (account_id, attempt, started_micros, now.as_micros()),
    )
    .await?;
    Ok(Ok(BegunClosing { attempt, is_first: started_at.is_none() }))
}

pub(super) async fn resume(
    conn: &mut Conn,
    account_id: i64,
    attempt: i64,
    now: Timestamp,
) -> Result<Option<i64>> {
    accounts::lock(conn, account_id).await?;
    let next = next_attempt(attempt, now);
    conn.exec_drop(
        "UPDATE closings SET attempt = ?, attempted_at = ?
         WHERE account_id = ? AND attempt = ? AND is_open = 1",
        (next, now.as_micros(), account_id, attempt),
    )
    .await?;
    Ok((conn.affected_rows() == 1).then_some(next))
}

pub(super) async fn end(conn: &mut Conn, account_id: i64, attempt: i64) -> Result<()> {
    accounts::lock(conn, account_id).await?;
    conn.exec_drop(
        "UPDATE closings SET is_open = 0 WHERE account_id = ? AND attempt = ?",
        (account_id, attempt),
    )
    .await
}

/// Whatever the attempt: the account, which is locked, is closed.
pub(super) async fn settle(conn: &mut Conn, account_id: i64) -> Result<()> {
    conn.exec_drop("UPDATE closings SET is_open = 0 WHERE account_id = ?", (account_id,)).await
}

pub(super) async fn open(conn: &mut Conn, limit: u32) -> Result<Vec<OpenClosing>> {
    let found: Vec<Row> = conn
        .exec(
            "SELECT account_id, attempt, started_at, attempted_at FROM closings
             WHERE is_open = 1 ORDER BY attempted_at LIMIT ?",
            (limit,),
        )
        .await?;
    found
        .iter()
        .map(|row| {
            Ok(OpenClosing {
                account_id: rows::get(row, "account_id")?,
                attempt: rows::get(row, "attempt")?,
                started_at: rows::timestamp(row, "started_at")?,
                attempted_at: rows::timestamp(row, "attempted_at")?,
            })
        })
        .collect()
}
