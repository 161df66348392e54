//! Calls on API keys, for keys that manage keys.

mod bodies;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, LOCATION},
};
use service::{
    contract::{
        identity::{Asker, Identity},
        scope::Scope,
    },
    http::{fields::Body, health::json, path::PathId, problem::Problem},
};

use self::bodies::{ApiKeyBody, ApiKeysBody, CreateApiKey, IssuedKeyBody, RotateApiKey};
use super::problems::{
    CreateApiKeyProblems, GetApiKeyProblems, ListApiKeysProblems, RevokeApiKeyProblems,
    RotateApiKeyProblems,
};
use crate::{
    AccountService,
    api_keys::{IssuedKey, Manager},
};

/// Create an API key
///
/// The answer has the key itself, this once. A key creates only keys whose scopes it has itself,
/// and that end no later than it does.
#[utoipa::path(
    post,
    path = "/accounts/v1/api-keys",
    tag = "api-keys",
    security(("api_key" = ["keys:write"])),
    request_body = CreateApiKey,
    responses(
        (
            status = 201,
            description = "The key is created.",
            body = IssuedKeyBody,
            headers(
                ("Location" = String, description = "The path of the key."),
                ("Cache-Control" = String, description = "`no-store`: keys are secrets."),
            ),
        ),
        CreateApiKeyProblems,
    ),
)]
pub(super) async fn create_api_key(
    State(service): State<AccountService>,
    caller: Identity,
    Body(request): Body<CreateApiKey>,
) -> Result<Response, Problem> {
    let manager = manager(caller)?;
    let issued =
        service.create_api_key(request.checked(service.now())?, manager, caller.expires_at).await?;
    let location = format!("/accounts/v1/api-keys/{}", issued.key.id);
    Ok(([(LOCATION, location)], issued_body(&service, &issued)).into_response())
}

/// List the API keys
///
/// Those that can be used first, then those that have expired or were revoked; each part newest
/// first, and 1,000 in all.
#[utoipa::path(
    get,
    path = "/accounts/v1/api-keys",
    tag = "api-keys",
    security(("api_key" = ["keys:write"])),
    responses(
        (status = 200, description = "The keys.", body = ApiKeysBody),
        ListApiKeysProblems,
    ),
)]
pub(super) async fn list_api_keys(
    State(service): State<AccountService>,
) -> Result<Response, Problem> {
    let (keys, now) = service.api_keys().await?;
    Ok(json(StatusCode::OK, &ApiKeysBody::new(&keys, now)))
}

/// Show an API key
///
/// Without its secret, which is shown only once.
#[utoipa::path(
    get,
    path = "/accounts/v1/api-keys/{id}",
    tag = "api-keys",
    security(("api_key" = ["keys:write"])),
    params((
        "id" = i64, Path, description = "The key.",
        minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1,
    )),
    responses(
        (status = 200, description = "The key.", body = ApiKeyBody),
        GetApiKeyProblems,
    ),
)]
pub(super) async fn get_api_key(
    State(service): State<AccountService>,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let key = service.api_key(id).await?;
    Ok(json(StatusCode::OK, &ApiKeyBody::new(&key, service.now())))
}

/// Rotate an API key
///
/// Gives the key another secret, which the answer has, this once. The secret before it stays valid
/// for `overlapSeconds`; one that was replaced earlier ends. A key rotates only keys whose scopes
/// it has itself, and that end no later than it does; itself too, but not with a secret that has
/// been replaced.
#[utoipa::path(
    post,
    path = "/accounts/v1/api-keys/{id}/rotations",
    tag = "api-keys",
    security(("api_key" = ["keys:write"])),
    params((
        "id" = i64, Path, description = "The key.",
        minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1,
    )),
    request_body = RotateApiKey,
    responses(
        (
            status = 201,
            description = "The key has another secret.",
            body = IssuedKeyBody,
            headers(("Cache-Control" = String, description = "`no-store`: keys are secrets.")),
        ),
        RotateApiKeyProblems,
    ),
)]
pub(super) async fn rotate_api_key(
    State(service): State<AccountService>,
    caller: Identity,
    PathId(id): PathId,
    Body(request): Body<RotateApiKey>,
) -> Result<Response, Problem> {
    let issued =
        service.rotate_api_key(id, request.overlap(), manager(caller)?, caller.expires_at).await?;
    Ok(issued_body(&service, &issued))
}

/// Revoke an API key
///
/// For good, with all its secrets: it is refused everywhere within a second. Any key that may
/// manage keys revokes any key, itself too, because nothing is gained by it. Nothing happens if
/// it is revoked already.
#[utoipa::path(
    delete,
    path = "/accounts/v1/api-keys/{id}",
    tag = "api-keys",
    security(("api_key" = ["keys:write"])),
    params((
        "id" = i64, Path, description = "The key.",
        minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1,
    )),
    responses((status = 204, description = "The key is revoked."), RevokeApiKeyProblems),
)]
pub(super) async fn revoke_api_key(
    State(service): State<AccountService>,
    caller: Identity,
    PathId(id): PathId,
) -> Result<StatusCode, Problem> {
    service.revoke_api_key(id, manager(caller)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// These calls are declared for keys only.
fn manager(caller: Identity) -> Result<Manager, Problem> {
    match caller.asker {
        Asker::ApiKey { id } => Ok(Manager::ApiKey { id }),
        Asker::Person { .. } => Err(Problem::insufficient_scope(Scope::KeysWrite)),
    }
}

/// An answer with a secret must not be cached, as RFC 6749, section 5.1, has it for tokens.
fn issued_body(service: &AccountService, issued: &IssuedKey) -> Response {
    let body = json(StatusCode::CREATED, &IssuedKeyBody::new(issued, service.now()));
    ([(CACHE_CONTROL, "no-store")], body).into_response()
}
