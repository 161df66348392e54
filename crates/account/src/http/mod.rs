//! The service over HTTP. This file is the table of contents: every call is listed here, once.

mod accounts;
mod api_keys;
mod auths;
mod closure;
mod operations;
mod passwords;
mod ping;
mod problems;
mod representations;
mod requests;

use std::sync::Arc;

use axum::{Router, middleware};
use service::contract::scope::Scopes;
use service::http::{
    access::{Access, enforce},
    docs::{self, Docs},
    finish::finish,
    health,
    openapi::{PLAIN_PATTERN, SHOWN_PATTERN, add_common, refine},
    strict_query::{Queries, refuse_unknown},
};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::AccountService;

/// Where the service's routes begin.
const PREFIX: &str = "/accounts";

/// The routes over a service.
pub(crate) fn router(service: AccountService, docs: Docs) -> Router {
    let readiness = Arc::new(service.clone());
    let (router, _) = calls().with_state(service).split_for_parts();
    let document = openapi();
    let (queries, access) = (Queries::of(&document), Access::of(&document, Scopes::NONE));
    router
        .route_layer(middleware::from_fn_with_state(queries, refuse_unknown))
        .route_layer(middleware::from_fn_with_state(access, enforce))
        .merge(docs::routes(PREFIX, document, docs))
        .merge(health::routes(readiness))
        .layer(middleware::from_fn(finish))
}

/// The OpenAPI 3.1 document, as the handlers describe themselves.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = calls().into_openapi();
    add_common(&mut document);
    for (schema, property, pattern) in [
        ("CreateAccount", "name", SHOWN_PATTERN),
        ("CreateAccount", "password", PLAIN_PATTERN),
        ("UpdateAccount", "name", SHOWN_PATTERN),
        ("CreateApiKey", "name", SHOWN_PATTERN),
        ("UpdateAccount", "currentPassword", PLAIN_PATTERN),
        ("ChangePassword", "currentPassword", PLAIN_PATTERN),
        ("ChangePassword", "newPassword", PLAIN_PATTERN),
        ("IssueReset", "email", SHOWN_PATTERN),
        ("RedeemReset", "token", PLAIN_PATTERN),
        ("RedeemReset", "newPassword", PLAIN_PATTERN),
        ("LogIn", "email", SHOWN_PATTERN),
        ("LogIn", "password", PLAIN_PATTERN),
        ("Refresh", "refreshToken", PLAIN_PATTERN),
        ("CloseAccount", "currentPassword", PLAIN_PATTERN),
        ("OperateAccount", "reason", SHOWN_PATTERN),
    ] {
        refine(&mut document, schema, property, |text| text.pattern = Some(pattern.to_owned()));
    }
    document
}

fn calls() -> OpenApiRouter<AccountService> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(accounts::create_account))
        .routes(routes!(accounts::get_account, accounts::update_account))
        .routes(routes!(closure::close_account))
        .routes(routes!(passwords::change_password))
        .routes(routes!(passwords::issue_reset))
        .routes(routes!(passwords::redeem_reset))
        .routes(routes!(auths::log_in, auths::list_sessions, auths::log_out_everywhere))
        .routes(routes!(auths::refresh))
        .routes(routes!(auths::log_out))
        .routes(routes!(operations::operate_account, operations::list_account_operations))
        .routes(routes!(api_keys::create_api_key, api_keys::list_api_keys))
        .routes(routes!(api_keys::get_api_key, api_keys::revoke_api_key))
        .routes(routes!(api_keys::rotate_api_key))
        .routes(routes!(ping::ping))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "my-pay accounts",
        description = "Register, log in, and look after an account.\n\n\
            Times are RFC 3339 in UTC; ids are integers from 1 to 2^53 - 1. Errors are \
            problem details (RFC 9457) with a stable `code`; bad fields are all listed at once. \
            Requests are read strictly: an unknown field is an error.\n\n\
            **Ids** are unique and never given twice. Their order means nothing: they are set \
            aside in blocks, so numbers are left out, such as after a restart (10002, then \
            10101), and of two instances the later one may give the smaller id. Sort by \
            `createdAt`.",
        contact(name = "The maintainers of my-pay"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "accounts", description = "A person's account. Everyone sees their own only."),
        (name = "passwords", description = "Another password: with the current one, or without."),
        (name = "auths", description = "Sessions: logging in, staying logged in, logging out."),
        (name = "operations", description = "What operators do with accounts, and why."),
        (
            name = "api-keys",
            description = "What a company's backend asks with. The first key is made by the \
                command `my-pay admin api-key create`; keys with the scope `keys:write` manage \
                the others.",
        ),
        (name = "health", description = "Who answers."),
    ),
)]
struct Document;
