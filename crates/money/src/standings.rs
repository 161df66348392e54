//! Follows the account feed, so that a suspended or closed account neither sends nor receives. The
//! place in the feed is committed with its effect: after a crash the follower goes on where the
//! money stands.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use service::{
    clock::{Clock, Timestamp},
    contract::account_feed::{AccountChange, AccountFeed, FeedAnswer},
    http::problem::chain,
    installation::{Installation, OtherInstallation},
    shutdown::Shutdown,
};
use tokio::sync::watch;

use crate::{
    engine::Engine,
    metrics::FeedMetrics,
    store::{Database, Reads},
};

/// Changes taken at a time.
const CHANGES_MAX: u32 = 256;
/// How long one question to the feed may wait for an answer.
const WAIT: Duration = Duration::from_secs(20);
/// Pause after an error. Short, because a suspension must take effect within two seconds.
const PAUSE: Duration = Duration::from_millis(250);

/// How far the feed is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Following {
    /// Not all that the feed has told is applied yet.
    Behind,
    /// All that the feed had told when it last answered is applied.
    CaughtUp,
    /// The account service that answers has the accounts of another installation, and nothing that
    /// it tells is applied.
    Refused(OtherInstallation),
}

/// The follower, and what it works with.
pub(crate) struct Follower {
    pub(crate) feed: Arc<dyn AccountFeed>,
    pub(crate) database: Database,
    pub(crate) reads: Arc<dyn Reads>,
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) metrics: FeedMetrics,
    pub(crate) following: watch::Sender<Following>,
    /// Whether requests are refused, too.
    pub(crate) is_refused: Arc<AtomicBool>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Follower {
    /// Follows until shutdown.
    pub(crate) async fn follow(self, mut shutdown: Shutdown) {
        let work = async {
            loop {
                if let Err(error) = self.follow_until_error().await {
                    self.metrics.failures.inc();
                    self.log(&*error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = shutdown.wait() => {}
        }
    }

    fn log(&self, error: &(dyn std::error::Error + Send + Sync + 'static)) {
        let Some(other) = error.downcast_ref::<OtherInstallation>() else {
            tracing::warn!(error = %chain(error), "the account feed is not being followed");
            return;
        };
        // It stays so until an operator acts: said once is enough.
        let refused = Following::Refused(*other);
        if self.following.send_replace(refused) != refused {
            tracing::error!(%error, "the account feed of another installation is refused");
        }
    }

    async fn follow_until_error(&self) -> Result<(), Failure> {
        let Self { feed, reads, engine, clock, metrics, following, .. } = self;
        let mut sequence = reads.feed_sequence().await?;
        metrics.sequence.set(sequence);
        let mut known = None;
        loop {
            // At first the start waits for what has been told by now, not for what comes next.
            let has_caught_up = *following.borrow() == Following::CaughtUp;
            let wait = if has_caught_up { WAIT } else { Duration::ZERO };
            let FeedAnswer { installation, changes } =
                feed.changes_after(sequence, CHANGES_MAX, wait).await?;
            metrics.answered_seconds.set(seconds(clock.now()));
            if installation.is_none() || installation != known {
                known = self.settle(installation).await?;
            }
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
                following.send_replace(Following::CaughtUp);
                metrics.lag_seconds.set(0.0);
            }
        }
    }

    /// Shows that the account service has the accounts of this database's installation. A database
    /// that belongs to none yet belongs to this one from now on.
    async fn settle(&self, account: Option<Installation>) -> Result<Option<Installation>, Failure> {
        let Some(account) = account else {
            // Earlier versions tell nothing, which is no reason to take back a refusal.
            let is_refused = self.is_refused.load(Ordering::Relaxed);
            return if is_refused { Err("the installation is not told".into()) } else { Ok(None) };
        };
        let money = self.database.settle_installation(account).await?;
        self.metrics.other_installation.set(i64::from(money != account));
        self.is_refused.store(money != account, Ordering::Relaxed);
        if money != account {
            return Err(OtherInstallation { money, account }.into());
        }
        Ok(Some(account))
    }
}

/// Seconds since 1970-01-01T00:00:00Z, as metrics tell times.
pub(crate) fn seconds(time: Timestamp) -> f64 {
    time.since(Timestamp::from_micros(0)).as_secs_f64()
}
