//! Transfers: money from an own wallet to somebody's, and reading what became of any movement.

use axum::{http::StatusCode, response::Response};
use ledger::{AccountId, ID_MAX, Movement, Transfer, TransferId, WalletId};
use service::{
    contract::identity::{Identity, OnBehalf},
    http::{
        fields::{Body, Fields, FromFields, Query},
        health::json,
        path::PathUuid,
        problem::Problem,
    },
};
use utoipa::ToSchema;

use super::{
    asker::idempotency_key,
    idempotency_key::{KeyHeader, KeyParameter, read_key},
    movement::{MovementRequest, move_money},
    problems::{ReadTransferProblems, TRANSFER_NOT_FOUND, TransferProblems, not_read},
    representations::TransferJson,
    serving::Shared,
    view::View,
};
use crate::{State, store::TransferView};

/// Money to somebody.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body; `TransferRequest` is what is read from it")]
pub(super) struct CreateTransfer {
    /// The own wallet; the account's only one if absent. `1.0` is refused.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1, nullable)]
    wallet_id: Option<i64>,
    /// The wallet that receives. `3.0` is refused.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 3)]
    receiver_wallet_id: i64,
    /// How much, in minor units. A whole number without fraction or exponent: `12.0` and `1e3` are
    /// refused.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 3_000)]
    amount: i64,
    /// What for, in any script. Both sides see it. White space around it is removed. Refused are
    /// control characters (`control_character`), characters that change the direction of text
    /// (`direction_control`), noncharacters (`noncharacter`), joiners that join nothing
    /// (`stray_joiner`), and text of which nothing is visible (`invisible`).
    #[schema(min_length = 1, max_length = 200, example = "lunch", nullable)]
    summary: Option<String>,
}

#[derive(Debug)]
pub(super) struct TransferRequest {
    receiver_wallet_id: WalletId,
    movement: MovementRequest,
}

impl FromFields for TransferRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let receiver_wallet_id = fields.integer("receiverWalletId", 1..=ID_MAX);
        let movement = MovementRequest::from_fields(fields);
        Some(Self { receiver_wallet_id: WalletId(receiver_wallet_id?), movement: movement? })
    }
}

/// Send money.
///
/// From one of the caller's wallets to any other wallet of the same currency.
#[utoipa::path(
    post, path = "/money/v1/transfers", tag = "moving money", request_body = CreateTransfer,
    params(KeyHeader),
    responses(
        (status = 201, description = "Money moved, and that is on disk.", body = TransferJson,
            headers(
                ("Location" = String, description = "The transfer's path."),
                ("Idempotency-Replayed" = String, description = "`true` if answered before."),
            )),
        TransferProblems,
    ),
    security(("bearer" = ["money:send"]), ("api_key" = ["money:send"])),
)]
pub(super) async fn create_transfer(
    Shared(state): Shared<State>,
    identity: OnBehalf,
    key: KeyHeader,
    Body(request): Body<TransferRequest>,
) -> Result<Response, Problem> {
    let TransferRequest { receiver_wallet_id, movement: request } = request;
    let movement = Movement::Transfer { sender: request.wallet_id, receiver: receiver_wallet_id };
    move_money(&state, identity, key, movement, request).await
}

/// Read a transfer.
///
/// For the account that it was made for, and for its receiver once it is completed. The receiver
/// sees neither that account nor who asked. An API key with `books:read` that names no account
/// reads every transfer.
#[utoipa::path(
    get, path = "/money/v1/transfers/{id}", tag = "history",
    params(("id" = String, Path, format = Uuid,
        pattern = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description = "The transfer's id, in small letters.")),
    responses(
        (status = 200, description = "The transfer, with the balance after it.",
            body = TransferJson),
        ReadTransferProblems,
    ),
    security(
        ("bearer" = ["wallets:read"]), ("api_key" = ["wallets:read"]), ("api_key" = ["books:read"]),
    ),
)]
pub(super) async fn get_transfer(
    Shared(state): Shared<State>,
    view: View,
    PathUuid(id): PathUuid,
) -> Result<Response, Problem> {
    let found = state.reads.transfer(TransferId(id.into_bytes())).await;
    answer(found.map_err(|error| not_read(&error))?.and_then(|found| seen(found, view)))
}

#[derive(Debug)]
pub(super) struct FindRequest {
    idempotency_key: String,
}

impl FromFields for FindRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { idempotency_key: fields.parsed("idempotencyKey", read_key)? })
    }
}

/// Find a movement by its key.
///
/// Tells what became of a request whose answer was lost. `transfer_not_found` means that it was not
/// carried out, unless it is still on its way: sending it again with the same key is always safe.
///
/// Keys belong to the one who asks: a person finds the own ones, and an API key its own. If it acts
/// for an account, it finds only what it did for that one.
#[utoipa::path(
    get, path = "/money/v1/transfers", tag = "history",
    params(KeyParameter),
    responses(
        (status = 200, description = "What became of it.", body = TransferJson),
        ReadTransferProblems,
    ),
    security(("bearer" = ["wallets:read"]), ("api_key" = ["wallets:read"])),
)]
pub(super) async fn find_transfer(
    Shared(state): Shared<State>,
    identity: Identity,
    Query(request): Query<FindRequest>,
) -> Result<Response, Problem> {
    let key = idempotency_key(identity.asker, request.idempotency_key);
    let found = state.reads.transfer_by_key(key).await.map_err(|error| not_read(&error))?;
    let is_shown = |transfer: &Transfer| {
        identity.account_id.is_none_or(|account_id| transfer.account_id == AccountId(account_id))
    };
    answer(found.map(|found| found.transfer).filter(is_shown).map(TransferJson::from))
}

/// The transfer as it is to be seen here. Whose transfer it is otherwise is not told.
fn seen(found: TransferView, view: View) -> Option<TransferJson> {
    let TransferView { transfer, receiver } = found;
    if view.shows(transfer.account_id) {
        return Some(TransferJson::from(transfer));
    }
    let receiver = receiver.filter(|receiver| view.shows(receiver.account_id))?;
    Some(TransferJson::seen_by_receiver(transfer, receiver.balance_after))
}

fn answer(transfer: Option<TransferJson>) -> Result<Response, Problem> {
    match transfer {
        Some(transfer) => Ok(json(StatusCode::OK, &transfer)),
        None => Err(Problem::new(&TRANSFER_NOT_FOUND)),
    }
}
