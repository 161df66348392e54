//! Whether requests are served at all. A handler gets the service's state from here and nowhere
//! else.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{extract::FromRequestParts, http::request::Parts};
use service::http::problem::{Problem, UNAVAILABLE};

use crate::State;

/// The service's state. Refused with 503 while the account service that answers belongs to another
/// installation: its people would reach the wallets of other people with the same ids.
pub(super) struct Shared<S>(pub(super) S);

impl FromRequestParts<State> for Shared<State> {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &State) -> Result<Self, Problem> {
        if state.is_refused.load(Ordering::Relaxed) {
            let detail = "The accounts and the wallets do not fit together; nothing was done.";
            let problem = Problem::new(&UNAVAILABLE).detail(detail);
            return Err(problem.retry_after(Duration::from_secs(1)));
        }
        Ok(Self(state.clone()))
    }
}
