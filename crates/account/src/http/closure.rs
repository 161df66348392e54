//! Closing an account.

use axum::extract::State;
use http::StatusCode;
use service::{
    contract::identity::{Asker, OnBehalf},
    http::{fields::Body, path::PathId, problem::Problem},
};

use super::{accounts::own, problems::CloseAccountProblems, requests::CloseAccount};
use crate::AccountService;

/// Close an account
///
/// For good: it cannot be enabled again, and its email stays taken. Every token ends, this one too,
/// its wallets are closed, and nothing of its history is lost.
///
/// Only an account whose wallets are all empty is closed. Otherwise nothing changes, and
/// `balances_remain` names in `balances` the wallets that hold money: send it or withdraw it first.
/// Money that arrives at the same moment is either refused to its sender, because the wallet is
/// closed, or keeps the account open.
///
/// After `outcome_unknown` the closing is under way and ends by itself within moments, as soon as
/// the services answer each other: the account is closed, or it is open because its wallets held
/// money. Asking again is safe.
#[utoipa::path(
    post,
    path = "/accounts/v1/accounts/{id}/closure",
    tag = "accounts",
    security(("bearer" = ["accounts:write"]), ("api_key" = ["accounts:write"])),
    params((
        "id" = i64, Path, description = "The account.",
        minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10001,
    )),
    request_body = CloseAccount,
    responses(
        (status = 204, description = "The account is closed."),
        CloseAccountProblems,
    ),
)]
pub(super) async fn close_account(
    State(service): State<AccountService>,
    caller: OnBehalf,
    PathId(id): PathId,
    Body(request): Body<CloseAccount>,
) -> Result<StatusCode, Problem> {
    let id = own(caller, id)?;
    match (caller.asker, request.current_password) {
        // A token may be stolen. A backend has its own ways to know whom it acts for.
        (Asker::ApiKey { .. }, _) => {}
        (Asker::Person { .. }, Some(password)) => {
            service.confirm_password(id, password).await?;
        }
        (Asker::Person { .. }, None) => {
            return Err(Problem::field("currentPassword", "required", "is required"));
        }
    }
    service.close_account(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
