//! The table `password_resets`: one-time tokens that set a password.

use rusqlite::{Connection, OptionalExtension as _, params};
use service::{
    clock::Timestamp,
    contract::{account_feed::Standing, introspection::TokenDigest},
};

use super::{accounts, auth_tokens, login_attempts};
use crate::{
    email::EmailDigest,
    resets::{RESET_KEPT, RESETS_MAX, check_rate},
    store::{Account, Changed, InsertReset, PasswordHash, ResetRefusal},
};

/// Old rows removed with each new one: twice what is added, so that they never pile up.
const PURGED_MAX: u32 = 2;

pub(super) fn insert(
    db: &Connection,
    new: InsertReset,
) -> rusqlite::Result<Result<(), ResetRefusal>> {
    let now = new.created_at;
    match accounts::find(db, new.account_id)?.map(|account| account.standing) {
        None => return Ok(Err(ResetRefusal::Unknown)),
        Some(Standing::Closed) => return Ok(Err(ResetRefusal::Closed)),
        Some(Standing::Active | Standing::Suspended) => {}
    }
    let newest = newest(db, new.account_id, now)?;
    if let Err(wait) = check_rate(&newest, now) {
        return Ok(Err(ResetRefusal::TooMany { wait }));
    }
    end(db, new.account_id, now)?;
    db.prepare_cached(
        "INSERT INTO password_resets (token_digest, account_id, created_at, expired_at)
         VALUES (?, ?, ?, ?)",
    )?
    .execute(params![
        new.token.0,
        new.account_id,
        now.as_micros(),
        new.expired_at.as_micros()
    ])?;
    purge(db, now)?;
    Ok(Ok(()))
}

pub(super) fn find(
    db: &Connection,
    token: TokenDigest,
    now: Timestamp,
) -> rusqlite::Result<Option<Account>> {
    let account_id: Option<i64> = db
        .prepare_cached(
            "SELECT account_id FROM password_resets
             WHERE token_digest = ? AND expired_at > ? AND ended_at IS NULL",
        )?
        .query_row(params![token.0, now.as_micros()], |row| row.get(0))
        .optional()?;
    let Some(account_id) = account_id else { return Ok(None) };
    Ok(accounts::find(db, account_id)?.filter(|account| account.standing != Standing::Closed))
}

pub(super) fn redeem(
    db: &Connection,
    token: TokenDigest,
    password: &PasswordHash,
    now: Timestamp,
) -> rusqlite::Result<Option<Changed>> {
    let Some(mut account) = find(db, token, now)? else { return Ok(None) };
    accounts::set_password(db, account.id, password, now)?;
    account.updated_at = now;
    end(db, account.id, now)?;
    login_attempts::forget(db, EmailDigest::of(&account.email))?;
    let ended = auth_tokens::end_sessions(db, account.id, now)?;
    Ok(Some(Changed { account, ended }))
}

/// Makes all tokens of the account void.
pub(super) fn end(db: &Connection, account_id: i64, now: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE password_resets SET ended_at = ? WHERE account_id = ? AND ended_at IS NULL",
    )?
    .execute(params![now.as_micros(), account_id])?;
    Ok(())
}

/// When the newest tokens of the account were made, at most as many as count.
fn newest(db: &Connection, account_id: i64, now: Timestamp) -> rusqlite::Result<Vec<Timestamp>> {
    db.prepare_cached(
        "SELECT created_at FROM password_resets WHERE account_id = ? AND created_at <= ?
         ORDER BY created_at DESC LIMIT ?",
    )?
    .query_map(params![account_id, now.as_micros(), RESETS_MAX], |row| {
        Ok(Timestamp::from_micros(row.get(0)?))
    })?
    .collect()
}

/// Removes rows that no answer depends on any more.
fn purge(db: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM password_resets WHERE token_digest IN (
             SELECT token_digest FROM password_resets WHERE created_at <= ?
             ORDER BY created_at LIMIT ?)",
    )?
    .execute(params![now.minus(RESET_KEPT).as_micros(), PURGED_MAX])?;
    Ok(())
}
