//! The table `password_resets`: one-time tokens that set a password. The account's row is locked
//! before its tokens are changed.

use mysql_async::{Conn, Result, prelude::Queryable};
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

pub(super) async fn insert(
    conn: &mut Conn,
    new: InsertReset,
) -> Result<std::result::Result<(), ResetRefusal>> {
    let now = new.created_at;
    match accounts::lock(conn, new.account_id).await?.map(|account| account.standing) {
        None => return Ok(Err(ResetRefusal::Unknown)),
        Some(Standing::Closed) => return Ok(Err(ResetRefusal::Closed)),
        Some(Standing::Active | Standing::Suspended) => {}
    }
    let newest = newest(conn, new.account_id, now).await?;
    if let Err(wait) = check_rate(&newest, now) {
        return Ok(Err(ResetRefusal::TooMany { wait }));
    }
    end(conn, new.account_id, now).await?;
    conn.exec_drop(
        "INSERT INTO password_resets (token_digest, account_id, created_at, expired_at)
         VALUES (?, ?, ?, ?)",
        (new.token.0, new.account_id, now.as_micros(), new.expired_at.as_micros()),
    )
    .await?;
    purge(conn, now).await?;
    Ok(Ok(()))
}

pub(super) async fn find(
    conn: &mut Conn,
    token: TokenDigest,
    now: Timestamp,
) -> Result<Option<Account>> {
    let Some(account_id) = find_live(conn, token, now).await? else { return Ok(None) };
    Ok(redeemable(accounts::find(conn, account_id, "").await?))
}

pub(super) async fn redeem(
    conn: &mut Conn,
    token: TokenDigest,
    password: &PasswordHash,
    now: Timestamp,
) -> Result<Option<Changed>> {
    let Some(account_id) = find_live(conn, token, now).await? else { return Ok(None) };
    let account = redeemable(accounts::lock(conn, account_id).await?);
    let Some(mut account) = account else { return Ok(None) };
    // Once more, under that lock: another use may have been first.
    if find_live(conn, token, now).await?.is_none() {
        return Ok(None);
    }
    accounts::set_password(conn, account.id, password, now).await?;
    account.updated_at = now;
    end(conn, account.id, now).await?;
    login_attempts::forget(conn, EmailDigest::of(&account.email)).await?;
    let ended = auth_tokens::end_sessions(conn, account.id, now).await?;
    Ok(Some(Changed { account, ended }))
}

/// Makes all tokens of the account void.
pub(super) async fn end(conn: &mut Conn, account_id: i64, now: Timestamp) -> Result<()> {
    conn.exec_drop(
        "UPDATE password_resets SET ended_at = ? WHERE account_id = ? AND ended_at IS NULL",
        (now.as_micros(), account_id),
    )
    .await
}

/// The account of a token that has neither ended nor expired.
async fn find_live(conn: &mut Conn, token: TokenDigest, now: Timestamp) -> Result<Option<i64>> {
    conn.exec_first(
        "SELECT account_id FROM password_resets
         WHERE token_digest = ? AND expired_at > ? AND ended_at IS NULL",
        (token.0, now.as_micros()),
    )
    .await
}

fn redeemable(account: Option<Account>) -> Option<Account> {
    account.filter(|account| account.standing != Standing::Closed)
}

/// When the newest tokens of the account were made, at most as many as count.
async fn newest(conn: &mut Conn, account_id: i64, now: Timestamp) -> Result<Vec<Timestamp>> {
    let found: Vec<i64> = conn
        .exec(
            "SELECT created_at FROM password_resets WHERE account_id = ? AND created_at <= ?
             ORDER BY created_at DESC LIMIT ?",
            (account_id, now.as_micros(), RESETS_MAX),
        )
        .await?;
    Ok(found.into_iter().map(Timestamp::from_micros).collect())
}

/// Removes rows that no answer depends on any more.
async fn purge(conn: &mut Conn, now: Timestamp) -> Result<()> {
    conn.exec_drop(
        "DELETE FROM password_resets WHERE created_at <= ? ORDER BY created_at LIMIT ?",
        (now.minus(RESET_KEPT).as_micros(), PURGED_MAX),
    )
    .await
}
