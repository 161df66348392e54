//! Checks all the time that money is conserved: the sum over all wallets of a currency is zero. It
//! only tells, in a metric and the log; what to do is for people to decide.

use std::{sync::Arc, time::Duration};

use service::{
    clock::{Clock, Timestamp},
    http::problem::chain,
    shutdown::Shutdown,
};

use tokio::sync::watch;

use crate::{
    metrics::ConservationMetrics,
    standings::seconds,
    store::{CurrencyTotal, Reads, Totals},
};

/// A check reads every wallet, so it pauses so many times as long as it took: it costs a fiftieth
/// of one database connection at most, however many wallets there are.
const PAUSE_PER_CHECK: u32 = 50;

/// Longest pause after a check that failed, or as many times as long as it took: it is of more use
/// to know soon.
const PAUSE_AFTER_FAILURE_MAX: Duration = Duration::from_mins(10);
const PAUSE_PER_FAILURE: u32 = 6;

/// What the newest check found.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) totals: Totals,
    /// When it began to read, and so the time of the state that it saw.
    pub(crate) as_of: Timestamp,
}

/// Checks until shutdown, at most once in `interval`. What it finds is also told to `checked`.
pub(crate) async fn watch(
    reads: Arc<dyn Reads>,
    clock: Clock,
    metrics: ConservationMetrics,
    interval: Duration,
    checked: watch::Sender<Option<Arc<Checked>>>,
    mut shutdown: Shutdown,
) {
    let mut known = Totals::default();
    loop {
        let (started, as_of) = (clock.monotonic(), clock.now());
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
                known = totals.clone();
                checked.send_replace(Some(Arc::new(Checked { totals, as_of })));
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
    for CurrencyTotal { currency, sum, .. } in &found.0 {
        let before = known.0.iter().find(|known| known.currency == *currency);
        let before = before.map_or(0, |known| known.sum);
        if *sum != before && *sum == 0 {
            tracing::warn!(%currency, "money is conserved again");
        } else if *sum != before {
            tracing::error!(%currency, sum_minor = sum, "money is not conserved");
        }
    }
}
