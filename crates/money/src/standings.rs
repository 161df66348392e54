//! Follows the account feed, so that a suspended or closed account neither sends nor receives. The
//! place in the feed is committed with its effect: after a crash the follower goes on where the
//! money stands.

use std::{sync::Arc, time::Duration};

use service::{
    clock::{Clock, Timestamp},
    contract::account_feed::{AccountChange, AccountFeed},
    http::problem::chain,
    shutdown::Shutdown,
};
use tokio::sync::watch;

use crate::{engine::Engine, metrics::FeedMetrics, store::Reads};

/// Changes taken at a time.
const CHANGES_MAX: u32 = 256;
/// How long one question to the feed may wait for an answer.
const WAIT: Duration = Duration::from_secs(20);
/// Pause after an error. Short, because a suspension must take effect within two seconds.
const PAUSE: Duration = Duration::from_millis(250);

/// Follows until shutdown.
pub(crate) async fn follow(
    feed: Arc<dyn AccountFeed>,
    reads: Arc<dyn Reads>,
    engine: Engine,
    clock: Clock,
    metrics: FeedMetrics,
    caught_up: watch::Sender<bool>,
    mut shutdown: Shutdown,
) {
    let work = async {
        loop {
            if let Err(error) =
                follow_until_error(&*feed, &*reads, &engine, &clock, &metrics, &caught_up).await
            {
                metrics.failures.inc();
                tracing::warn!(error = %chain(&*error), "the account feed is not being followed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.wait() => {}
    }
}

async fn follow_until_error(
    feed: &dyn AccountFeed,
    reads: &dyn Reads,
    engine: &Engine,
    clock: &Clock,
    metrics: &FeedMetrics,
    caught_up: &watch::Sender<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut sequence = reads.feed_sequence().await?;
    metrics.sequence.set(sequence);
    loop {
        // Somebody waits for what has been told by now, not for what comes next.
        let wait = if *caught_up.borrow() { WAIT } else { Duration::ZERO };
        let changes = feed.changes_after(sequence, CHANGES_MAX, wait).await?;
        metrics.answered_seconds.set(seconds(clock.now()));
        let is_all = changes.len() < CHANGES_MAX as usize;
        for change in changes {
            let AccountChange { account_id, standing, created_at, .. } = change;
            metrics.lag_seconds.set(clock.now().since(created_at).as_secs_f64());
            engine.apply_change(change).await?;
            sequence = change.sequence;
            metrics.sequence.set(sequence);
            tracing::info!(
                account.id = account_id,
                ?standing,
                feed.sequence = sequence,
                "an account's standing reached its wallets"
            );
        }
        if is_all {
            caught_up.send_replace(true);
            metrics.lag_seconds.set(0.0);
        }
    }
}

/// Seconds since 1970-01-01T00:00:00Z, as metrics tell times.
pub(crate) fn seconds(time: Timestamp) -> f64 {
    time.since(Timestamp::from_micros(0)).as_secs_f64()
}
