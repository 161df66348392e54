//! Calls on passwords.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CACHE_CONTROL};
use service::{
    contract::{
        identity::{Asker, Identity, OnBehalf},
        scope::Scope,
    },
    http::{fields::Body, health::json, path::PathId, problem::Problem},
};

use super::{
    accounts::own,
    auths::tokens,
    problems::{ChangePasswordProblems, IssueResetProblems, RedeemResetProblems},
    representations::{ResetBody, TokensBody},
    requests::{ChangePassword, IssueReset, RedeemReset},
};
use crate::AccountService;

/// Change the password
///
/// All other sessions end: their access tokens are refused within a second. This one goes on. Reset
/// tokens of the account are void. After 5 wrong current passwords the next attempt has to wait, as
/// at a login, but neither counts for the other.
#[utoipa::path(
    put,
    path = "/accounts/v1/accounts/{id}/password",
    tag = "passwords",
    security(("bearer" = ["accounts:write"])),
    params((
        "id" = i64, Path, description = "The account.",
        minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10001,
    )),
    request_body = ChangePassword,
    responses((status = 204, description = "The password is the new one."), ChangePasswordProblems),
)]
pub(super) async fn change_password(
    State(service): State<AccountService>,
    caller: Identity,
    PathId(id): PathId,
    Body(request): Body<ChangePassword>,
) -> Result<StatusCode, Problem> {
    let Asker::Person { account_id, session_id } = caller.asker else {
        return Err(Problem::insufficient_scope(Scope::AccountsWrite));
    };
    let id = own(OnBehalf { asker: caller.asker, account_id }, id)?;
    service.change_password(id, session_id, request.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Issue a reset token
///
/// For a company's backend, which sends the token to the account's owner by its own means, such as
/// a link in an email: my-pay sends none. The account is named by its email or by its id. Earlier
/// tokens of the account are void. The token is valid for 30 minutes
/// (`account.reset_token_lifetime_seconds`), once. An account gets at most 5 in an hour. A
/// suspended account gets one too, and stays suspended. A key that acts for an account gets tokens
/// of no other.
#[utoipa::path(
    post,
    path = "/accounts/v1/password-resets",
    tag = "passwords",
    security(("api_key" = ["accounts:write"])),
    request_body = IssueReset,
    responses(
        (
            status = 201,
            description = "The token, which is shown this once.",
            body = ResetBody,
            headers(("Cache-Control" = String, description = "`no-store`: tokens are secrets.")),
        ),
        IssueResetProblems,
    ),
)]
pub(super) async fn issue_reset(
    State(service): State<AccountService>,
    caller: Identity,
    Body(request): Body<IssueReset>,
) -> Result<Response, Problem> {
    let issued = service.issue_reset(request.into(), caller.account_id).await?;
    let body = json(StatusCode::CREATED, &ResetBody::from(&issued));
    Ok(([(CACHE_CONTROL, "no-store")], body).into_response())
}

/// Set a password with a reset token
///
/// The token is all that is needed. All sessions of the account end, its other reset tokens are
/// void, and earlier attempts at its password are forgotten. A new session begins, so that an owner
/// gets in although a stranger goes on guessing. A suspended account stays suspended, and no
/// session begins. If the new password is refused, the token can be used again.
#[utoipa::path(
    post,
    path = "/accounts/v1/password-resets/redemptions",
    tag = "passwords",
    security(()),
    request_body = RedeemReset,
    responses(
        (
            status = 201,
            description = "The password is the new one, and a session has begun.",
            body = TokensBody,
            headers(("Cache-Control" = String, description = "`no-store`: tokens are secrets.")),
        ),
        (
            status = 204,
            description = "The password is the new one. No session has begun: the account is \
                suspended, or a session could not be made. In the latter case log in.",
        ),
        RedeemResetProblems,
    ),
)]
pub(super) async fn redeem_reset(
    State(service): State<AccountService>,
    Body(request): Body<RedeemReset>,
) -> Result<Response, Problem> {
    match service.redeem_reset(request.token, request.new_password).await? {
        Some(begun) => Ok(tokens(&begun)),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}
