//! The table `auth_tokens`: sessions as chains of token pairs, of which only the head can be alive.

use mysql_async::{Conn, Error, Result, Row, prelude::Queryable};
use service::{
    clock::Timestamp,
    contract::{identity::Identity, introspection::TokenDigest},
};

use super::{accounts, login_attempts, rows};
use crate::{
    rotation::{self, Presented, Rotated, Verdict},
    store::{
        Account, ChangeRefusal, Changed, ConfirmedLogin, NewPair, Repetition, Replacement,
        Rotation, Session,
    },
    token::Salt,
};

/// Dead rows removed with each new one: twice what is added, so that they never pile up, and little
/// enough that no login notices.
const PURGED_MAX: usize = 2;

/// Dead rows that are looked at for it. Logins at the same time take different ones, or each would
/// wait for the other's rows.
const PURGEABLE_MAX: usize = 64;

/// The live end of a session.
struct Head {
    token_id: i64,
    access: TokenDigest,
    session: Session,
}

pub(super) async fn start_session(
    conn: &mut Conn,
    account_id: i64,
    pair: NewPair,
    sessions_max: usize,
) -> Result<Option<Changed>> {
    let now = pair.created_at;
    let Ok(account) = accounts::lock_active(conn, account_id).await? else { return Ok(None) };
    insert(conn, account_id, pair.id, now, pair).await?;
    let heads = heads(conn, account_id, now).await?;
    let ended = end(conn, heads.get(sessions_max..).unwrap_or_default(), now).await?;
    Ok(Some(Changed { account, ended }))
}

pub(super) async fn log_in(
    conn: &mut Conn,
    login: &ConfirmedLogin,
    pair: NewPair,
    sessions_max: usize,
) -> Result<std::result::Result<Changed, ChangeRefusal>> {
    // Locked first, so that the password stays what it is.
    if let Err(refusal) = accounts::lock_active(conn, login.account_id).await? {
        return Ok(Err(refusal));
    }
    if !accounts::is_password(conn, login.account_id, &login.password_hash).await? {
        return Ok(Err(ChangeRefusal::PasswordDiffers));
    }
    login_attempts::forget(conn, login.email).await?;
    let started = start_session(conn, login.account_id, pair, sessions_max).await?;
    Ok(started.ok_or(ChangeRefusal::NotActive))
}

pub(super) async fn rotate(
    conn: &mut Conn,
    refresh: TokenDigest,
    next: Replacement,
) -> Result<Rotation> {
    let Replacement { pair, salt, grace } = next;
    let now = pair.created_at;
    let owner: Option<i64> = conn
        .exec_first("SELECT account_id FROM auth_tokens WHERE refresh_token = ?", (refresh.0,))
        .await?;
    let Some(owner) = owner else { return Ok(Rotation::Refused) };
    // Under this lock, what is read next stays so.
    let account = accounts::lock(conn, owner).await?;
    let account = account.ok_or_else(|| Error::Other("a token's account is gone".into()))?;
    let Some(old) = find_presented(conn, refresh).await? else { return Ok(Rotation::Refused) };
    match rotation::judge(old.presented, now, grace) {
        Verdict::Refuse => Ok(Rotation::Refused),
        Verdict::Repeat => Ok(Rotation::Repeated(repetition(conn, account, &old).await?)),
        Verdict::EndSession => Ok(Rotation::Reused {
            account_id: owner,
            session_id: old.session_id,
            ended: end_session(conn, owner, old.session_id, now).await?,
        }),
        Verdict::Rotate => {
            conn.exec_drop(
                "UPDATE auth_tokens
                 SET rotated_at = ?, updated_at = ?, successor_id = ?, successor_salt = ?
                 WHERE id = ?",
                (now.as_micros(), now.as_micros(), pair.id, salt.0, old.token_id),
            )
            .await?;
            insert(conn, owner, old.session_id, old.session_started_at, pair).await?;
            let ended = (old.expired_at > now).then_some(old.access).into_iter().collect();
            Ok(Rotation::Rotated(Changed { account, ended }))
        }
    }
}

pub(super) async fn sessions(
    conn: &mut Conn,
    account_id: i64,
    now: Timestamp,
) -> Result<Vec<Session>> {
    Ok(heads(conn, account_id, now).await?.into_iter().map(|head| head.session).collect())
}

pub(super) async fn end_session(
    conn: &mut Conn,
    account_id: i64,
    session_id: i64,
    now: Timestamp,
) -> Result<Vec<TokenDigest>> {
    let mut heads = heads(conn, account_id, now).await?;
    heads.retain(|head| head.session.id == session_id);
    end(conn, &heads, now).await
}

pub(super) async fn end_sessions(
    conn: &mut Conn,
    account_id: i64,
    now: Timestamp,
) -> Result<Vec<TokenDigest>> {
    let heads = heads(conn, account_id, now).await?;
    end(conn, &heads, now).await
}

pub(super) async fn end_other_sessions(
    conn: &mut Conn,
    account_id: i64,
    session_id: i64,
    now: Timestamp,
) -> Result<Vec<TokenDigest>> {
    let mut heads = heads(conn, account_id, now).await?;
    heads.retain(|head| head.session.id != session_id);
    end(conn, &heads, now).await
}

pub(super) async fn introspect(
    conn: &mut Conn,
    access: TokenDigest,
    now: Timestamp,
) -> Result<Option<Identity>> {
    let found: Option<Row> = conn
        .exec_first(
            "SELECT t.account_id, t.session_id, t.expired_at
             FROM auth_tokens t INNER JOIN accounts a ON a.id = t.account_id
             WHERE t.access_token = ? AND t.expired_at > ?
               AND t.revoked_at IS NULL AND t.rotated_at IS NULL AND a.is_valid = 1",
            (access.0, now.as_micros()),
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Identity::person(
        rows::get(&row, "account_id")?,
        rows::get(&row, "session_id")?,
        rows::timestamp(&row, "expired_at")?,
    )))
}

/// The row that a refresh token belongs to.
struct Old {
    token_id: i64,
    session_id: i64,
    session_started_at: Timestamp,
    access: TokenDigest,
    expired_at: Timestamp,
    presented: Presented,
}

async fn find_presented(conn: &mut Conn, refresh: TokenDigest) -> Result<Option<Old>> {
    let found: Option<Row> = conn
        .exec_first(
            "SELECT t.id, t.session_id, t.session_started_at, t.access_token, t.expired_at,
                    t.refresh_expired_at, t.rotated_at, t.revoked_at, a.is_valid, a.closed_at,
                    (s.id IS NOT NULL AND s.rotated_at IS NULL AND s.revoked_at IS NULL)
                        AS is_by_head
             FROM auth_tokens t INNER JOIN accounts a ON a.id = t.account_id
             LEFT JOIN auth_tokens s ON s.id = t.successor_id
             WHERE t.refresh_token = ?",
            (refresh.0,),
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Old {
        token_id: rows::get(&row, "id")?,
        session_id: rows::get(&row, "session_id")?,
        session_started_at: rows::timestamp(&row, "session_started_at")?,
        access: rows::digest(&row, "access_token")?,
        expired_at: rows::timestamp(&row, "expired_at")?,
        presented: Presented {
            standing: rows::standing(&row)?,
            is_revoked: rows::get::<Option<i64>>(&row, "revoked_at")?.is_some(),
            rotated: rotated(&row)?,
            refresh_expired_at: rows::timestamp(&row, "refresh_expired_at")?,
        },
    }))
}

fn rotated(row: &Row) -> Result<Option<Rotated>> {
    let Some(at) = rows::get::<Option<i64>>(row, "rotated_at")? else { return Ok(None) };
    let is_by_head = rows::get(row, "is_by_head")?;
    Ok(Some(Rotated { at: Timestamp::from_micros(at), is_by_head }))
}

/// The pair that has replaced this one.
async fn repetition(conn: &mut Conn, account: Account, old: &Old) -> Result<Repetition> {
    let found: Option<Row> = conn
        .exec_first(
            "SELECT t.successor_salt, s.expired_at, s.refresh_expired_at
             FROM auth_tokens t INNER JOIN auth_tokens s ON s.id = t.successor_id
             WHERE t.id = ?",
            (old.token_id,),
        )
        .await?;
    let row = found.ok_or_else(|| Error::Other("a token's successor is gone".into()))?;
    let salt: Vec<u8> = rows::get(&row, "successor_salt")?;
    Ok(Repetition {
        account,
        salt: Salt(salt.try_into().map_err(|_| rows::misfit("successor_salt"))?),
        expired_at: rows::timestamp(&row, "expired_at")?,
        refresh_expired_at: rows::timestamp(&row, "refresh_expired_at")?,
    })
}

/// Adds a pair, and clears away a little of what is dead.
async fn insert(
    conn: &mut Conn,
    account_id: i64,
    session_id: i64,
    session_started_at: Timestamp,
    pair: NewPair,
) -> Result<()> {
    conn.exec_drop(
        "INSERT INTO auth_tokens
         (id, account_id, session_id, session_started_at, access_token, expired_at,
          refresh_token, refresh_expired_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
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
        ),
    )
    .await?;
    purge(conn, pair.id, pair.created_at).await
}

/// Removes rows that no answer depends on any more, chosen by the id of the new one.
async fn purge(conn: &mut Conn, new_id: i64, now: Timestamp) -> Result<()> {
    let dead: Vec<i64> = conn
        .exec(
            "SELECT id FROM auth_tokens
             WHERE refresh_expired_at <= ? ORDER BY refresh_expired_at LIMIT ?",
            (now.as_micros(), PURGEABLE_MAX),
        )
        .await?;
    let turn = usize::try_from(new_id).unwrap_or(0) % PURGEABLE_MAX;
    let turns = dead.len().div_ceil(PURGED_MAX).max(1);
    for id in dead.iter().skip(turn % turns * PURGED_MAX).take(PURGED_MAX) {
        conn.exec_drop("DELETE FROM auth_tokens WHERE id = ?", (id,)).await?;
    }
    Ok(())
}

/// The live heads of an account's sessions, newest session first. Never more than an account may
/// have sessions, and one.
async fn heads(conn: &mut Conn, account_id: i64, now: Timestamp) -> Result<Vec<Head>> {
    let found: Vec<Row> = conn
        .exec(
            "SELECT id, session_id, session_started_at, access_token, expired_at,
                    refresh_expired_at, updated_at
             FROM auth_tokens
             WHERE account_id = ? AND revoked_at IS NULL AND rotated_at IS NULL
               AND refresh_expired_at > ?
             ORDER BY session_started_at DESC, session_id DESC",
            (account_id, now.as_micros()),
        )
        .await?;
    found
        .iter()
        .map(|row| {
            Ok(Head {
                token_id: rows::get(row, "id")?,
                access: rows::digest(row, "access_token")?,
                session: Session {
                    id: rows::get(row, "session_id")?,
                    started_at: rows::timestamp(row, "session_started_at")?,
                    updated_at: rows::timestamp(row, "updated_at")?,
                    expired_at: rows::timestamp(row, "expired_at")?,
                    refresh_expired_at: rows::timestamp(row, "refresh_expired_at")?,
                },
            })
        })
        .collect()
}

/// Revokes these heads; returns the access tokens that were alive.
async fn end(conn: &mut Conn, heads: &[Head], now: Timestamp) -> Result<Vec<TokenDigest>> {
    for head in heads {
        conn.exec_drop(
            "UPDATE auth_tokens SET revoked_at = ?, updated_at = ? WHERE id = ?",
            (now.as_micros(), now.as_micros(), head.token_id),
        )
        .await?;
    }
    let alive = heads.iter().filter(|head| head.session.expired_at > now);
    Ok(alive.map(|head| head.access).collect())
}
