//! Calls of operators on wallets.

use axum::{http::StatusCode, response::Response};
use ledger::{FreezeAction, WalletId};
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

use super::{
    problems::{
        ListOperationsProblems, OperateProblems, not_operated, operation_not_answered,
        wallet_unknown,
    },
    serving::Shared,
};
use crate::{
    State,
    operations::{self, NewOperation, Operation},
};

/// What to do with a wallet, and why.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; `OperateRequest` is what is read from it")]
pub(super) struct OperateWallet {
    /// What to do.
    action: ActionName,
    /// Why, in any script. White space around it is removed. Refused are control characters
    /// (`control_character`), characters that change the direction of text (`direction_control`),
    /// noncharacters (`noncharacter`), joiners that join nothing (`stray_joiner`), and text of
    /// which nothing is visible (`invisible`).
    #[schema(min_length = 1, max_length = 500, example = "a court order")]
    reason: String,
}

/// `freeze` lets no money reach or leave the wallet, whatever becomes of its account. `unfreeze`
/// lifts that; money moves if the account is in good standing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WalletAction)]
enum ActionName {
    Freeze,
    Unfreeze,
}

#[derive(Debug)]
pub(super) struct OperateRequest {
    action: FreezeAction,
    reason: String,
}

impl FromFields for OperateRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let action = fields.parsed("action", read_action);
        let reason = fields.text("reason", &REASON);
        Some(Self { action: action?, reason: reason? })
    }
}

fn read_action(name: &str) -> Result<FreezeAction, Fault> {
    let message = "must be `freeze` or `unfreeze`";
    operations::from_name(name).ok_or_else(|| ("unknown_action", message.into()))
}

/// What an operator did with a wallet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WalletOperation)]
pub(super) struct OperationJson {
    /// The wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    wallet_id: i64,
    /// Its place among the wallet's operations, from 1, without gaps.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    sequence: i64,
    /// What was done.
    action: ActionName,
    /// Why.
    #[schema(min_length = 1, max_length = 500, example = "a court order")]
    reason: String,
    /// The API key that asked; null if a command did.
    #[schema(required = true, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 7)]
    api_key_id: Option<i64>,
    /// The user of the operating system who ran the command; null if an API key asked.
    #[schema(required = true)]
    user: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A part of what operators did with a wallet, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WalletOperationPage)]
pub(super) struct OperationPageJson {
    /// At most as many as asked for.
    #[schema(max_items = 200)]
    items: Vec<OperationJson>,
    /// The `cursor` of the next page; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// Freeze or unfreeze a wallet.
///
/// For operators, on any person's wallet: the path names it, and the header `My-Pay-Account` does
/// not count. A frozen wallet moves no money from the next batch on, at every instance, and stays
/// frozen when its account is suspended and enabled again. The answer is the operation as it is
/// recorded. An action that would change nothing is refused with 409, and nothing is recorded.
#[utoipa::path(
    post, path = "/money/v1/wallets/{id}/operations", tag = "operations",
    request_body = OperateWallet,
    params(("id" = i64, Path, description = "The wallet's id.", minimum = 1,
        maximum = 9_007_199_254_740_991_i64)),
    responses(
        (status = 201, description = "It is done and recorded.", body = OperationJson),
        OperateProblems,
    ),
    security(("api_key" = ["operate"])),
)]
pub(super) async fn operate_wallet(
    Shared(state): Shared<State>,
    operator: Operator,
    PathId(id): PathId,
    Body(request): Body<OperateRequest>,
) -> Result<Response, Problem> {
    let OperateRequest { action, reason } = request;
    let new = NewOperation { wallet_id: WalletId(id), action, reason, operator };
    let operated = operations::operate(state.operations.as_ref(), new, state.clock.now()).await;
    let operation =
        operated.map_err(|error| operation_not_answered(&error))?.map_err(not_operated)?;
    Ok(json(StatusCode::CREATED, &OperationJson::from(operation)))
}

/// List what operators did with a wallet.
///
/// By call and by command, newest first, with who, when and why.
#[utoipa::path(
    get, path = "/money/v1/wallets/{id}/operations", tag = "operations",
    params(
        ("id" = i64, Path, description = "The wallet's id.", minimum = 1,
            maximum = 9_007_199_254_740_991_i64),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 200,
            description = "Most operations on the page; 50 if absent."),
        ("cursor" = Option<String>, Query, max_length = 16, pattern = r"^[1-9][0-9]{0,15}$",
            description = "`nextCursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page.", body = OperationPageJson),
        ListOperationsProblems,
    ),
    security(("api_key" = ["operate"])),
)]
pub(super) async fn list_wallet_operations(
    Shared(state): Shared<State>,
    PathId(id): PathId,
    Query(PageRequest { limit, before }): Query<PageRequest>,
) -> Result<Response, Problem> {
    let store = state.operations.as_ref();
    let page = operations::operations(store, WalletId(id), before, limit).await;
    let page = page.map_err(|error| operation_not_answered(&error))?.ok_or_else(wallet_unknown)?;
    let page = OperationPageJson {
        items: page.items.into_iter().map(OperationJson::from).collect(),
        next_cursor: page.next.map(|sequence| sequence.to_string()),
    };
    Ok(json(StatusCode::OK, &page))
}

impl From<Operation> for OperationJson {
    fn from(operation: Operation) -> Self {
        Self {
            wallet_id: operation.wallet_id.0,
            sequence: operation.sequence,
            action: match operation.action {
                FreezeAction::Freeze => ActionName::Freeze,
                FreezeAction::Unfreeze => ActionName::Unfreeze,
            },
            reason: operation.reason,
            api_key_id: operation.operator.api_key_id(),
            user: operation.operator.user().map(str::to_owned),
            created_at: operation.created_at,
        }
    }
}
