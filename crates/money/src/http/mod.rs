//! The money service's REST API. This file is its table of contents.

mod asker;
mod books;
mod deposits;
mod idempotency_key;
mod movement;
mod operations;
mod payouts;
mod problems;
mod representations;
mod serving;
mod transactions;
mod transfers;
mod view;
mod wallets;
mod withdrawals;

use std::sync::Arc;

use axum::{Router, middleware};
use ledger::Currency;
use service::contract::scope::Scopes;
use service::http::{
    access::{Access, enforce},
    docs::{self, Docs},
    finish::finish,
    health,
    openapi::{SHOWN_PATTERN, add_common, allow_only, refine},
    strict_query::{Queries, refuse_unknown},
};
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
            `GET /money/v1/transfers?idempotencyKey=...`. Keys belong to the one who \
            asks, a person or an API key: the same characters from two of them are two keys, and \
            what an API key asks for another account under a key that it has used is another \
            request.\n\n\
            Recorded under the key is that money moved, and that it did not, with \
            `same_wallet`, `receiver_wallet_not_found`, `wallet_frozen`, `wallet_closed`, \
            `receiver_wallet_frozen`, `receiver_wallet_closed`, `currency_mismatch`, \
            `insufficient_balance`, `balance_limit_exceeded` or \
            `receiver_balance_limit_exceeded`. Such an answer names its `transferId` and stays \
            the answer to this key even if the movement could succeed now: try again with a \
            new key. Not recorded is every other error. It moves nothing and leaves the key \
            free, and the same request is decided when it is sent again: `wallet_required` and \
            `wallet_not_found`, because there is no wallet to record the answer for; \
            `idempotency_key_reused`, because the key has its answer; `wallet_not_closed`, \
            because the wallet may be closed later; `system_capacity_exceeded`; requests that \
            were refused before they were decided (400, 401, 403, 405, 408, 413, 415, 429, 431); \
            and `unavailable`. After \
            `outcome_unknown`, 502 and 504 the same request tells whether anything was \
            recorded.\n\n\
            **Who asked and for whom.** A movement keeps the account that it was made for \
            (`accountId`) and who asked for it (`requestedBy`): the owner of that account, or an \
            API key that acted for it. Both are shown to that account and to API keys with \
            `books:read`, and not to the receiver.\n\n\
            **Ids** are unique and never given twice. The order of wallets' and transactions' ids \
            means nothing: they are set aside in blocks, so numbers are left out, such as after a \
            restart, and of two instances the later one may give the smaller id. A transfer's id \
            is a UUIDv7, which begins with the time of the clock that made it, so ids of several \
            instances are in order only as far as their clocks agree.\n\n\
            **Order and time.** The order of a wallet's history is the order in which money \
            moved in that wallet: each line continues from the balance of the line before it. \
            Along this order `createdAt` never goes back, and two lines may have the same time. \
            Between wallets only times can be compared, and they come from the clocks of \
            several machines, which differ by milliseconds. The `createdAt` of a transfer is \
            when it was decided; each side's line has that time, or the time of the line before \
            it if that is later. A wallet that moved while a clock was wrong may therefore stay \
            at a later time for a while; other wallets do not. Ids of transfers and \
            transactions are unique and mostly grow, but neither their order nor their gaps \
            mean anything.\n\n\
            **Limits.** A wallet holds at most 2^53 - 1 minor units, far more than any person \
            owns. A deposit that would exceed this in the own wallet is declined with \
            `balance_limit_exceeded`, and a transfer that would exceed it in the receiver's \
            with `receiver_balance_limit_exceeded`: nothing moves, and the receiver has room \
            again after spending. The outside, on the other side of deposits and withdrawals, \
            has no limit.",
        contact(name = "The maintainers of my-pay"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "wallets", description = "One wallet an account and currency."),
        (name = "moving money", description = "Deposits, withdrawals and transfers."),
        (name = "history", description = "What moved."),
        (name = "operations", description = "What operators do with wallets, and why."),
        (name = "books", description = "The movements of all accounts, for companies' backends."),
        (name = "health", description = "Who answers."),
    )
)]
struct Document;

fn calls() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(wallets::open_wallet, wallets::list_wallets))
        .routes(routes!(wallets::get_wallet))
        .routes(routes!(deposits::create_deposit))
        .routes(routes!(withdrawals::create_withdrawal))
        .routes(routes!(transfers::create_transfer, transfers::find_transfer))
        .routes(routes!(transfers::get_transfer))
        .routes(routes!(transactions::list_transactions))
        .routes(routes!(operations::operate_wallet, operations::list_wallet_operations))
        .routes(routes!(payouts::create_payout))
        .routes(routes!(books::list_booked_transfers))
        .routes(routes!(books::read_balances))
        .routes(routes!(ping))
}

/// The OpenAPI 3.1 document of the service.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = calls().into_openapi();
    add_common(&mut document);
    for schema in ["CreateMovement", "CreateTransfer"] {
        refine(&mut document, schema, "summary", |summary| {
            summary.pattern = Some(SHOWN_PATTERN.to_owned());
        });
    }
    for schema in ["OperateWallet", "CreatePayout"] {
        refine(&mut document, schema, "reason", |reason| {
            reason.pattern = Some(SHOWN_PATTERN.to_owned());
        });
    }
    let currencies: Vec<_> = Currency::all().collect();
    refine(&mut document, "OpenWallet", "currency", |currency| {
        allow_only(currency, currencies.iter().map(Currency::code));
    });
    document
}

/// All routes, health and documentation included. People have `more_for_people` besides their usual
/// scopes.
pub(crate) fn router(state: State, docs: Docs, more_for_people: Scopes) -> Router {
    let (router, _) = calls().split_for_parts();
    let document = openapi();
    let (queries, access) = (Queries::of(&document), Access::of(&document, more_for_people));
    router
        .route_layer(middleware::from_fn_with_state(queries, refuse_unknown))
        .route_layer(middleware::from_fn_with_state(access, enforce))
        .merge(docs::routes("/money", document, docs))
        .merge(health::routes(Arc::new(state.clone())))
        .with_state(state)
        .layer(middleware::from_fn(finish))
}

/// Whether the service answers.
///
/// The text `ok`. It tells neither the version nor the load; that is for operators.
#[utoipa::path(
    get, path = "/money/health/ping", operation_id = "ping_money", tag = "health",
    responses(
        (status = 200, description = "The service answers.", body = String,
            content_type = "text/plain; charset=utf-8",
            example = "ok\n"),
        problems::PingProblems,
    ),
    security(()),
)]
async fn ping() -> &'static str {
    health::PONG
}

#[cfg(test)]
mod tests;
