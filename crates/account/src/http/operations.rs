//! Calls of operators on accounts.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;
use service::{
    clock::Timestamp,
    http::{
        fields::{Body, Fault, Fields, FromFields, Query},
        health::json,
        path::PathId,
        problem::Problem,
    },
    operator::{Operator, PageRequest, REASON},
};
use utoipa::ToSchema;

use super::problems::{ListOperationsProblems, OperateProblems};
use crate::{
    AccountService,
    operations::{Action, NewOperation, Operation},
};

/// What to do with an account, and why.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; `OperateRequest` is what is read from it")]
pub(super) struct OperateAccount {
    /// What to do.
    action: ActionName,
    /// Why, in any script. White space around it is removed. Refused are control characters
    /// (`control_character`), characters that change the direction of text (`direction_control`),
    /// noncharacters (`noncharacter`), joiners that join nothing (`stray_joiner`), and text of
    /// which nothing is visible (`invisible`).
    #[schema(min_length = 1, max_length = 500, example = "the owner reports a stolen phone")]
    reason: String,
}

/// `suspend` ends every token, refuses logins, and lets no money move. `enable` lifts a suspension;
/// tokens stay ended. `revoke_sessions` ends every token; the owner can log in again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AccountAction)]
enum ActionName {
    Suspend,
    Enable,
    RevokeSessions,
}

#[derive(Debug)]
pub(super) struct OperateRequest {
    action: Action,
    reason: String,
}

impl FromFields for OperateRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let action = fields.parsed("action", read_action);
        let reason = fields.text("reason", &REASON);
        Some(Self { action: action?, reason: reason? })
    }
}

fn read_action(name: &str) -> Result<Action, Fault> {
    Action::from_name(name).ok_or_else(|| {
        ("unknown_action", "must be `suspend`, `enable` or `revoke_sessions`".into())
    })
}

/// What an operator did with an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AccountOperation)]
pub(super) struct OperationBody {
    /// The account.
    #[schema(minimum = 10001, maximum = 9_007_199_254_740_991_i64, example = 10001)]
    account_id: i64,
    /// Its place among the account's operations, from 1, without gaps.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    sequence: i64,
    /// What was done.
    action: ActionName,
    /// Why.
    #[schema(min_length = 1, max_length = 500, example = "the owner reports a stolen phone")]
    reason: String,
    /// The API key that asked; null if a command did.
    #[schema(required = true, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 7)]
    api_key_id: Option<i64>,
    /// The user of the operating system who ran the command; null if an API key asked.
    #[schema(required = true)]
    user: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime, example = "2025-11-23T09:00:00.000000Z")]
    created_at: Timestamp,
}

/// A part of what operators did with an account, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AccountOperationPage)]
pub(super) struct OperationPageBody {
    /// At most as many as asked for.
    #[schema(max_items = 200)]
    items: Vec<OperationBody>,
    /// The `cursor` of the next page; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// Suspend or enable an account, or revoke its sessions
///
/// For operators, on any account: the path names it, and the header `My-Pay-Account` does not
/// count. A suspension ends the account's tokens within a second and stops its money within two, at
/// every instance. The answer is the operation as it is recorded. An action that would change
/// nothing is refused with 409, and nothing is recorded.
#[utoipa::path(
    post,
    path = "/accounts/v1/accounts/{id}/operations",
    tag = "operations",
    security(("api_key" = ["operate"])),
    params((
        "id" = i64, Path, description = "The account.",
        minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10001,
    )),
    request_body = OperateAccount,
    responses(
        (status = 201, description = "It is done and recorded.", body = OperationBody),
        OperateProblems,
    ),
)]
pub(super) async fn operate_account(
    State(service): State<AccountService>,
    operator: Operator,
    PathId(account_id): PathId,
    Body(request): Body<OperateRequest>,
) -> Result<Response, Problem> {
    let OperateRequest { action, reason } = request;
    let new = NewOperation { account_id, action, reason, operator };
    let operation = service.operate(new).await?;
    Ok(json(StatusCode::CREATED, &OperationBody::from(operation)))
}

/// List what operators did with an account
///
/// By call and by command, newest first, with who, when and why.
#[utoipa::path(
    get,
    path = "/accounts/v1/accounts/{id}/operations",
    tag = "operations",
    security(("api_key" = ["operate"])),
    params(
        (
            "id" = i64, Path, description = "The account.",
            minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10001,
        ),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 200,
            description = "Most operations on the page; 50 if absent."),
        ("cursor" = Option<String>, Query, max_length = 16, pattern = r"^[1-9][0-9]{0,15}$",
            description = "`nextCursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page.", body = OperationPageBody),
        ListOperationsProblems,
    ),
)]
pub(super) async fn list_account_operations(
    State(service): State<AccountService>,
    PathId(account_id): PathId,
    Query(PageRequest { limit, before }): Query<PageRequest>,
) -> Result<Response, Problem> {
    let page = service.operations(account_id, before, limit).await?;
    let page = OperationPageBody {
        items: page.items.into_iter().map(OperationBody::from).collect(),
        next_cursor: page.next.map(|sequence| sequence.to_string()),
    };
    Ok(json(StatusCode::OK, &page))
}

impl From<Operation> for OperationBody {
    fn from(operation: Operation) -> Self {
        Self {
            account_id: operation.account_id,
            sequence: operation.sequence,
            action: match operation.action {
                Action::Suspend => ActionName::Suspend,
                Action::Enable => ActionName::Enable,
                Action::RevokeSessions => ActionName::RevokeSessions,
            },
            reason: operation.reason,
            api_key_id: operation.operator.api_key_id(),
            user: operation.operator.user().map(str::to_owned),
            created_at: operation.created_at,
        }
    }
}
