//! The money service's REST API. This file is its table of contents.

mod deposits;
mod idempotency_key;
mod movement;
mod problems;
mod representations;
mod transactions;
mod transfers;
mod wallets;
mod withdrawals;

use std::sync::Arc;

use axum::{Router, middleware};
use service::http::{docs, finish::finish, health, openapi::add_common};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::State;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "my-pay money service",
        description = "Wallets, deposits, withdrawals, transfers and their history.\n\n\
            Amounts are integers in the minor unit of the currency (ISO 4217), from 1 to 2^53 - 1. \
            Times are RFC 3339 in UTC. Errors are RFC 9457 problem details with a stable \
            `code`.\n\n\
            **Idempotency.** Every POST that moves money needs an `Idempotency-Key`. The same key \
            with the same request gets the first answer again, with `Idempotency-Replayed: true`, \
            and moves nothing; with another request it is refused. After `outcome_unknown`, or no \
            answer at all, send the same request with the same key, or ask \
            `GET /money/v1/transfers?idempotencyKey=...`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "wallets", description = "One wallet an account and currency."),
        (name = "moving money", description = "Deposits, withdrawals and transfers."),
        (name = "history", description = "What moved."),
        (name = "health", description = "Who answers."),
    )
)]
struct Document;

fn operations() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(wallets::open_wallet, wallets::list_wallets))
        .routes(routes!(wallets::get_wallet))
        .routes(routes!(deposits::create_deposit))
        .routes(routes!(withdrawals::create_withdrawal))
        .routes(routes!(transfers::create_transfer, transfers::find_transfer))
        .routes(routes!(transfers::get_transfer))
        .routes(routes!(transactions::list_transactions))
        .routes(routes!(ping))
}

/// The OpenAPI 3.1 document of the service.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = operations().into_openapi();
    add_common(&mut document);
    document
}

/// All routes, health and documentation included.
pub(crate) fn router(state: State) -> Router {
    let (router, _) = operations().split_for_parts();
    router
        .merge(docs::routes("/money", openapi()))
        .merge(health::routes(Arc::new(state.clone())))
        .with_state(state)
        .layer(middleware::from_fn(finish))
}

/// Who answers.
///
/// As text: the service, its version, and its process.
#[utoipa::path(
    get, path = "/money/health/ping", tag = "health",
    responses(
        (status = 200, description = "The service answers.", body = String,
            content_type = "text/plain; charset=utf-8",
            example = "my-pay money 0.1.0 (process 4711)\n"),
        problems::PingProblems,
    ),
    security(()),
)]
async fn ping() -> String {
    health::ping("money")
}

#[cfg(test)]
mod tests;
