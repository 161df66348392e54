//! Wallets: opening and reading.

use axum::{
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use ledger::{AccountId, Currency, Wallet, WalletId};
use service::{
    contract::identity::OnBehalf,
    http::{
        fields::{Body, Fault, Fields, FromFields},
        health::json,
        path::PathId,
        problem::Problem,
    },
};
use utoipa::ToSchema;

use super::{
    problems::{
        ListProblems, OpenProblems, WalletProblems, not_opened, not_read, opening_not_answered,
        rejected,
    },
    representations::{WalletJson, WalletListJson},
    serving::Shared,
    view::View,
};
use crate::State;

/// Which wallet to open.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body; `OpenRequest` is what is read from it")]
pub(super) struct OpenWallet {
    /// ISO 4217 code; KRW if absent.
    #[schema(example = "KRW", nullable)]
    currency: Option<String>,
}

#[derive(Debug)]
pub(super) struct OpenRequest {
    currency: Currency,
}

impl FromFields for OpenRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let currency = fields.optional_parsed("currency", read_currency)?;
        Some(Self { currency: currency.unwrap_or(Currency::KRW) })
    }
}

fn read_currency(code: &str) -> Result<Currency, Fault> {
    Currency::from_code(code).ok_or_else(|| {
        let message = "must be an ISO 4217 code in capital letters, such as KRW";
        ("unknown_currency", message.into())
    })
}

/// Open a wallet.
///
/// An account has at most one wallet in each currency.
#[utoipa::path(
    post, path = "/money/v1/wallets", tag = "wallets", request_body = OpenWallet,
    responses(
        (status = 201, description = "The wallet is open.", body = WalletJson,
            headers(("Location" = String, description = "The wallet's path."))),
        OpenProblems,
    ),
    security(("bearer" = ["wallets:write"]), ("api_key" = ["wallets:write"])),
)]
pub(super) async fn open_wallet(
    Shared(state): Shared<State>,
    identity: OnBehalf,
    Body(request): Body<OpenRequest>,
) -> Result<Response, Problem> {
    let account_id = AccountId(identity.account_id);
    let opened = state.engine.open_wallet(account_id, request.currency).await;
    let wallet = opened.map_err(opening_not_answered)?.map_err(not_opened)?;
    let location = format!("/money/v1/wallets/{}", wallet.id.0);
    Ok(([(LOCATION, location)], json(StatusCode::CREATED, &WalletJson::from(&wallet)))
        .into_response())
}

/// List the caller's wallets.
///
/// One in each currency at most, so there are no pages.
#[utoipa::path(
    get, path = "/money/v1/wallets", tag = "wallets",
    responses(
        (status = 200, description = "All of them, oldest first.", body = WalletListJson),
        ListProblems,
    ),
    security(("bearer" = ["wallets:read"]), ("api_key" = ["wallets:read"])),
)]
pub(super) async fn list_wallets(
    Shared(state): Shared<State>,
    identity: OnBehalf,
) -> Result<Response, Problem> {
    let wallets = state.reads.wallets_of(AccountId(identity.account_id)).await;
    let items = wallets.map_err(|error| not_read(&error))?.iter().map(WalletJson::from).collect();
    Ok(json(StatusCode::OK, &WalletListJson { items }))
}

/// Read a wallet.
///
/// With its balance, as of the last movement that is on disk. Another's wallet is not found. An API
/// key with `books:read` that names no account reads every wallet, the system's included.
#[utoipa::path(
    get, path = "/money/v1/wallets/{id}", tag = "wallets",
    params(("id" = i64, Path, description = "The wallet's id.", minimum = 1,
        maximum = 9_007_199_254_740_991_i64)),
    responses(
        (status = 200, description = "The wallet.", body = WalletJson),
        WalletProblems,
    ),
    security(
        ("bearer" = ["wallets:read"]), ("api_key" = ["wallets:read"]), ("api_key" = ["books:read"]),
    ),
)]
pub(super) async fn get_wallet(
    Shared(state): Shared<State>,
    view: View,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let wallet = seen_wallet(&state, view, WalletId(id)).await?;
    Ok(json(StatusCode::OK, &WalletJson::from(&wallet)))
}

/// The wallet with this id, if it is to be seen here. Another's is as good as none: its existence
/// is not told.
pub(super) async fn seen_wallet(
    state: &State,
    view: View,
    id: WalletId,
) -> Result<Wallet, Problem> {
    let wallet = state.reads.wallet(id).await.map_err(|error| not_read(&error))?;
    wallet
        .filter(|wallet| view.shows(wallet.account_id))
        .ok_or_else(|| rejected(ledger::Rejection::WalletNotFound))
}
