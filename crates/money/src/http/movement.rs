//! What deposits, withdrawals and transfers share: their fields, and how the engine's answer is
//! told.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use ledger::{
    AMOUNT_MAX, AccountId, Amount, Command, ID_MAX, Movement, Outcome, Transfer, WalletId,
};
use service::{
    contract::identity::OnBehalf,
    http::{
        fields::{Fields, FromFields, TextRule},
        health::json,
        problem::Problem,
    },
};
use utoipa::ToSchema;

use super::{
    asker::idempotency_key,
    idempotency_key::KeyHeader,
    problems::{not_answered, rejected},
    representations::{TransferJson, id_text},
};
use crate::{State, engine::Answer};

/// A summary, in characters.
pub(super) const SUMMARY: TextRule = TextRule::new(1, 200);

/// Says that the answer was given before.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Money into or out of an own wallet.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body; `MovementRequest` is what is read from it")]
pub(super) struct CreateMovement {
    /// The own wallet; the account's only one if absent. `1.0` is refused.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1, nullable)]
    wallet_id: Option<i64>,
    /// How much, in minor units. A whole number without fraction or exponent: `12.0` and `1e3` are
    /// refused.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 3_000)]
    amount: i64,
    /// What for, in any script. White space around it is removed. Refused are control characters
    /// (`control_character`), characters that change the direction of text (`direction_control`),
    /// noncharacters (`noncharacter`), joiners that join nothing (`stray_joiner`), and text of
    /// which nothing is visible (`invisible`).
    #[schema(min_length = 1, max_length = 200, example = "top-up", nullable)]
    summary: Option<String>,
}

/// The fields that all movements have.
#[derive(Debug)]
pub(super) struct MovementRequest {
    pub(super) wallet_id: Option<WalletId>,
    pub(super) amount: Amount,
    pub(super) summary: Option<String>,
}

impl FromFields for MovementRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let wallet_id = fields.optional_integer("walletId", 1..=ID_MAX);
        let amount = fields.integer("amount", 1..=AMOUNT_MAX);
        let summary = fields.optional_text("summary", &SUMMARY);
        Some(Self {
            wallet_id: wallet_id?.map(WalletId),
            amount: Amount::new(amount?)?,
            summary: summary?,
        })
    }
}

/// Moves money and tells what became of it.
pub(super) async fn move_money(
    state: &State,
    identity: OnBehalf,
    KeyHeader(key): KeyHeader,
    movement: Movement,
    request: MovementRequest,
) -> Result<Response, Problem> {
    let key = idempotency_key(identity.asker, key);
    let account_id = AccountId(identity.account_id);
    let MovementRequest { amount, summary, .. } = request;
    let command = Command { key, account_id, movement, amount, summary };
    carry_out(state, command).await
}

/// Has a command decided and tells what became of it.
pub(super) async fn carry_out(state: &State, command: Command) -> Result<Response, Problem> {
    match state.engine.move_money(command).await.map_err(not_answered)? {
        Answer::Decided { transfer, replayed } => Ok(decided(*transfer, replayed)),
        Answer::Refused(rejection) => Err(rejected(rejection)),
    }
}

fn decided(transfer: Transfer, replayed: bool) -> Response {
    let id = id_text(transfer.id);
    let mut response = match transfer.outcome {
        Outcome::Completed { .. } => {
            let location = [(LOCATION, format!("/money/v1/transfers/{id}"))];
            (location, json(StatusCode::CREATED, &TransferJson::from(transfer))).into_response()
        }
        Outcome::Failed(rejection) => rejected(rejection).transfer_id(id).into_response(),
    };
    if replayed {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
