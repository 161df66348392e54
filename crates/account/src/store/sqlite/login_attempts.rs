//! The table `login_attempts`: how often the passwords of emails have been tried.

use rusqlite::{Connection, OptionalExtension as _, params};
use service::clock::Timestamp;

use crate::{
    attempts::{AttemptLimits, Attempts, FORGOTTEN_AFTER, TooManyAttempts, Verdict, judge},
    email::EmailDigest,
};

/// Forgotten rows removed with each attempt that is recorded: twice what is added, so that they
/// never pile up.
const PURGED_MAX: u32 = 2;

pub(super) fn find(db: &Connection, email: EmailDigest) -> rusqlite::Result<Option<Attempts>> {
    db.prepare_cached("SELECT attempts, newest_at FROM login_attempts WHERE email_digest = ?")?
        .query_row([email.0], |row| {
            let newest_at = Timestamp::from_micros(row.get("newest_at")?);
            Ok(Attempts { count: row.get("attempts")?, newest_at })
        })
        .optional()
}

pub(super) fn reserve(
    db: &Connection,
    email: EmailDigest,
    now: Timestamp,
    limits: AttemptLimits,
) -> rusqlite::Result<Result<Attempts, TooManyAttempts>> {
    match judge(find(db, email)?, now, limits) {
        Verdict::Allowed(attempts) => {
            save(db, email, attempts)?;
            purge(db, now)?;
            Ok(Ok(attempts))
        }
        Verdict::Refused(refusal, corrected) => {
            if let Some(corrected) = corrected {
                save(db, email, corrected)?;
            }
            Ok(Err(refusal))
        }
    }
}

pub(super) fn forget(db: &Connection, email: EmailDigest) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM login_attempts WHERE email_digest = ?")?.execute([email.0])?;
    Ok(())
}

fn save(db: &Connection, email: EmailDigest, attempts: Attempts) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO login_attempts (email_digest, attempts, newest_at) VALUES (?, ?, ?)
         ON CONFLICT (email_digest)
         DO UPDATE SET attempts = excluded.attempts, newest_at = excluded.newest_at",
    )?
    .execute(params![email.0, attempts.count, attempts.newest_at.as_micros()])?;
    Ok(())
}

/// Removes rows that no answer depends on any more.
fn purge(db: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM login_attempts WHERE email_digest IN (
             SELECT email_digest FROM login_attempts WHERE newest_at <= ?
             ORDER BY newest_at LIMIT ?)",
    )?
    .execute(params![now.minus(FORGOTTEN_AFTER).as_micros(), PURGED_MAX])?;
    Ok(())
}
