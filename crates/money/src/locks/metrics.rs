//! What wallet locks count and measure. Registered with the service's other metrics.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Metrics of wallet locks; clones share everything.
#[derive(Debug, Clone)]
pub struct LockMetrics {
    acquire_seconds: Histogram,
    wallets: Family<WalletLabels, Counter>,
    losses: Counter,
    fallbacks: Counter,
    renewals: Counter,
    unreleased: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WalletLabels {
    outcome: &'static str,
}

impl Default for LockMetrics {
    fn default() -> Self {
        Self {
            // 50 µs to 200 ms, beyond which nobody waits for a lock.
            acquire_seconds: Histogram::new(exponential_buckets(50e-6, 2.0, 13)),
            wallets: Family::default(),
            losses: Counter::default(),
            fallbacks: Counter::default(),
            renewals: Counter::default(),
            unreleased: Counter::default(),
        }
    }
}

impl LockMetrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "mypay_money_lock_acquire",
            "How long a batch waited for the answer to its request for locks",
            Unit::Seconds,
            self.acquire_seconds.clone(),
        );
        registry.register(
            "mypay_money_lock_wallets",
            "Wallets that batches asked for, by whether they were taken or held elsewhere",
            self.wallets.clone(),
        );
        registry.register(
            "mypay_money_lock_losses",
            "Wallets whose lock was lost before its batch ended",
            self.losses.clone(),
        );
        registry.register(
            "mypay_money_lock_fallbacks",
            "Batches that went on with the database's row locks alone, because Redis failed",
            self.fallbacks.clone(),
        );
        registry.register(
            "mypay_money_lock_renewals",
            "Holds that were renewed because their batch took long",
            self.renewals.clone(),
        );
        registry.register(
            "mypay_money_lock_unreleased",
            "Holds that were left to their expiry, because Redis failed",
            self.unreleased.clone(),
        );
    }

    pub(super) fn observe_acquire(&self, took: Duration) {
        self.acquire_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn count_wallets(&self, asked: usize, elsewhere: usize) {
        let count = |outcome, wallets: usize| {
            self.wallets.get_or_create(&WalletLabels { outcome }).inc_by(wallets as u64);
        };
        count("taken", asked - elsewhere);
        count("elsewhere", elsewhere);
    }

    pub(super) fn count_losses(&self, wallets: usize) {
        self.losses.inc_by(wallets as u64);
    }

    pub(super) fn count_fallback(&self) {
        self.fallbacks.inc();
    }

    pub(super) fn count_renewal(&self) {
        self.renewals.inc();
    }

    pub(super) fn count_unreleased(&self) {
        self.unreleased.inc();
    }
}
