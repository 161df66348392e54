//! The table `auth_tokens`: sessions as chains of token pairs, of which only the head can be alive.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use service::{
    clock::Timestamp,
    contract::{identity::Identity, introspection::TokenDigest},
};

use super::{accounts, login_attempts, rows};
use crate::{
    rotation::{self, Presented, Rotated, Verdict},
    store::{
        ChangeRefusal, Changed, ConfirmedLogin, NewPair, Repetition, Replacement, Rotation, Session,
    },
    token::Salt,
};

/// Dead rows removed with each new one: twice what is added, so that they never pile up, and little
/// enough that no login notices.
const PURGED_MAX: u32 = 2;

/// The live end of a session.
struct Head {
    token_id: i64,
    access: TokenDigest,
    session: Session,
}

pub(super) fn start_session(
    db: &Connection,
    account_id: i64,
    pair: NewPair,
    sessions_max: usize,
) -> rusqlite::Result<Option<Changed>> {
    let now = pair.created_at;
    let Ok(account) = accounts::find_active(db, account_id)? else { return Ok(None) };
    insert(db, account_id, pair.id, now, pair)?;
    let heads = heads(db, account_id, now)?;
    let ended = end(db, heads.get(sessions_max..).unwrap_or_default(), now)?;
    Ok(Some(Changed { account, ended }))
}

pub(super) fn log_in(
    db: &Connection,
    login: &ConfirmedLogin,
    pair: NewPair,
    sessions_max: usize,
) -> rusqlite::Result<Result<Changed, ChangeRefusal>> {
    if !accounts::is_password(db, login.account_id, &login.password_hash)? {
        return Ok(Err(ChangeRefusal::PasswordDiffers));
    }
    login_attempts::forget(db, login.email)?;
    let started = start_session(db, login.account_id, pair, sessions_max)?;
    Ok(started.ok_or(ChangeRefusal::NotActive))
}

pub(super) fn rotate(
    db: &Connection,
    refresh: TokenDigest,
    next: Replacement,
) -> rusqlite::Result<Rotation> {
    let Replacement { pair, salt, grace } = next;
    let now = pair.created_at;
    let Some(old) = find_presented(db, refresh)? else { return Ok(Rotation::Refused) };
    match rotation::judge(old.presented, now, grace) {
        Verdict::Refuse => Ok(Rotation::Refused),
        Verdict::Repeat => Ok(Rotation::Repeated(repetition(db, &old)?)),
        Verdict::EndSession => Ok(Rotation::Reused {
            account_id: old.account_id,
            session_id: old.session_id,
            ended: end_session(db, old.account_id, old.session_id, now)?,
        }),
        Verdict::Rotate => {
            db.prepare_cached(
                "UPDATE auth_tokens
                 SET rotated_at = ?, updated_at = ?, successor_id = ?, successor_salt = ?
                 WHERE id = ?",
            )?
            .execute(params![
                now.as_micros(),
                now.as_micros(),
                pair.id,
                salt.0,
                old.token_id
            ])?;
            insert(db, old.account_id, old.session_id, old.session_started_at, pair)?;
            let account =
                accounts::find(db, old.account_id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            let ended = (old.expired_at > now).then_some(old.access).into_iter().collect();
            Ok(Rotation::Rotated(Changed { account, ended }))
        }
    }
}

pub(super) fn sessions(
    db: &Connection,
    account_id: i64,
    now: Timestamp,
) -> rusqlite::Result<Vec<Session>> {
    Ok(heads(db, account_id, now)?.into_iter().map(|head| head.session).collect())
}

pub(super) fn end_session(
    db: &Connection,
    account_id: i64,
    session_id: i64,
    now: Timestamp,
) -> rusqlite::Result<Vec<TokenDigest>> {
    let mut heads = heads(db, account_id, now)?;
    heads.retain(|head| head.session.id == session_id);
    end(db, &heads, now)
}

pub(super) fn end_sessions(
    db: &Connection,
    account_id: i64,
    now: Timestamp,
) -> rusqlite::Result<Vec<TokenDigest>> {
    end(db, &heads(db, account_id, now)?, now)
}

pub(super) fn end_other_sessions(
    db: &Connection,
    account_id: i64,
    session_id: i64,
    now: Timestamp,
) -> rusqlite::Result<Vec<TokenDigest>> {
    let mut heads = heads(db, account_id, now)?;
    heads.retain(|head| head.session.id != session_id);
    end(db, &heads, now)
}

pub(super) fn introspect(
    db: &Connection,
    access: TokenDigest,
    now: Timestamp,
) -> rusqlite::Result<Option<Identity>> {
    db.prepare_cached(
        "SELECT t.account_id, t.session_id, t.expired_at
         FROM auth_tokens t INNER JOIN accounts a ON a.id = t.account_id
         WHERE t.access_token = ? AND t.expired_at > ?
           AND t.revoked_at IS NULL AND t.rotated_at IS NULL AND a.is_valid = 1",
    )?
    .query_row(params![access.0, now.as_micros()], |row| {
        Ok(Identity::person(
            row.get("account_id")?,
            row.get("session_id")?,
            rows::timestamp(row, "expired_at")?,
        ))
    })
    .optional()
}

/// The row that a refresh token belongs to.
struct Old {
    token_id: i64,
    account_id: i64,
    session_id: i64,
    session_started_at: Timestamp,
    access: TokenDigest,
    expired_at: Timestamp,
    presented: Presented,
}

fn find_presented(db: &Connection, refresh: TokenDigest) -> rusqlite::Result<Option<Old>> {
    db.prepare_cached(
        "SELECT t.id, t.account_id, t.session_id, t.session_started_at, t.access_token,
                t.expired_at, t.refresh_expired_at, t.rotated_at, t.revoked_at,
                a.is_valid, a.closed_at,
                s.id IS NOT NULL AND s.rotated_at IS NULL AND s.revoked_at IS NULL
                    AS is_by_head
         FROM auth_tokens t INNER JOIN accounts a ON a.id = t.account_id
         LEFT JOIN auth_tokens s ON s.id = t.successor_id
         WHERE t.refresh_token = ?",
    )?
    .query_row([refresh.0], |row| {
        Ok(Old {
            token_id: row.get("id")?,
            account_id: row.get("account_id")?,
            session_id: row.get("session_id")?,
            session_started_at: rows::timestamp(row, "session_started_at")?,
            access: rows::digest(row, "access_token")?,
            expired_at: rows::timestamp(row, "expired_at")?,
            presented: Presented {
                standing: rows::standing(row)?,
                is_revoked: row.get::<_, Option<i64>>("revoked_at")?.is_some(),
                rotated: rotated(row)?,
                refresh_expired_at: rows::timestamp(row, "refresh_expired_at")?,
            },
        })
    })
    .optional()
}

fn rotated(row: &Row<'_>) -> rusqlite::Result<Option<Rotated>> {
    let Some(at) = row.get::<_, Option<i64>>("rotated_at")? else { return Ok(None) };
    let is_by_head = row.get("is_by_head")?;
    Ok(Some(Rotated { at: Timestamp::from_micros(at), is_by_head }))
}

/// The pair that has replaced this one.
fn repetition(db: &Connection, old: &Old) -> rusqlite::Result<Repetition> {
    let account =
        accounts::find(db, old.account_id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    db.prepare_cached(
        "SELECT t.successor_salt, s.expired_at, s.refresh_expired_at
         FROM auth_tokens t INNER JOIN auth_tokens s ON s.id = t.successor_id
         WHERE t.id = ?",
    )?
    .query_row([old.token_id], |row| {
        Ok(Repetition {
            account,
            salt: Salt(row.get("successor_salt")?),
            expired_at: rows::timestamp(row, "expired_at")?,
            refresh_expired_at: rows::timestamp(row, "refresh_expired_at")?,
        })
    })
}

/// Adds a pair, and clears away a little of what is dead.
fn insert(
    db: &Connection,
    account_id: i64,
    session_id: i64,
    session_started_at: Timestamp,
    pair: NewPair,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO auth_tokens
         (id, account_id, session_id, session_started_at, access_token, expired_at,
          refresh_token, refresh_expired_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        pair.id,
        account_id,
        session_id,
        session_started_at.as_micros(),
        pair.access.0,
        pair.expired_at.as_micros(),
        pair.refresh.0,
        pair.refresh_expired_at.as_micros(),
        pair.created_at.as_micros(),
        pair.created_at.as_micros(),
    ])?;
    purge(db, pair.created_at)
}

/// Removes rows that no answer depends on any more.
fn purge(db: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let dead: Vec<i64> = db
        .prepare_cached(
            "SELECT id FROM auth_tokens
             WHERE refresh_expired_at <= ? ORDER BY refresh_expired_at LIMIT ?",
        )?
        .query_map(params![now.as_micros(), PURGED_MAX], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut delete = db.prepare_cached("DELETE FROM auth_tokens WHERE id = ?")?;
    for id in dead {
        delete.execute([id])?;
    }
    Ok(())
}

/// The live heads of an account's sessions, newest session first. Never more than an account may
/// have sessions, and one.
fn heads(db: &Connection, account_id: i64, now: Timestamp) -> rusqlite::Result<Vec<Head>> {
    db.prepare_cached(
        "SELECT id, session_id, session_started_at, access_token, expired_at,
                refresh_expired_at, updated_at
         FROM auth_tokens
         WHERE account_id = ? AND revoked_at IS NULL AND rotated_at IS NULL
           AND refresh_expired_at > ?
         ORDER BY session_started_at DESC, session_id DESC",
    )?
    .query_map(params![account_id, now.as_micros()], |row| {
        Ok(Head {
            token_id: row.get("id")?,
            access: rows::digest(row, "access_token")?,
            session: Session {
                id: row.get("session_id")?,
                started_at: rows::timestamp(row, "session_started_at")?,
                updated_at: rows::timestamp(row, "updated_at")?,
                expired_at: rows::timestamp(row, "expired_at")?,
                refresh_expired_at: rows::timestamp(row, "refresh_expired_at")?,
            },
        })
    })?
    .collect()
}

/// Revokes these heads; returns the access tokens that were alive.
fn end(db: &Connection, heads: &[Head], now: Timestamp) -> rusqlite::Result<Vec<TokenDigest>> {
    let mut revoke =
        db.prepare_cached("UPDATE auth_tokens SET revoked_at = ?, updated_at = ? WHERE id = ?")?;
    for head in heads {
        revoke.execute(params![now.as_micros(), now.as_micros(), head.token_id])?;
    }
    let alive = heads.iter().filter(|head| head.session.expired_at > now);
    Ok(alive.map(|head| head.access).collect())
}
