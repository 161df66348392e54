//! The table `accounts`, and what follows from a change in it within the same transaction.

use rusqlite::{Connection, OptionalExtension as _, Row, ffi, params};
use service::{clock::Timestamp, contract::account_feed::Standing};

use super::{account_changes, auth_tokens, closings, password_resets, rows};
use crate::store::{
    Account, ChangePassword, ChangeRefusal, Changed, Credentials, EmailChange, EmailTaken,
    InsertAccount, PasswordHash, UpdateAccount,
};

pub(super) fn insert(
    db: &Connection,
    new: InsertAccount,
) -> rusqlite::Result<Result<Account, EmailTaken>> {
    let now = new.created_at.as_micros();
    let inserted = db
        .prepare_cached(
            "INSERT INTO accounts
             (id, name, email, email_normalised, password_hash, is_valid, created_at, updated_at)
             VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
        )?
        .execute(params![
            new.id,
            new.name,
            new.email.as_str(),
            new.email.normalised(),
            new.password_hash,
            now,
            now
        ]);
    Ok(unless_taken(inserted)?.map(|()| Account {
        id: new.id,
        name: new.name,
        email: new.email.as_str().to_owned(),
        standing: Standing::Active,
        created_at: new.created_at,
        updated_at: new.created_at,
    }))
}

pub(super) fn find(db: &Connection, id: i64) -> rusqlite::Result<Option<Account>> {
    db.prepare_cached(
        "SELECT id, name, email, is_valid, closed_at, created_at, updated_at
         FROM accounts WHERE id = ?",
    )?
    .query_row([id], read)
    .optional()
}

pub(super) fn exist(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM accounts)", [], |row| row.get(0))
}

pub(super) fn credentials(
    db: &Connection,
    email_normalised: &str,
) -> rusqlite::Result<Option<Credentials>> {
    db.prepare_cached(
        "SELECT id, name, email, password_hash, is_valid, closed_at, created_at, updated_at
         FROM accounts WHERE email_normalised = ?",
    )?
    .query_row([email_normalised], |row| {
        Ok(Credentials { account: read(row)?, password_hash: row.get("password_hash")? })
    })
    .optional()
}

pub(super) fn credentials_of(
    db: &Connection,
    account_id: i64,
) -> rusqlite::Result<Option<Credentials>> {
    let Some(account) = find(db, account_id)? else { return Ok(None) };
    let PasswordHash(password_hash) = password_hash(db, account_id)?;
    Ok(Some(Credentials { account, password_hash }))
}

fn password_hash(db: &Connection, id: i64) -> rusqlite::Result<PasswordHash> {
    db.prepare_cached("SELECT password_hash FROM accounts WHERE id = ?")?
        .query_row([id], |row| Ok(PasswordHash(row.get(0)?)))
}

/// Whether the password is still the one that was confirmed.
pub(super) fn is_password(
    db: &Connection,
    id: i64,
    confirmed: &PasswordHash,
) -> rusqlite::Result<bool> {
    Ok(password_hash(db, id)? == *confirmed)
}

pub(super) fn set_password(
    db: &Connection,
    id: i64,
    password: &PasswordHash,
    now: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE accounts SET password_hash = ?, updated_at = ? WHERE id = ?")?
        .execute(params![password.0, now.as_micros(), id])?;
    Ok(())
}

pub(super) fn change_password(
    db: &Connection,
    change: &ChangePassword,
    now: Timestamp,
) -> rusqlite::Result<Result<Changed, ChangeRefusal>> {
    let id = change.account_id;
    let mut account = match find_active(db, id)? {
        Ok(account) => account,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !is_password(db, id, &change.confirmed)? {
        return Ok(Err(ChangeRefusal::PasswordDiffers));
    }
    set_password(db, id, &change.new, now)?;
    account.updated_at = now;
    password_resets::end(db, id, now)?;
    let ended = auth_tokens::end_other_sessions(db, id, change.session_id, now)?;
    Ok(Ok(Changed { account, ended }))
}

/// Why the email of an account may not become this one, if it may not.
fn check_email_change(
    db: &Connection,
    account: &Account,
    update: &UpdateAccount,
) -> rusqlite::Result<Result<(), ChangeRefusal>> {
    if account.email == update.email.as_str() {
        return Ok(Ok(()));
    }
    Ok(match &update.email_change {
        EmailChange::Allowed => Ok(()),
        EmailChange::Refused => Err(ChangeRefusal::EmailDiffers),
        EmailChange::Confirmed(confirmed) => {
            let is_password = is_password(db, account.id, confirmed)?;
            if is_password { Ok(()) } else { Err(ChangeRefusal::PasswordDiffers) }
        }
    })
}

pub(super) fn update(
    db: &Connection,
    id: i64,
    update: UpdateAccount,
    now: Timestamp,
) -> rusqlite::Result<Result<Changed, ChangeRefusal>> {
    let mut account = match find_active(db, id)? {
        Ok(account) => account,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Err(refusal) = check_email_change(db, &account, &update)? {
        return Ok(Err(refusal));
    }
    let updated = db
        .prepare_cached(
            "UPDATE accounts
             SET name = ?, email = ?, email_normalised = ?, is_valid = ?, updated_at = ?
             WHERE id = ?",
        )?
        .execute(params![
            update.name,
            update.email.as_str(),
            update.email.normalised(),
            update.is_valid,
            now.as_micros(),
            id
        ]);
    if let Err(EmailTaken) = unless_taken(updated)? {
        return Ok(Err(ChangeRefusal::EmailTaken));
    }
    if account.email != update.email.as_str() {
        password_resets::end(db, id, now)?;
    }
    account.name = update.name;
    update.email.as_str().clone_into(&mut account.email);
    account.updated_at = now;
    if update.is_valid {
        return Ok(Ok(Changed { account, ended: Vec::new() }));
    }
    account.standing = Standing::Suspended;
    exclude(db, account, now).map(Ok)
}

pub(super) fn close(
    db: &Connection,
    id: i64,
    now: Timestamp,
) -> rusqlite::Result<Result<Changed, ChangeRefusal>> {
    let Some(mut account) = find(db, id)? else { return Ok(Err(ChangeRefusal::Unknown)) };
    closings::settle(db, id)?;
    if account.standing == Standing::Closed {
        return Ok(Err(ChangeRefusal::NotActive));
    }
    db.prepare_cached(
        "UPDATE accounts SET is_valid = 0, closed_at = ?, updated_at = ? WHERE id = ?",
    )?
    .execute(params![now.as_micros(), now.as_micros(), id])?;
    account.standing = Standing::Closed;
    account.updated_at = now;
    exclude(db, account, now).map(Ok)
}

/// Gives an account that is not closed another standing.
pub(super) fn stand(
    db: &Connection,
    id: i64,
    standing: Standing,
    now: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE accounts SET is_valid = ?, updated_at = ? WHERE id = ?")?
        .execute(params![standing == Standing::Active, now.as_micros(), id])?;
    account_changes::append(db, id, standing, now)
}

/// The account, if its owner may change it.
pub(super) fn find_active(
    db: &Connection,
    id: i64,
) -> rusqlite::Result<Result<Account, ChangeRefusal>> {
    Ok(match find(db, id)? {
        Some(account) if account.standing == Standing::Active => Ok(account),
        Some(_) => Err(ChangeRefusal::NotActive),
        None => Err(ChangeRefusal::Unknown),
    })
}

/// What follows when an account leaves good standing: its tokens end, and the feed says so.
fn exclude(db: &Connection, account: Account, now: Timestamp) -> rusqlite::Result<Changed> {
    let ended = auth_tokens::end_sessions(db, account.id, now)?;
    account_changes::append(db, account.id, account.standing, now)?;
    Ok(Changed { account, ended })
}

/// Reads the columns of an account.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: row.get("id")?,
        name: row.get("name")?,
        email: row.get("email")?,
        standing: rows::standing(row)?,
        created_at: rows::timestamp(row, "created_at")?,
        updated_at: rows::timestamp(row, "updated_at")?,
    })
}

/// Tells a violation of the one unique column that clients choose from other failures.
fn unless_taken(result: rusqlite::Result<usize>) -> rusqlite::Result<Result<(), EmailTaken>> {
    match result {
        Ok(_) => Ok(Ok(())),
        Err(rusqlite::Error::SqliteFailure(error, _))
            if error.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE =>
        {
            Ok(Err(EmailTaken))
        }
        Err(error) => Err(error),
    }
}
