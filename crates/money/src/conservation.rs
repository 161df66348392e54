//! Checks all the time that money is conserved: the sum over all wallets of a currency is zero. It
//! only tells, in a metric and the log; what to do is for people to decide.

use std::{sync::Arc, time::Duration};

use service::{clock::Clock, http::problem::chain, shutdown::Shutdown};

use crate::{
    metrics::ConservationMetrics,
    standings::seconds,
    store::{Reads, Totals},
};

/// A check reads every wallet, so it pauses so many times as long as it took: it costs a fiftieth
/// of one database connection at most, however many wallets there are.
const PAUSE_PER_CHECK: u32 = 50;

/// Longest pause after a check that failed, or as many times as long as it took: it is of more use
/// to know soon.
const PAUSE_AFTER_FAILURE_MAX: Duration = Duration::from_mins(10);
const PAUSE_PER_FAILURE: u32 = 6;

/// Checks until shutdown, at most once in `interval`.
pub(crate) async fn watch(
    reads: Arc<dyn Reads>,
    clock: Clock,
    metrics: ConservationMetrics,
    interval: Duration,
    mut shutdown: Shutdown,
) {
    let mut known = Totals::default();
    loop {
        let started = clock.monotonic();
        let found = tokio::select! {
            found = reads.totals() => found,
            () = shutdown.wait() => return,
        };
        let took = clock.monotonic().saturating_sub(started);
        let mut pause = took * PAUSE_PER_CHECK;
        match found {
            Ok(totals) => {
                report(&known, &totals);
                metrics.set(totals.clone(), took, seconds(clock.now()));
                known = totals;
            }
            Err(error) => {
                metrics.failures.inc();
                pause = pause.min(PAUSE_AFTER_FAILURE_MAX.max(took * PAUSE_PER_FAILURE));
                tracing::warn!(error = %chain(&error), "conservation could not be checked");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(interval.max(pause)) => {}
            () = shutdown.wait() => return,
        }
    }
}

/// Logs a sum when it changes, not each time it is found.
fn report(known: &Totals, found: &Totals) {
    for (currency, sum) in &found.sums {
        let before = known.sums.iter().find(|(known, _)| known == currency).map_or(0, |sum| sum.1);
        if *sum != before && *sum == 0 {
            tracing::warn!(%currency, "money is conserved again");
        } else if *sum != before {
            tracing::error!(%currency, sum_minor = sum, "money is not conserved");
        }
    }
}
