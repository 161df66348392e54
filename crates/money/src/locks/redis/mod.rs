//! Wallet locks in Redis. A hold is one batch's locks: all of them are taken by one script, which
//! takes what is free and says what is not, so there is no order of locking to get wrong. A hold
//! has a name of its own, so nobody releases or renews another's, however late.
//!
//! An instance that meets a held lock leaves its name there, and gets its turn when the lock is
//! released. Without that, a busy instance would take a hot wallet again and again within the same
//! round trip, and no other would ever find it free.

mod hold;
mod scripts;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ledger::WalletId;
use service::{BoxFuture, redis::Redis};
use tokio::{sync::Semaphore, task::JoinSet};

use self::{
    hold::{Attempt, Holds},
    scripts::Scripts,
};
use super::{Held, WalletLocks, metrics::LockMetrics};

/// Holds that may wait at once to be withdrawn. Beyond it they are left to their expiry.
const WITHDRAWALS_MAX: usize = 64;

/// The times of locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockTimes {
    /// After this a lock that is neither released nor renewed is free. It is renewed every third of
    /// it. Default: 5 seconds.
    pub expiry: Duration,
    /// How long a released wallet is kept for who waits for it: longer than who waits takes to try
    /// again. Default: 20 ms.
    pub turn: Duration,
    /// A hold is not renewed beyond this, whatever keeps its batch. Default: 1 minute.
    pub hold_max: Duration,
    /// How long Redis remembers that a hold was withdrawn: longer than a request can be under way.
    /// Default: 2 minutes.
    pub withdrawal: Duration,
}

impl Default for LockTimes {
    fn default() -> Self {
        Self {
            expiry: Duration::from_secs(5),
            turn: Duration::from_millis(20),
            hold_max: Duration::from_mins(1),
            withdrawal: Duration::from_mins(2),
        }
    }
}

/// Locks that all instances on one Redis share.
pub struct RedisLocks {
    shared: Arc<Shared>,
    /// Renews holds, until this is dropped.
    _renewer: JoinSet<()>,
}

struct Shared {
    scripts: Scripts,
    metrics: LockMetrics,
    times: LockTimes,
    holds: Holds,
    next: AtomicU64,
    withdrawals: Semaphore,
}

impl RedisLocks {
    /// Locks of one instance, which gives itself a random name. Renewal and release run where the
    /// connection to Redis does.
    pub fn new(
        redis: Redis,
        times: LockTimes,
        metrics: LockMetrics,
    ) -> Result<Self, getrandom::Error> {
        let instance = format!("{:016x}", getrandom::u64()?);
        let runtime = redis.runtime().clone();
        let shared = Arc::new(Shared {
            scripts: Scripts::new(redis, instance, times),
            metrics,
            times,
            holds: Holds::default(),
            next: AtomicU64::new(1),
            withdrawals: Semaphore::new(WITHDRAWALS_MAX),
        });
        let mut renewer = JoinSet::new();
        renewer.spawn_on(hold::renew(Arc::clone(&shared)), &runtime);
        Ok(Self { shared, _renewer: renewer })
    }

    async fn acquire(&self, wallets: &[WalletId]) -> Held {
        if wallets.is_empty() {
            return Held::unlocked();
        }
        let (shared, started) = (&self.shared, Instant::now());
        let hold = shared.next.fetch_add(1, Ordering::Relaxed);
        let attempt = Attempt::new(Arc::clone(shared), hold, wallets);
        let acquired = shared.scripts.acquire(hold, wallets).await;
        shared.metrics.observe_acquire(started.elapsed());
        match acquired {
            Ok(acquired) => {
                shared.metrics.count_wallets(wallets.len(), acquired.elsewhere.len());
                attempt.succeed(acquired)
            }
            Err(error) => {
                shared.metrics.count_fallback();
                attempt.fail(&error);
                Held::unlocked()
            }
        }
    }
}

impl WalletLocks for RedisLocks {
    fn acquire<'a>(&'a self, wallets: &'a [WalletId]) -> BoxFuture<'a, Held> {
        Box::pin(self.acquire(wallets))
    }
}

#[cfg(test)]
mod tests;
