//! The life of a hold: attempted, held and renewed, released. An attempt whose outcome is unknown
//! is withdrawn, because Redis may have taken its locks, or may still be about to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use ledger::WalletId;
use service::redis::RedisUnavailable;
use tokio::time::MissedTickBehavior;

use super::{Held, Shared, scripts::Acquired};

/// How often a withdrawal is tried before the hold is left to its expiry.
const WITHDRAWAL_ATTEMPTS_MAX: u32 = 5;

/// The holds of this instance, by number.
#[derive(Default)]
pub(super) struct Holds(Mutex<HashMap<u64, Arc<Hold>>>);

/// Locks that were taken together.
pub(super) struct Hold {
    number: u64,
    fence: u64,
    since: Instant,
    wallets: Vec<WalletId>,
}

impl Holds {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Hold>>> {
        // Nothing panics while it is held, and each change is complete in itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An acquisition under way. Unless it says how it ended, the hold is withdrawn: the batch was
/// dropped while it waited.
pub(super) struct Attempt<'a> {
    shared: Arc<Shared>,
    hold: u64,
    wallets: &'a [WalletId],
    may_be_held: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(shared: Arc<Shared>, hold: u64, wallets: &'a [WalletId]) -> Self {
        Self { shared, hold, wallets, may_be_held: true }
    }

    pub(super) fn succeed(mut self, acquired: Acquired) -> Held {
        self.may_be_held = false;
        let Acquired { fence, elsewhere } = acquired;
        let is_mine = |wallet: &&WalletId| !elsewhere.contains(wallet);
        let wallets: Vec<_> = self.wallets.iter().filter(is_mine).copied().collect();
        if wallets.is_empty() {
            return Held::locked(elsewhere, Box::new(()));
        }
        let hold = Arc::new(Hold { number: self.hold, fence, since: Instant::now(), wallets });
        self.shared.holds.lock().insert(self.hold, Arc::clone(&hold));
        Held::locked(elsewhere, Box::new(Guard { shared: Arc::clone(&self.shared), hold }))
    }

    pub(super) fn fail(mut self, error: &RedisUnavailable) {
        // The client has logged and counted the failure itself.
        self.may_be_held = !matches!(error, RedisUnavailable::Down);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.may_be_held {
            return;
        }
        let (shared, hold, wallets) = (Arc::clone(&self.shared), self.hold, self.wallets.to_vec());
        self.shared.scripts.redis().runtime().spawn(async move {
            withdraw(&shared, hold, &wallets).await;
        });
    }
}

/// Withdraws a hold as soon as Redis is back, however long that takes: only then does Redis do what
/// it was asked before, and what is not released keeps others away until it expires.
async fn withdraw(shared: &Shared, hold: u64, wallets: &[WalletId]) {
    if let Ok(_permit) = shared.withdrawals.try_acquire() {
        for _ in 0..WITHDRAWAL_ATTEMPTS_MAX {
            shared.scripts.redis().wait_until_up().await;
            if shared.scripts.withdraw(hold, wallets).await.is_ok() {
                return;
            }
        }
    }
    shared.metrics.count_unreleased();
}

/// Releases the hold when it is dropped.
struct Guard {
    shared: Arc<Shared>,
    hold: Arc<Hold>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Whatever else touches the hold finds it gone. A renewal that has noticed a loss has
        // removed it before.
        if self.shared.holds.lock().remove(&self.hold.number).is_none() {
            return;
        }
        let (shared, hold) = (Arc::clone(&self.shared), Arc::clone(&self.hold));
        // Ahead of the next batch, which may want the same wallets. Only the first release after a
        // start of Redis is slower, because it has to send the script.
        self.shared.scripts.redis().detach(async move {
            match shared.scripts.release(hold.number, &hold.wallets).await {
                Ok(owned) if owned < hold.wallets.len() => shared.lose(&hold, owned),
                Ok(_) => {}
                // The client has logged and counted the failure itself.
                Err(_) => withdraw(&shared, hold.number, &hold.wallets).await,
            }
        });
    }
}

impl Shared {
    fn lose(&self, hold: &Hold, owned: usize) {
        let lost = hold.wallets.len() - owned;
        self.metrics.count_losses(lost);
        tracing::warn!(
            wallets.lost = lost,
            wallets.held = hold.wallets.len(),
            held_ms = u64::try_from(hold.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            fence = hold.fence,
            "wallet locks were lost before their batch ended: the database's row locks protect it"
        );
    }
}

/// Renews all holds every third of their expiry.
pub(super) async fn renew(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(shared.times.expiry / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let holds: Vec<_> = shared.holds.lock().values().cloned().collect();
        for hold in holds {
            if hold.since.elapsed() < shared.times.hold_max {
                renew_one(&shared, &hold).await;
            }
        }
    }
}

async fn renew_one(shared: &Shared, hold: &Hold) {
    // After a failure it is tried again at the next tick, of which there is one more in time.
    let Ok(owned) = shared.scripts.renew(hold.number, &hold.wallets).await else { return };
    shared.metrics.count_renewal();
    // A hold that was released meanwhile is not lost.
    if owned < hold.wallets.len() && shared.holds.lock().remove(&hold.number).is_some() {
        shared.lose(hold, owned);
        if owned > 0 {
            // A hold with a hole is given up. If that fails, the rest expires.
            let _released = shared.scripts.release(hold.number, &hold.wallets).await;
        }
    }
}
