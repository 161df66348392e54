//! The table `accounts`, and what follows from a change in it within the same transaction.

use mysql_async::{Conn, Result, Row, prelude::Queryable};
use service::{
    clock::Timestamp,
    contract::account_feed::Standing,
    store::mysql::{Failure, failure},
};

use super::{account_changes, auth_tokens, closings, password_resets, rows};
use crate::store::{
    Account, ChangePassword, ChangeRefusal, Changed, Credentials, EmailChange, EmailTaken,
    InsertAccount, PasswordHash, UpdateAccount,
};

pub(super) async fn insert(
    conn: &mut Conn,
    new: &InsertAccount,
) -> Result<std::result::Result<Account, EmailTaken>> {
    let now = new.created_at.as_micros();
    let inserted = conn
        .exec_drop(
            "INSERT INTO accounts
             (id, name, email, email_normalised, password_hash, is_valid, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
            (
                new.id,
                &new.name,
                new.email.as_str(),
                new.email.normalised().as_bytes(),
                &new.password_hash,
                now,
                now,
            ),
        )
        .await;
    Ok(unless_taken(inserted)?.map(|()| Account {
        id: new.id,
        name: new.name.clone(),
        email: new.email.as_str().to_owned(),
        standing: Standing::Active,
        created_at: new.created_at,
        updated_at: new.created_at,
    }))
}

/// The account, read with this locking clause.
pub(super) async fn find(conn: &mut Conn, id: i64, clause: &str) -> Result<Option<Account>> {
    let sql = format!(
        "SELECT id, name, email, is_valid, closed_at, created_at, updated_at
         FROM accounts WHERE id = ? {clause}"
    );
    conn.exec_first(sql, (id,)).await?.as_ref().map(read).transpose()
}

/// The account, which nobody else changes until the transaction ends.
pub(super) async fn lock(conn: &mut Conn, id: i64) -> Result<Option<Account>> {
    find(conn, id, "FOR UPDATE").await
}

pub(super) async fn credentials(
    conn: &mut Conn,
    email_normalised: &str,
) -> Result<Option<Credentials>> {
    let found: Option<Row> = conn
        .exec_first(
            "SELECT id, name, email, password_hash, is_valid, closed_at, created_at, updated_at
             FROM accounts WHERE email_normalised = ?",
            (email_normalised.as_bytes(),),
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Credentials { account: read(&row)?, password_hash: rows::get(&row, "password_hash")? }))
}

pub(super) async fn credentials_of(
    conn: &mut Conn,
    account_id: i64,
) -> Result<Option<Credentials>> {
    let found: Option<Row> = conn
        .exec_first(
            "SELECT id, name, email, password_hash, is_valid, closed_at, created_at, updated_at
             FROM accounts WHERE id = ?",
            (account_id,),
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Credentials { account: read(&row)?, password_hash: rows::get(&row, "password_hash")? }))
}

/// Whether the password is still the one that was confirmed. The account is locked.
pub(super) async fn is_password(
    conn: &mut Conn,
    id: i64,
    confirmed: &PasswordHash,
) -> Result<bool> {
    let found: Option<String> =
        conn.exec_first("SELECT password_hash FROM accounts WHERE id = ?", (id,)).await?;
    Ok(found.as_ref() == Some(&confirmed.0))
}

pub(super) async fn set_password(
    conn: &mut Conn,
    id: i64,
    password: &PasswordHash,
    now: Timestamp,
) -> Result<()> {
    conn.exec_drop(
        "UPDATE accounts SET password_hash = ?, updated_at = ? WHERE id = ?",
        (&password.0, now.as_micros(), id),
    )
    .await
}

pub(super) async fn change_password(
    conn: &mut Conn,
    change: &ChangePassword,
    now: Timestamp,
) -> Result<std::result::Result<Changed, ChangeRefusal>> {
    let id = change.account_id;
    let mut account = match lock_active(conn, id).await? {
        Ok(account) => account,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !is_password(conn, id, &change.confirmed).await? {
        return Ok(Err(ChangeRefusal::PasswordDiffers));
    }
    set_password(conn, id, &change.new, now).await?;
    account.updated_at = now;
    password_resets::end(conn, id, now).await?;
    let ended = auth_tokens::end_other_sessions(conn, id, change.session_id, now).await?;
    Ok(Ok(Changed { account, ended }))
}

/// Why the email of an account, which is locked, may not become this one, if it may not.
async fn check_email_change(
    conn: &mut Conn,
    account: &Account,
    update: &UpdateAccount,
) -> Result<std::result::Result<(), ChangeRefusal>> {
    if account.email == update.email.as_str() {
        return Ok(Ok(()));
    }
    Ok(match &update.email_change {
        EmailChange::Allowed => Ok(()),
        EmailChange::Refused => Err(ChangeRefusal::EmailDiffers),
        EmailChange::Confirmed(confirmed) => {
            let is_password = is_password(conn, account.id, confirmed).await?;
            if is_password { Ok(()) } else { Err(ChangeRefusal::PasswordDiffers) }
        }
    })
}

pub(super) async fn update(
    conn: &mut Conn,
    id: i64,
    update: &UpdateAccount,
    now: Timestamp,
) -> Result<std::result::Result<Changed, ChangeRefusal>> {
    let mut account = match lock_active(conn, id).await? {
        Ok(account) => account,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Err(refusal) = check_email_change(conn, &account, update).await? {
        return Ok(Err(refusal));
    }
    let updated = conn
        .exec_drop(
            "UPDATE accounts
             SET name = ?, email = ?, email_normalised = ?, is_valid = ?, updated_at = ?
             WHERE id = ?",
            (
                &update.name,
                update.email.as_str(),
                update.email.normalised().as_bytes(),
                update.is_valid,
                now.as_micros(),
                id,
            ),
        )
        .await;
    if let Err(EmailTaken) = unless_taken(updated)? {
        return Ok(Err(ChangeRefusal::EmailTaken));
    }
    if account.email != update.email.as_str() {
        password_resets::end(conn, id, now).await?;
    }
    account.name.clone_from(&update.name);
    update.email.as_str().clone_into(&mut account.email);
    account.updated_at = now;
    if update.is_valid {
        return Ok(Ok(Changed { account, ended: Vec::new() }));
    }
    account.standing = Standing::Suspended;
    exclude(conn, account, now).await.map(Ok)
}

pub(super) async fn close(
    conn: &mut Conn,
    id: i64,
    now: Timestamp,
) -> Result<std::result::Result<Changed, ChangeRefusal>> {
    let Some(mut account) = lock(conn, id).await? else { return Ok(Err(ChangeRefusal::Unknown)) };
    closings::settle(conn, id).await?;
    if account.standing == Standing::Closed {
        return Ok(Err(ChangeRefusal::NotActive));
    }
    conn.exec_drop(
        "UPDATE accounts SET is_valid = 0, closed_at = ?, updated_at = ? WHERE id = ?",
        (now.as_micros(), now.as_micros(), id),
    )
    .await?;
    account.standing = Standing::Closed;
    account.updated_at = now;
    exclude(conn, account, now).await.map(Ok)
}

/// Gives an account that is locked and not closed another standing.
pub(super) async fn stand(
    conn: &mut Conn,
    id: i64,
    standing: Standing,
    now: Timestamp,
) -> Result<()> {
    conn.exec_drop(
        "UPDATE accounts SET is_valid = ?, updated_at = ? WHERE id = ?",
        (standing == Standing::Active, now.as_micros(), id),
    )
    .await?;
    account_changes::append(conn, id, standing, now).await
}

/// The account, locked, if its owner may change it.
pub(super) async fn lock_active(
    conn: &mut Conn,
    id: i64,
) -> Result<std::result::Result<Account, ChangeRefusal>> {
    Ok(match lock(conn, id).await? {
        Some(account) if account.standing == Standing::Active => Ok(account),
        Some(_) => Err(ChangeRefusal::NotActive),
        None => Err(ChangeRefusal::Unknown),
    })
}

/// What follows when an account leaves good standing: its tokens end, and the feed says so.
async fn exclude(conn: &mut Conn, account: Account, now: Timestamp) -> Result<Changed> {
    let ended = auth_tokens::end_sessions(conn, account.id, now).await?;
    account_changes::append(conn, account.id, account.standing, now).await?;
    Ok(Changed { account, ended })
}

fn read(row: &Row) -> Result<Account> {
    Ok(Account {
        id: rows::get(row, "id")?,
        name: rows::get(row, "name")?,
        email: rows::get(row, "email")?,
        standing: rows::standing(row)?,
        created_at: rows::timestamp(row, "created_at")?,
        updated_at: rows::timestamp(row, "updated_at")?,
    })
}

/// Tells a violation of the one unique column that clients choose from other failures.
fn unless_taken(result: Result<()>) -> Result<std::result::Result<(), EmailTaken>> {
    match result {
        Ok(()) => Ok(Ok(())),
        Err(error) if failure(&error) == Failure::DuplicateKey => Ok(Err(EmailTaken)),
        Err(error) => Err(error),
    }
}
