//! Calls on sessions.

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
    http::{fields::Body, health::json, problem::Problem},
};

use super::{
    problems::{EndSessionsProblems, ListSessionsProblems, LogInProblems, RefreshProblems},
    representations::{SessionsBody, TokensBody},
    requests::{LogIn, RefreshTokens},
};
use crate::{AccountService, Tokens};

/// Log in
///
/// Starts a session. An unknown email and a wrong password get the same answer after the same time.
/// An account has at most 100 sessions: one more ends the oldest.
///
/// After some attempts (`account.login_attempts_free`, 5 unless configured) with one email, known
/// or not, the next has to wait (`too_many_attempts`): one second, then twice as long each time, up
/// to `account.login_wait_seconds_max`, 60 unless configured. The right password, a reset or an
/// hour without attempts ends that. Sessions go on.
#[utoipa::path(
    post,
    path = "/accounts/v1/auths",
    tag = "auths",
    security(()),
    request_body = LogIn,
    responses(
        (
            status = 201,
            description = "The session has begun.",
            body = TokensBody,
            headers(("Cache-Control" = String, description = "`no-store`: tokens are secrets.")),
        ),
        LogInProblems,
    ),
)]
pub(super) async fn log_in(
    State(service): State<AccountService>,
    Body(request): Body<LogIn>,
) -> Result<Response, Problem> {
    Ok(tokens(&service.log_in(request.into()).await?))
}

/// Refresh the tokens
///
/// Both are replaced, and the old ones end. A refresh token works once. For some seconds
/// (`account.refresh_grace_seconds`, 10 unless configured) the same token gives the same new pair
/// again, so that a lost answer can be asked for again and two tabs can refresh at once. A use
/// after that, or after the new refresh token was used, shows that the token was copied: the whole
/// session is revoked.
#[utoipa::path(
    post,
    path = "/accounts/v1/auths/refresh",
    tag = "auths",
    security(()),
    request_body = RefreshTokens,
    responses(
        (
            status = 201,
            description = "The session goes on with new tokens.",
            body = TokensBody,
            headers(("Cache-Control" = String, description = "`no-store`: tokens are secrets.")),
        ),
        RefreshProblems,
    ),
)]
pub(super) async fn refresh(
    State(service): State<AccountService>,
    Body(request): Body<RefreshTokens>,
) -> Result<Response, Problem> {
    Ok(tokens(&service.refresh(request.refresh_token).await?))
}

/// List the sessions
///
/// The caller's own that are alive, newest first.
#[utoipa::path(
    get,
    path = "/accounts/v1/auths",
    tag = "auths",
    security(("bearer" = ["accounts:read"]), ("api_key" = ["accounts:read"])),
    responses(
        (status = 200, description = "The sessions.", body = SessionsBody),
        ListSessionsProblems,
    ),
)]
pub(super) async fn list_sessions(
    State(service): State<AccountService>,
    caller: OnBehalf,
) -> Result<Response, Problem> {
    let sessions = service.sessions(caller.account_id).await?;
    let current_id = match caller.asker {
        Asker::Person { session_id, .. } => Some(session_id),
        Asker::ApiKey { .. } => None,
    };
    Ok(json(StatusCode::OK, &SessionsBody::new(sessions, current_id)))
}

/// Log out
///
/// Ends the session that the token belongs to.
#[utoipa::path(
    delete,
    path = "/accounts/v1/auths/current",
    tag = "auths",
    security(("bearer" = ["accounts:write"])),
    responses((status = 204, description = "The session has ended."), EndSessionsProblems),
)]
pub(super) async fn log_out(
    State(service): State<AccountService>,
    caller: Identity,
) -> Result<StatusCode, Problem> {
    let Asker::Person { account_id, session_id } = caller.asker else {
        return Err(Problem::insufficient_scope(Scope::AccountsWrite));
    };
    service.log_out(account_id, session_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Log out everywhere
///
/// Ends all of the caller's sessions, this one too.
#[utoipa::path(
    delete,
    path = "/accounts/v1/auths",
    tag = "auths",
    security(("bearer" = ["accounts:write"]), ("api_key" = ["accounts:write"])),
    responses((status = 204, description = "All sessions have ended."), EndSessionsProblems),
)]
pub(super) async fn log_out_everywhere(
    State(service): State<AccountService>,
    caller: OnBehalf,
) -> Result<StatusCode, Problem> {
    service.log_out_everywhere(caller.account_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// RFC 6749, section 5.1: an answer with tokens must not be cached.
pub(super) fn tokens(tokens: &Tokens) -> Response {
    let body = json(StatusCode::CREATED, &TokensBody::from(tokens));
    ([(CACHE_CONTROL, "no-store")], body).into_response()
}
