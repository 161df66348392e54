//! The table `account_operations`: what operators did, in the transaction of its effect.

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};
use service::{clock::Timestamp, operator::Operator};

use super::{accounts, auth_tokens, revocations, rows};
use crate::{
    operations::{Action, Before, NewOperation, Operation, OperationRefusal, judge},
    store::Operated,
};

pub(super) fn operate(
    db: &Connection,
    new: NewOperation,
    now: Timestamp,
) -> rusqlite::Result<Result<Operated, OperationRefusal>> {
    let NewOperation { account_id, action, reason, operator } = new;
    let Some(account) = accounts::find(db, account_id)? else {
        return Ok(Err(OperationRefusal::Unknown));
    };
    let has_sessions = !auth_tokens::sessions(db, account_id, now)?.is_empty();
    let newest = newest_standing(db, account_id)?;
    let before = Before { standing: account.standing, has_sessions, newest };
    let standing = match judge(action, before) {
        Ok(standing) => standing,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if standing != account.standing {
        accounts::stand(db, account_id, standing, now)?;
    }
    let ended = match action {
        Action::Suspend | Action::RevokeSessions => auth_tokens::end_sessions(db, account_id, now)?,
        Action::Enable => Vec::new(),
    };
    revocations::append(db, &ended, now)?;
    let sequence = next_sequence(db, account_id)?;
    let operation = Operation { account_id, sequence, action, reason, operator, created_at: now };
    insert(db, &operation)?;
    Ok(Ok(Operated { operation, ended }))
}

/// The last operation that suspended or enabled the account.
fn newest_standing(db: &Connection, account_id: i64) -> rusqlite::Result<Option<Action>> {
    let name: Option<String> = db
        .prepare_cached(
            "SELECT action FROM account_operations
             WHERE account_id = ? AND action IN ('suspend', 'enable')
             ORDER BY sequence DESC LIMIT 1",
        )?
        .query_row([account_id], |row| row.get(0))
        .optional()?;
    Ok(name.as_deref().and_then(Action::from_name))
}

pub(super) fn list(
    db: &Connection,
    account_id: i64,
    before: Option<i64>,
    limit: u32,
) -> rusqlite::Result<Vec<Operation>> {
    db.prepare_cached(
        "SELECT account_id, sequence, action, reason, api_key_id, user_name, created_at
         FROM account_operations WHERE account_id = ? AND sequence < ?
         ORDER BY sequence DESC LIMIT ?",
    )?
    .query_map(params![account_id, before.unwrap_or(i64::MAX), limit], read)?
    .collect()
}

/// The writer is alone, so no other operation takes this sequence.
fn next_sequence(db: &Connection, account_id: i64) -> rusqlite::Result<i64> {
    db.prepare_cached(
        "SELECT COALESCE(MAX(sequence), 0) + 1 FROM account_operations WHERE account_id = ?",
    )?
    .query_row([account_id], |row| row.get(0))
}

fn insert(db: &Connection, operation: &Operation) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO account_operations
         (account_id, sequence, action, reason, api_key_id, user_name, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        operation.account_id,
        operation.sequence,
        operation.action.as_str(),
        operation.reason,
        operation.operator.api_key_id(),
        operation.operator.user(),
        operation.created_at.as_micros(),
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Operation> {
    let action: String = row.get("action")?;
    let operator = Operator::from_columns(row.get("api_key_id")?, row.get("user_name")?);
    Ok(Operation {
        account_id: row.get("account_id")?,
        sequence: row.get("sequence")?,
        action: Action::from_name(&action).ok_or_else(|| misfit(2, "the action"))?,
        reason: row.get("reason")?,
        operator: operator.ok_or_else(|| misfit(4, "the operator"))?,
        created_at: rows::timestamp(row, "created_at")?,
    })
}

fn misfit(column: usize, what: &str) -> rusqlite::Error {
    let error = format!("{what} of an operation is not one that there is");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}
