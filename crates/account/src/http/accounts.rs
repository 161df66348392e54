//! Calls on accounts.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::LOCATION};
use service::{
    contract::identity::OnBehalf,
    http::{fields::Body, health::json, path::PathId, problem::Problem},
};

use super::{
    problems::{CreateAccountProblems, GetAccountProblems, UpdateAccountProblems},
    representations::AccountBody,
    requests::{CreateAccount, ReplaceAccount},
};
use crate::{AccountService, Error};

/// Register an account
///
/// Needs no token. The next step is to log in.
#[utoipa::path(
    post,
    path = "/accounts/v1/accounts",
    tag = "accounts",
    security(()),
    request_body = CreateAccount,
    responses(
        (
            status = 201,
            description = "The account is registered.",
            body = AccountBody,
            headers(("Location" = String, description = "The path of the account.")),
        ),
        CreateAccountProblems,
    ),
)]
pub(super) async fn create_account(
    State(service): State<AccountService>,
    Body(request): Body<CreateAccount>,
) -> Result<Response, Problem> {
    let account = service.register(request.into()).await?;
    let location = format!("/accounts/v1/accounts/{}", account.id);
    let body = json(StatusCode::CREATED, &AccountBody::from(account));
    Ok(([(LOCATION, location)], body).into_response())
}

/// Show an account
///
/// The caller's own. Any other id is answered as if it did not exist.
#[utoipa::path(
    get,
    path = "/accounts/v1/accounts/{id}",
    tag = "accounts",
    security(("bearer" = ["accounts:read"]), ("api_key" = ["accounts:read"])),
    params((
        "id" = i64, Path, description = "The account.",
        minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10001,
    )),
    responses(
        (status = 200, description = "The account.", body = AccountBody),
        GetAccountProblems,
    ),
)]
pub(super) async fn get_account(
    State(service): State<AccountService>,
    caller: OnBehalf,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let account = service.account(own(caller, id)?).await?;
    Ok(json(StatusCode::OK, &AccountBody::from(account)))
}

/// Change an account
///
/// Replaces name, email and standing. With `isValid: false` the account is suspended: every token
/// ends, this one too, logins are refused, and money neither leaves nor reaches its wallets, until
/// an operator enables it again. Nothing of its history or balance is lost.
///
/// For another email, or another spelling of it, people need `currentPassword`, which is guarded as
/// at a login. It makes reset tokens void.
#[utoipa::path(
    put,
    path = "/accounts/v1/accounts/{id}",
    tag = "accounts",
    security(("bearer" = ["accounts:write"]), ("api_key" = ["accounts:write"])),
    params((
        "id" = i64, Path, description = "The account.",
        minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10001,
    )),
    request_body = ReplaceAccount,
    responses(
        (status = 200, description = "The account as it is now.", body = AccountBody),
        UpdateAccountProblems,
    ),
)]
pub(super) async fn update_account(
    State(service): State<AccountService>,
    caller: OnBehalf,
    PathId(id): PathId,
    Body(request): Body<ReplaceAccount>,
) -> Result<Response, Problem> {
    let account = service.update_account(caller.asker, own(caller, id)?, request.into()).await?;
    Ok(json(StatusCode::OK, &AccountBody::from(account)))
}

/// The id, if it is the one that the caller acts for. Others are not looked up, so that not even
/// time tells which exist.
pub(super) fn own(caller: OnBehalf, id: i64) -> Result<i64, Error> {
    if caller.account_id == id { Ok(id) } else { Err(Error::AccountNotFound) }
}
