//! Locks on wallets that several instances share. They keep instances from queueing on the same
//! database rows and nothing more: the rows' own locks keep money safe, so a lock that is lost, or
//! that nobody could take, costs time and never money.

pub mod metrics;
pub mod redis;

use std::collections::HashSet;

use ledger::WalletId;
use service::BoxFuture;

/// Takes locks for a batch.
pub trait WalletLocks: Send + Sync {
    /// Takes, in one round trip, as many of these wallets as nobody else holds. Never fails and
    /// never waits long: where locks cannot be had at all, everything is held by nobody, and `Held`
    /// covers all of them.
    fn acquire<'a>(&'a self, wallets: &'a [WalletId]) -> BoxFuture<'a, Held>;
}

/// What a batch may go on with. Releases what it still owns when it is dropped, in the background.
pub struct Held {
    /// Wallets that another instance holds.
    pub elsewhere: HashSet<WalletId>,
    /// Ends the hold when it is dropped.
    _guard: Option<Box<dyn Send>>,
}

impl Held {
    /// All wallets, without any lock.
    pub fn unlocked() -> Self {
        Self { elsewhere: HashSet::new(), _guard: None }
    }

    /// All wallets but these, until the guard is dropped.
    pub fn locked(elsewhere: HashSet<WalletId>, guard: Box<dyn Send>) -> Self {
        Self { elsewhere, _guard: Some(guard) }
    }
}
