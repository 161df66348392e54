//! `POST /internal/v1/closings`, which the money service serves to the account service: both ends,
//! and what they write. A money service of before has nothing at this path, and does nothing.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    middleware,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    CLOSINGS,
    addresses::{Addresses, Cause, InvalidAddress, Question as Ask, Unanswered},
    routes::invalid,
};
use crate::{
    BoxFuture,
    clock::Clock,
    contract::{
        closing::{ClosesWallets, Closing, ClosingAnswer, ClosingFailure, Holding},
        critical::Critical,
        identity::{Party, Signer, Verifier, guard_services},
    },
    http::{
        finish::finish,
        health::json,
        problem::{Problem, UPSTREAM_FAILED, chain},
    },
    trace,
};

/// How long one address may take, before the next is asked as well. It writes, so it takes longer
/// than a read.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for an answer: well within what a gateway waits for the account service.
const LIMIT: Duration = Duration::from_secs(6);

/// Asks the money service at several addresses.
pub struct MoneyClient {
    addresses: Addresses,
}

impl MoneyClient {
    /// The money service at these addresses, each a host and a port.
    pub fn new(addresses: &[String], signer: Signer, clock: Clock) -> Result<Self, InvalidAddress> {
        Ok(Self { addresses: Addresses::new(addresses, signer, Party::Money, clock)? })
    }

    async fn ask(&self, closing: Closing) -> Result<ClosingAnswer, ClosingFailure> {
        let question = serde_json::to_vec(&Question::about(closing));
        let ask = Ask {
            method: Method::POST,
            path_and_query: CLOSINGS,
            body: question.map_err(|error| ClosingFailure::NotDone(error.into()))?.into(),
            patience: PATIENCE,
            limit: LIMIT,
        };
        let answer = self.addresses.ask(&ask).await.map_err(|error| {
            let Unanswered { is_undone, .. } = error;
            let cause: Cause = error.into();
            if is_undone {
                ClosingFailure::NotDone(cause)
            } else {
                ClosingFailure::OutcomeUnknown(cause)
            }
        })?;
        let unknown = |cause: Cause| ClosingFailure::OutcomeUnknown(cause);
        let answer: Answer<'_> =
            serde_json::from_slice(answer.body()).map_err(|error| unknown(error.into()))?;
        let understood = answer.understood();
        understood.ok_or_else(|| unknown("the answer says what this version does not know".into()))
    }
}

impl ClosesWallets for MoneyClient {
    fn close(&self, closing: Closing) -> BoxFuture<'_, Result<ClosingAnswer, ClosingFailure>> {
        Box::pin(self.ask(closing))
    }
}

/// What the account service asks of the money service, for it alone. To be merged with the public
/// routes, outside of their guard.
pub fn money_routes(wallets: Arc<dyn ClosesWallets>, verifier: Verifier) -> Router {
    let router = Router::new()
        .route(CLOSINGS, post(close_wallets))
        .with_state(wallets)
        .layer(middleware::from_fn(finish));
    guard_services(trace::traced(router), verifier, &[Party::Account])
}

async fn close_wallets(State(wallets): State<Arc<dyn ClosesWallets>>, body: Bytes) -> Response {
    let question: Option<Question<'_>> = serde_json::from_slice(&body).ok();
    let Some(closing) = question.and_then(|question| question.closing()) else {
        return invalid("`accountId`, `attempt` and `installation` must name a closing");
    };
    match wallets.close(closing).await {
        Ok(answer) => json(StatusCode::OK, &Answer::new(answer)),
        Err(error @ ClosingFailure::NotDone(_)) => Problem::unavailable(&error).into_response(),
        Err(error @ ClosingFailure::OutcomeUnknown(_)) => {
            tracing::error!(error = %chain(&error), "the outcome of a closing is unknown");
            Problem::new(&UPSTREAM_FAILED).into_response()
        }
    }
}

/// Asks that wallets be closed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    account_id: i64,
    attempt: i64,
    /// In hexadecimal.
    #[serde(borrow)]
    installation: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Critical::is_empty", borrow)]
    crit: Critical<'a>,
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
struct Answer<'a> {
    outcome: Outcome,
    /// With `refused` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    holding: Option<Vec<WireHolding>>,
    #[serde(default, skip_serializing_if = "Critical::is_empty", borrow)]
    crit: Critical<'a>,
}

/// An outcome that is not known is no answer: the account service asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Closed,
    Refused,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireHolding {
    wallet_id: i64,
    currency: String,
    balance: i64,
}

/// The critical members that this version knows, of both messages.
const CRITICAL_KNOWN: [&str; 0] = [];

impl Question<'_> {
    fn about(Closing { account_id, attempt, installation }: Closing) -> Self {
        let installation = Cow::Owned(installation.to_string());
        Self { account_id, attempt, installation, crit: Critical::default() }
    }

    /// `None` if it is not one, or if the question says what is not known here.
    fn closing(&self) -> Option<Closing> {
        let is_understood = self.crit.is_understood(&CRITICAL_KNOWN);
        let installation = self.installation.parse().ok()?;
        let &Self { account_id, attempt, .. } = self;
        let is_valid = is_understood && account_id > 0 && attempt > 0;
        is_valid.then_some(Closing { account_id, attempt, installation })
    }
}

impl Answer<'_> {
    fn new(answer: ClosingAnswer) -> Self {
        let (outcome, holding) = match answer {
            ClosingAnswer::Closed => (Outcome::Closed, None),
            ClosingAnswer::Refused { holding } => {
                let wire = |Holding { wallet_id, currency, balance }| WireHolding {
                    wallet_id,
                    currency,
                    balance,
                };
                (Outcome::Refused, Some(holding.into_iter().map(wire).collect()))
            }
        };
        Self { outcome, holding, crit: Critical::default() }
    }

    /// `None` if the answer contradicts itself or says what is not known here.
    fn understood(self) -> Option<ClosingAnswer> {
        if !self.crit.is_understood(&CRITICAL_KNOWN) {
            return None;
        }
        match (self.outcome, self.holding) {
            (Outcome::Closed, None) => Some(ClosingAnswer::Closed),
            (Outcome::Refused, Some(holding)) => {
                let read = |WireHolding { wallet_id, currency, balance }| Holding {
                    wallet_id,
                    currency,
                    balance,
                };
                Some(ClosingAnswer::Refused { holding: holding.into_iter().map(read).collect() })
            }
            (Outcome::Closed, Some(_)) | (Outcome::Refused, None) => None,
        }
    }
}

#[cfg(test)]
mod tests;
