//! The table `account_operations`: what operators did, in the transaction of its effect.

use mysql_async::{Conn, Result, Row, prelude::Queryable};
use service::{clock::Timestamp, operator::Operator};

use super::{accounts, auth_tokens, revocations, rows};
use crate::{
    operations::{Action, Before, NewOperation, Operation, OperationRefusal, judge},
    store::Operated,
};

pub(super) async fn operate(
    conn: &mut Conn,
    new: &NewOperation,
    now: Timestamp,
) -> Result<std::result::Result<Operated, OperationRefusal>> {
    let NewOperation { account_id, action, .. } = *new;
    // Under this lock, what is read next stays so.
    let Some(account) = accounts::lock(conn, account_id).await? else {
        return Ok(Err(OperationRefusal::Unknown));
    };
    let has_sessions = !auth_tokens::sessions(conn, account_id, now).await?.is_empty();
    let newest = newest_standing(conn, account_id).await?;
    let before = Before { standing: account.standing, has_sessions, newest };
    let standing = match judge(action, before) {
        Ok(standing) => standing,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if standing != account.standing {
        accounts::stand(conn, account_id, standing, now).await?;
    }
    let ended = match action {
        Action::Suspend | Action::RevokeSessions => {
            auth_tokens::end_sessions(conn, account_id, now).await?
        }
        Action::Enable => Vec::new(),
    };
    revocations::append(conn, &ended, now).await?;
    let operation = Operation {
        account_id,
        sequence: next_sequence(conn, account_id).await?,
        action,
        reason: new.reason.clone(),
        operator: new.operator.clone(),
        created_at: now,
    };
    insert(conn, &operation).await?;
    Ok(Ok(Operated { operation, ended }))
}

/// The last operation that suspended or enabled the account.
async fn newest_standing(conn: &mut Conn, account_id: i64) -> Result<Option<Action>> {
    let name: Option<String> = conn
        .exec_first(
            "SELECT action FROM account_operations
             WHERE account_id = ? AND action IN ('suspend', 'enable')
             ORDER BY sequence DESC LIMIT 1",
            (account_id,),
        )
        .await?;
    Ok(name.as_deref().and_then(Action::from_name))
}

pub(super) async fn list(
    conn: &mut Conn,
    account_id: i64,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Operation>> {
    let found: Vec<Row> = conn
        .exec(
            "SELECT account_id, sequence, action, reason, api_key_id, user_name, created_at
             FROM account_operations WHERE account_id = ? AND sequence < ?
             ORDER BY sequence DESC LIMIT ?",
            (account_id, before.unwrap_or(i64::MAX), limit),
        )
        .await?;
    found.iter().map(read).collect()
}

/// The account is locked, so no other operation takes this sequence.
async fn next_sequence(conn: &mut Conn, account_id: i64) -> Result<i64> {
    let next: Option<i64> = conn
        .exec_first(
            "SELECT COALESCE(MAX(sequence), 0) + 1 FROM account_operations WHERE account_id = ?",
            (account_id,),
        )
        .await?;
    next.ok_or_else(|| rows::misfit("sequence"))
}

async fn insert(conn: &mut Conn, operation: &Operation) -> Result<()> {
    conn.exec_drop(
        "INSERT INTO account_operations
         (account_id, sequence, action, reason, api_key_id, user_name, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            operation.account_id,
            operation.sequence,
            operation.action.as_str(),
            &operation.reason,
            operation.operator.api_key_id(),
            operation.operator.user(),
            operation.created_at.as_micros(),
        ),
    )
    .await
}

fn read(row: &Row) -> Result<Operation> {
    let action: String = rows::get(row, "action")?;
    let (api_key_id, user) = (rows::get(row, "api_key_id")?, rows::get(row, "user_name")?);
    let operator = Operator::from_columns(api_key_id, user);
    Ok(Operation {
        account_id: rows::get(row, "account_id")?,
        sequence: rows::get(row, "sequence")?,
        action: Action::from_name(&action).ok_or_else(|| rows::misfit("action"))?,
        reason: rows::get(row, "reason")?,
        operator: operator.ok_or_else(|| rows::misfit("api_key_id"))?,
        created_at: rows::timestamp(row, "created_at")?,
    })
}
