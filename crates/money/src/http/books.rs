//! The books: the movements of all accounts, and what all wallets come to, for API keys with
//! `books:read`.

use axum::{http::StatusCode, response::Response};
use ledger::TransferId;
use service::{
    clock::Timestamp,
    http::{
        fields::{Fault, Fields, FromFields, Query},
        health::json,
        path::read_uuid,
        problem::{Problem, UNAVAILABLE},
    },
};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    problems::{BooksProblems, RETRY_AFTER, not_read},
    representations::{TransferJson, id_text},
    serving::Shared,
    view::AllBooks,
};
use crate::{
    State,
    conservation::Checked,
    store::{BookedTransfer, BooksQuery, CurrencyTotal, Leg},
};

/// Transfers on a page, unless the client asks for another number.
const LIMIT_DEFAULT: i64 = 50;
/// Most transfers on a page.
const LIMIT_MAX: i64 = 200;

#[derive(Debug)]
pub(super) struct BooksRequest {
    limit: i64,
    cursor: Option<TransferId>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl FromFields for BooksRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let limit = fields.optional_integer("limit", 1..=LIMIT_MAX);
        let cursor = fields.optional_parsed("cursor", read_cursor);
        let from = fields.optional_time("from");
        let to = fields.optional_time("to");
        Some(Self { limit: limit?.unwrap_or(LIMIT_DEFAULT), cursor: cursor?, from: from?, to: to? })
    }
}

fn read_cursor(text: &str) -> Result<TransferId, Fault> {
    let id = read_uuid(text).ok_or(("invalid_cursor", "must be a `nextCursor`".into()))?;
    Ok(TransferId(id.into_bytes()))
}

/// Read the movements of all accounts.
///
/// Every decided deposit, withdrawal and transfer of every account, completed and failed, in
/// ascending order of their ids, with both sides of each that is completed.
///
/// An id begins with the time of the clock of the instance that decided, and a movement is visible
/// once it is on disk. So of several instances a movement may become visible after one with a
/// greater id was read, and a cursor has passed it then. To follow the books, read again from two
/// minutes before the newest movement that was read, and tell by its id what was read before. Two
/// minutes are more than a commit takes and clocks differ while the system is healthy.
#[utoipa::path(
    get, path = "/money/v1/books/transfers", tag = "books",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 200,
            description = "Most transfers on the page; 50 if absent."),
        ("cursor" = Option<String>, Query, format = Uuid,
            pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            description = "`nextCursor` of the page before. The id of any transfer does, too: the \
                page begins with the next one."),
        ("from" = Option<String>, Query, format = DateTime,
            description = "Nothing decided before this time. In a URL the `+` of an offset is \
                `%2B`."),
        ("to" = Option<String>, Query, format = DateTime,
            description = "Nothing decided at or after this time. In a URL the `+` of an offset \
                is `%2B`."),
    ),
    responses(
        (status = 200, description = "A page.", body = BookedTransferPageJson),
        BooksProblems,
    ),
    security(("api_key" = ["books:read"])),
)]
pub(super) async fn list_booked_transfers(
    Shared(state): Shared<State>,
    _: AllBooks,
    Query(request): Query<BooksRequest>,
) -> Result<Response, Problem> {
    let query = BooksQuery {
        after: request.cursor,
        from: request.from.map(Timestamp::as_micros),
        to: request.to.map(Timestamp::as_micros),
        limit: usize::try_from(request.limit).expect("the limit is small and positive"),
    };
    let page = state.reads.books(query).await.map_err(|error| not_read(&error))?;
    let page = BookedTransferPageJson {
        items: page.items.into_iter().map(Into::into).collect(),
        next_cursor: page.next.map(id_text),
    };
    Ok(json(StatusCode::OK, &page))
}

/// Read what all wallets come to.
///
/// By currency, and all of one moment, `asOf`: what people hold, what the system owes for it, and
/// the sum of both, which is zero. All wallets are summed every few seconds by each instance, with
/// very many wallets less often, and the newest sums are the answer.
#[utoipa::path(
    get, path = "/money/v1/books/balances", tag = "books",
    responses(
        (status = 200, description = "The newest sums.", body = BalancesJson),
        BooksProblems,
    ),
    security(("api_key" = ["books:read"])),
)]
pub(super) async fn read_balances(
    Shared(state): Shared<State>,
    _: AllBooks,
) -> Result<Response, Problem> {
    let checked = state.checked.borrow().clone();
    let Some(checked) = checked else {
        let detail = "The wallets are being summed for the first time since the start.";
        return Err(Problem::new(&UNAVAILABLE).detail(detail).retry_after(RETRY_AFTER));
    };
    Ok(json(StatusCode::OK, &BalancesJson::from(&*checked)))
}

/// A movement with both of its sides.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookedTransfer)]
pub(super) struct BookedTransferJson {
    /// The movement.
    transfer: TransferJson,
    /// The side that paid; null if the movement failed. For a deposit a wallet of the system.
    #[schema(required = true)]
    debit: Option<LegJson>,
    /// The side that received; null if the movement failed. For a withdrawal a wallet of the
    /// system.
    #[schema(required = true)]
    credit: Option<LegJson>,
}

/// One side of a movement.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BookedSide)]
pub(super) struct LegJson {
    /// The wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    wallet_id: i64,
    /// Its balance right after it, in minor units: 0 to 2^53 - 1, or the whole range of 64 bits in
    /// a wallet of the system.
    #[schema(example = 7_000)]
    balance_after: i64,
}

impl From<Leg> for LegJson {
    fn from(leg: Leg) -> Self {
        Self { wallet_id: leg.wallet_id.0, balance_after: leg.balance_after }
    }
}

impl From<BookedTransfer> for BookedTransferJson {
    fn from(booked: BookedTransfer) -> Self {
        Self {
            transfer: booked.transfer.into(),
            debit: booked.debit.map(Into::into),
            credit: booked.credit.map(Into::into),
        }
    }
}

/// A page of the movements of all accounts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BookedTransferPage)]
pub(super) struct BookedTransferPageJson {
    /// In ascending order of ids.
    items: Vec<BookedTransferJson>,
    /// Give it as `cursor` to get the next page; null on the last one.
    #[schema(required = true, value_type = Option<String>, format = Uuid)]
    next_cursor: Option<String>,
}

/// What all wallets come to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Balances)]
pub(super) struct BalancesJson {
    /// The moment of which all of it is true.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// One of each currency in which there is a wallet.
    items: Vec<CurrencyBalanceJson>,
}

/// What the wallets of a currency come to, in minor units, as integers of 64 bits. A sum beyond
/// them is the largest of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CurrencyBalance)]
pub(super) struct CurrencyBalanceJson {
    /// ISO 4217 code.
    #[schema(min_length = 3, max_length = 3, example = "KRW")]
    currency: String,
    /// What people hold.
    #[schema(example = 7_000)]
    people: i64,
    /// What the system's wallets hold, the other side of deposits and withdrawals.
    #[schema(example = -7_000)]
    system: i64,
    /// The sum of both. Zero, or the books are wrong.
    #[schema(example = 0)]
    sum: i64,
    /// How many wallets people have, open and closed.
    #[schema(minimum = 0, example = 2)]
    people_wallets: i64,
    /// How many wallets the system has.
    #[schema(minimum = 0, example = 1)]
    system_wallets: i64,
}

impl From<&CurrencyTotal> for CurrencyBalanceJson {
    fn from(total: &CurrencyTotal) -> Self {
        Self {
            currency: total.currency.clone(),
            people: total.people,
            system: total.system,
            sum: total.sum,
            people_wallets: total.people_wallets,
            system_wallets: total.system_wallets,
        }
    }
}

impl From<&Checked> for BalancesJson {
    fn from(checked: &Checked) -> Self {
        Self { as_of: checked.as_of, items: checked.totals.0.iter().map(Into::into).collect() }
    }
}
