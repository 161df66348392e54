//! Tells subscribers what operators end, whichever process ended it: an operator's command cannot
//! reach the gateways, and a call reaches one instance only. Each instance looks at the table
//! several times a second, as readers of the feed do.

use std::time::Duration;

use service::{contract::revocations::Revocations, http::problem::chain};
use tokio::time::MissedTickBehavior;

use crate::{AccountService, Error};

/// How often an instance looks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long a look may take. With the pause before it, the publication and what gateways need, less
/// than the second within which a token must be refused everywhere.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

/// Most rows that are read at once.
const LIMIT: u32 = 1000;

impl AccountService {
    /// What is revoked from now on. Not listening while the table cannot be read.
    pub(crate) fn subscribe_to_revocations(&self) -> Revocations {
        let inner = &self.0;
        Revocations::remote(inner.revocations.subscribe(), inner.sees_revocations.subscribe())
    }
}

/// Tells what is ended after `newest`, until it is aborted.
pub(crate) async fn follow(service: AccountService, newest: i64) {
    let mut sequence = newest;
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let looked = tokio::time::timeout(LOOK_TIMEOUT, look(&service, &mut sequence)).await;
        let failure = match looked {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(chain(&error)),
            Err(late) => Some(late.to_string()),
        };
        note(&service, failure);
    }
}

/// Tells what is new. What was told before an error is not told again.
async fn look(service: &AccountService, sequence: &mut i64) -> Result<(), Error> {
    loop {
        let ended = service.0.store.revocations_after(*sequence, LIMIT).await?;
        for token in &ended {
            service.revoke(&[token.digest]);
            *sequence = token.sequence;
        }
        if ended.len() < LIMIT as usize {
            return Ok(());
        }
    }
}

/// Lets caches know whether they hear of everything: while they do not, they remember tokens for
/// less than the second.
fn note(service: &AccountService, failure: Option<String>) {
    if failure.is_some() {
        service.0.metrics.revocation_looks_failed.inc();
    }
    let sees = failure.is_none();
    let changed = service.0.sees_revocations.send_if_modified(|before| {
        let changed = *before != sees;
        *before = sees;
        changed
    });
    match failure {
        Some(error) if changed => {
            tracing::warn!(error, "the table of revocations cannot be read");
        }
        None if changed => tracing::info!("the table of revocations is read again"),
        Some(_) | None => {}
    }
}
