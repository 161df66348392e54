//! Follows the account feed, so that a suspended or closed account neither sends nor receives. The
//! place in the feed is committed with its effect: after a crash the follower goes on where the
//! money stands.

use std::{sync::Arc, time::Duration};

use service::{
    contract::account_feed::{AccountChange, AccountFeed},
    http::problem::chain,
    shutdown::Shutdown,
};

use crate::{engine::Engine, store::Reads};

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
    mut shutdown: Shutdown,
) {
    let work = async {
        loop {
            if let Err(error) = follow_until_error(&*feed, &*reads, &engine).await {
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
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut sequence = reads.feed_sequence().await?;
    loop {
        for change in feed.changes_after(sequence, CHANGES_MAX, WAIT).await? {
            let AccountChange { account_id, standing, .. } = change;
            engine.apply_change(change).await?;
            sequence = change.sequence;
            tracing::info!(
                account.id = account_id,
                ?standing,
                feed.sequence = sequence,
                "an account's standing reached its wallets"
            );
        }
    }
}
