//! Deposits: money from outside into an own wallet.

use axum::response::Response;
use ledger::Movement;
use service::{
    contract::identity::OnBehalf,
    http::{fields::Body, problem::Problem},
};

use super::{
    idempotency_key::KeyHeader,
    movement::{CreateMovement, MovementRequest, move_money},
    problems::DepositProblems,
    representations::TransferJson,
    serving::Shared,
};
use crate::State;

/// Top up a wallet.
///
/// Money comes from outside into one of the caller's wallets.
#[utoipa::path(
    post, path = "/money/v1/deposits", tag = "moving money", request_body = CreateMovement,
    params(KeyHeader),
    responses(
        (status = 201, description = "Money moved, and that is on disk.", body = TransferJson,
            headers(
                ("Location" = String, description = "The transfer's path."),
                ("Idempotency-Replayed" = String, description = "`true` if answered before."),
            )),
        DepositProblems,
    ),
    security(("bearer" = ["money:fund"]), ("api_key" = ["money:fund"])),
)]
pub(super) async fn create_deposit(
    Shared(state): Shared<State>,
    identity: OnBehalf,
    key: KeyHeader,
    Body(request): Body<MovementRequest>,
) -> Result<Response, Problem> {
    let movement = Movement::Deposit { wallet: request.wallet_id };
    move_money(&state, identity, key, movement, request).await
}
