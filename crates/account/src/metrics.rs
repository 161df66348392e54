//! The account service's metrics, all of them.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use service::store::mysql::Failure;

/// Counted by the account service; clones share everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    retries: Family<RetryLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RetryLabels {
    transaction: &'static str,
    reason: &'static str,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_account_store_retries",
            "Transactions that were run again, by their name and what stood in their way",
            self.retries.clone(),
        );
    }

    pub(crate) fn count_retry(&self, transaction: &'static str, reason: Failure) {
        let reason = reason.as_str();
        self.retries.get_or_create(&RetryLabels { transaction, reason }).inc();
    }
}
