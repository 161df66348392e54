//! The table `login_attempts`: how often the passwords of emails have been tried. Rows are changed
//! by single statements that say what they expect, so that no attempt waits for another's lock.

use std::time::Duration;

use mysql_async::{Conn, Result, Row, prelude::Queryable};
use service::{
    clock::Timestamp,
    store::mysql::{Failure, failure},
};

use super::rows;
use crate::{
    attempts::{AttemptLimits, Attempts, FORGOTTEN_AFTER, TooManyAttempts, Verdict, judge},
    email::EmailDigest,
};

/// How often others may be first to change a row before an attempt is put off. Each of them was an
/// attempt that was allowed, or a right password.
const ROUNDS_MAX: u32 = 16;
/// For how long.
const PUT_OFF: Duration = Duration::from_secs(1);

/// One attempt in so many removes forgotten rows, up to `PURGED_MAX`: many more than are added in
/// the meantime, so that they never pile up, and most attempts need no further statement.
const PURGED_EVERY: i64 = 16;
const PURGED_MAX: u32 = 64;

pub(super) async fn reserve(
    conn: &mut Conn,
    email: EmailDigest,
    now: Timestamp,
    limits: AttemptLimits,
) -> Result<std::result::Result<Attempts, TooManyAttempts>> {
    for _ in 0..ROUNDS_MAX {
        let recorded = find(conn, email).await?;
        match judge(recorded, now, limits) {
            Verdict::Allowed(attempts) => {
                if replace(conn, email, recorded, attempts).await? {
                    purge(conn, now).await?;
                    return Ok(Ok(attempts));
                }
            }
            Verdict::Refused(refusal, corrected) => {
                if let Some(corrected) = corrected {
                    // If another attempt was first, it has corrected the row, or the next one will.
                    replace(conn, email, recorded, corrected).await?;
                }
                return Ok(Err(refusal));
            }
        }
    }
    Ok(Err(TooManyAttempts { wait: PUT_OFF }))
}

pub(super) async fn forget(conn: &mut Conn, email: EmailDigest) -> Result<()> {
    conn.exec_drop("DELETE FROM login_attempts WHERE email_digest = ?", (email.0,)).await
}

async fn find(conn: &mut Conn, email: EmailDigest) -> Result<Option<Attempts>> {
    let found: Option<Row> = conn
        .exec_first(
            "SELECT attempts, newest_at FROM login_attempts WHERE email_digest = ?",
            (email.0,),
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let count = rows::get(&row, "attempts")?;
    Ok(Some(Attempts { count, newest_at: rows::timestamp(&row, "newest_at")? }))
}

/// Records `new` in place of `old`; `false` if another attempt was first.
async fn replace(
    conn: &mut Conn,
    email: EmailDigest,
    old: Option<Attempts>,
    new: Attempts,
) -> Result<bool> {
    if let Some(old) = old {
        conn.exec_drop(
            "UPDATE login_attempts SET attempts = ?, newest_at = ?
             WHERE email_digest = ? AND attempts = ? AND newest_at = ?",
            (new.count, new.newest_at.as_micros(), email.0, old.count, old.newest_at.as_micros()),
        )
        .await?;
        return Ok(conn.affected_rows() == 1);
    }
    let inserted = conn
        .exec_drop(
            "INSERT INTO login_attempts (email_digest, attempts, newest_at) VALUES (?, ?, ?)",
            (email.0, new.count, new.newest_at.as_micros()),
        )
        .await;
    match inserted {
        Ok(()) => Ok(true),
        Err(error) if failure(&error) == Failure::DuplicateKey => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes rows that no answer depends on any more, if it is this attempt's turn. The time decides,
/// which no client chooses.
async fn purge(conn: &mut Conn, now: Timestamp) -> Result<()> {
    if now.as_micros() % PURGED_EVERY != 0 {
        return Ok(());
    }
    conn.exec_drop(
        "DELETE FROM login_attempts WHERE newest_at <= ? ORDER BY newest_at LIMIT ?",
        (now.minus(FORGOTTEN_AFTER).as_micros(), PURGED_MAX),
    )
    .await
}
