//! Payouts: money of a closed wallet, which its owner cannot reach any more, to outside.

use axum::response::Response;
use ledger::{AMOUNT_MAX, Amount, ApiKeyId, Asker, Command, IdempotencyKey, Movement, WalletId};
use service::{
    http::{
        fields::{Body, Fields, FromFields},
        path::PathId,
        problem::Problem,
    },
    operator::Operator,
};
use utoipa::ToSchema;

use super::{
    idempotency_key::KeyHeader,
    movement::{SUMMARY, carry_out},
    problems::{PayoutProblems, not_read, wallet_unknown},
    representations::TransferJson,
    serving::Shared,
};
use crate::State;

/// Money out of a closed wallet, and why.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body; `PayoutRequest` is what is read from it")]
pub(super) struct CreatePayout {
    /// How much, in minor units. A whole number without fraction or exponent: `12.0` and `1e3` are
    /// refused.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 3_000)]
    amount: i64,
    /// Why, in any script; it becomes the summary. White space around it is removed. Refused are
    /// control characters (`control_character`), characters that change the direction of text
    /// (`direction_control`), noncharacters (`noncharacter`), joiners that join nothing
    /// (`stray_joiner`), and text of which nothing is visible (`invisible`).
    #[schema(min_length = 1, max_length = 200, example = "to the owner's bank, at her request")]
    reason: String,
}

#[derive(Debug)]
pub(super) struct PayoutRequest {
    amount: Amount,
    reason: String,
}

impl FromFields for PayoutRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let amount = fields.integer("amount", 1..=AMOUNT_MAX);
        let reason = fields.text("reason", &SUMMARY);
        Some(Self { amount: Amount::new(amount?)?, reason: reason? })
    }
}

/// Pay out a closed wallet.
///
/// For operators: money goes outside from the closed wallet of any person, as a withdrawal that the
/// operator's API key asked for. The path names the wallet, and the header `My-Pay-Account` does
/// not count. The wallet stays closed, and its history shows the withdrawal. A wallet that is not
/// closed is refused with `wallet_not_closed`.
#[utoipa::path(
    post, path = "/money/v1/wallets/{id}/payouts", tag = "operations",
    request_body = CreatePayout,
    params(
        ("id" = i64, Path, description = "The wallet's id.", minimum = 1,
            maximum = 9_007_199_254_740_991_i64),
        KeyHeader,
    ),
    responses(
        (status = 201, description = "Money moved, and that is on disk.", body = TransferJson,
            headers(
                ("Location" = String, description = "The transfer's path."),
                ("Idempotency-Replayed" = String, description = "`true` if answered before."),
            )),
        PayoutProblems,
    ),
    security(("api_key" = ["operate"])),
)]
pub(super) async fn create_payout(
    Shared(state): Shared<State>,
    operator: Operator,
    PathId(id): PathId,
    KeyHeader(key): KeyHeader,
    Body(request): Body<PayoutRequest>,
) -> Result<Response, Problem> {
    let PayoutRequest { amount, reason } = request;
    let wallet = state.reads.wallet(WalletId(id)).await.map_err(|error| not_read(&error))?;
    // A wallet never changes hands: what is read here is true when the engine decides.
    let wallet = wallet.filter(|wallet| !wallet.account_id.is_system());
    let wallet = wallet.ok_or_else(wallet_unknown)?;
    let api_key = operator.api_key_id().expect("a call is made by a key");
    let command = Command {
        key: IdempotencyKey { asker: Asker::ApiKey(ApiKeyId(api_key)), key },
        account_id: wallet.account_id,
        movement: Movement::Payout { wallet: wallet.id },
        amount,
        summary: Some(reason),
    };
    carry_out(&state, command).await
}
