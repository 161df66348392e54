//! The money service's metrics, all of them.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::store::Reason;

/// Counted and measured by the money service; clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Batches decided again, by reason.
    retries: Family<RetryLabels, Counter>,
    /// Place in the account feed.
    pub(crate) feed_sequence: Gauge,
    /// How long after its cause the newest change was applied; 0 once all are.
    pub(crate) feed_lag_seconds: Gauge<f64, AtomicU64>,
    /// When the account service last answered.
    pub(crate) feed_answered_seconds: Gauge<f64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RetryLabels {
    reason: Reason,
}

impl EncodeLabelValue for Reason {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

impl Metrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_money_store_retries",
            "Batches that were decided again, by what stood in their way",
            self.retries.clone(),
        );
        registry.register(
            "mypay_money_feed_sequence",
            "Place in the account feed up to which this process knows changes to be applied",
            self.feed_sequence.clone(),
        );
        registry.register(
            "mypay_money_feed_lag_seconds",
            "Age of the change of the account feed that is being applied; 0 when none is left",
            self.feed_lag_seconds.clone(),
        );
        registry.register(
            "mypay_money_feed_answered_timestamp_seconds",
            "When the account feed last answered, also without a change",
            self.feed_answered_seconds.clone(),
        );
    }

    pub(crate) fn count_retry(&self, reason: Reason) {
        self.retries.get_or_create(&RetryLabels { reason }).inc();
    }
}
