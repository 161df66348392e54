//! History: the transactions of a wallet, newest first, in pages.

use axum::{http::StatusCode, response::Response};
use ledger::{AccountId, ID_MAX, Rejection, TransactionId, WalletId};
use service::{
    clock::Timestamp,
    http::{
        fields::{Fault, Fields, FromFields, Query},
        health::json,
        path::read_id,
        problem::Problem,
    },
};

use super::{
    problems::{HistoryProblems, not_read, rejected},
    representations::{TransactionJson, TransactionPageJson},
    serving::Shared,
    view::View,
    wallets::seen_wallet,
};
use crate::{State, store::HistoryQuery};

/// Transactions on a page, unless the client asks for another number.
const LIMIT_DEFAULT: i64 = 50;
/// Most transactions on a page.
const LIMIT_MAX: i64 = 200;

#[derive(Debug)]
pub(super) struct ListRequest {
    wallet_id: Option<WalletId>,
    limit: i64,
    cursor: Option<TransactionId>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl FromFields for ListRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let wallet_id = fields.optional_integer("walletId", 1..=ID_MAX);
        let limit = fields.optional_integer("limit", 1..=LIMIT_MAX);
        let cursor = fields.optional_parsed("cursor", read_cursor);
        let from = fields.optional_time("from");
        let to = fields.optional_time("to");
        Some(Self {
            wallet_id: wallet_id?.map(WalletId),
            limit: limit?.unwrap_or(LIMIT_DEFAULT),
            cursor: cursor?,
            from: from?,
            to: to?,
        })
    }
}

fn read_cursor(text: &str) -> Result<TransactionId, Fault> {
    let id = read_id(text).map_err(|_| (INVALID_CURSOR.0, INVALID_CURSOR.1.into()))?;
    Ok(TransactionId(id))
}

const INVALID_CURSOR: (&str, &str) = ("invalid_cursor", "must be a `nextCursor` of this wallet");

/// Read a wallet's history.
///
/// Newest first. Pages are keyset-paged: new transactions do not shift what follows a cursor. An
/// API key with `books:read` that names no account reads the history of every wallet, the system's
/// included, and names the wallet.
#[utoipa::path(
    get, path = "/money/v1/transactions", tag = "history",
    params(
        ("walletId" = Option<i64>, Query, minimum = 1, maximum = 9_007_199_254_740_991_i64,
            description = "The wallet; the account's only one if absent."),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 200,
            description = "Most transactions on the page; 50 if absent."),
        ("cursor" = Option<String>, Query, max_length = 16, pattern = r"^[1-9][0-9]{0,15}$",
            description = "`nextCursor` of the page before."),
        ("from" = Option<String>, Query, format = DateTime,
            description = "Nothing before this time. In a URL the `+` of an offset is `%2B`."),
        ("to" = Option<String>, Query, format = DateTime,
            description = "Nothing at or after this time. In a URL the `+` of an offset is `%2B`."),
    ),
    responses(
        (status = 200, description = "A page.", body = TransactionPageJson),
        HistoryProblems,
    ),
    security(
        ("bearer" = ["wallets:read"]), ("api_key" = ["wallets:read"]), ("api_key" = ["books:read"]),
    ),
)]
pub(super) async fn list_transactions(
    Shared(state): Shared<State>,
    view: View,
    Query(request): Query<ListRequest>,
) -> Result<Response, Problem> {
    let wallet_id = match (request.wallet_id, view) {
        (Some(id), _) => seen_wallet(&state, view, id).await?.id,
        (None, View::Account(account_id)) => only_wallet(&state, account_id).await?,
        (None, View::Books) => {
            return Err(Problem::field("walletId", "required", "is required without an account"));
        }
    };
    let query = HistoryQuery {
        wallet_id,
        start: request.cursor,
        from: request.from.map(Timestamp::as_micros),
        to: request.to.map(Timestamp::as_micros),
        limit: usize::try_from(request.limit).expect("the limit is small and positive"),
    };
    let page = state.reads.history(query).await.map_err(|error| not_read(&error))?;
    let Some(page) = page else {
        return Err(Problem::field("cursor", INVALID_CURSOR.0, INVALID_CURSOR.1));
    };
    let page = TransactionPageJson {
        items: page.items.into_iter().map(TransactionJson::from).collect(),
        next_cursor: page.next.map(|id| id.0.to_string()),
    };
    Ok(json(StatusCode::OK, &page))
}

async fn only_wallet(state: &State, account_id: AccountId) -> Result<WalletId, Problem> {
    let wallets = state.reads.wallets_of(account_id).await;
    match wallets.map_err(|error| not_read(&error))?.as_slice() {
        [] => Err(rejected(Rejection::WalletNotFound)),
        [only] => Ok(only.id),
        _ => Err(rejected(Rejection::WalletRequired)),
    }
}
