//! What is counted about the log.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::LOG;
use crate::metrics::counted_from_zero;

/// Lines that are not in the log.
#[derive(Debug, Clone)]
pub(super) struct LogMetrics(Family<Labels, Counter>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    reason: &'static str,
}

impl Default for LogMetrics {
    fn default() -> Self {
        Self(counted_from_zero(["full", "failed"].map(|reason| Labels { reason })))
    }
}

impl LogMetrics {
    /// Counts lines for which there was no room, because the output takes them too slowly.
    pub(super) fn count_full(&self, lines: u64) {
        self.of("full").inc_by(lines);
    }

    /// Counts lines that the output refused.
    pub(super) fn count_failed(&self, lines: u64) {
        self.of("failed").inc_by(lines);
    }

    /// All that were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.of("full").get() + self.of("failed").get()
    }

    #[cfg(test)]
    pub(super) fn full(&self) -> u64 {
        self.of("full").get()
    }

    fn of(&self, reason: &'static str) -> Counter {
        self.0.get_or_create_owned(&Labels { reason })
    }
}

/// Registers the counters. They stay zero where no log was started.
pub fn register(registry: &mut Registry) {
    let metrics = LOG.get().map(|log| log.metrics().clone()).unwrap_or_default();
    registry.register(
        "mypay_log_lines_dropped",
        "Log lines that were dropped, because the output was full (nothing read it) or failed",
        metrics.0,
    );
}
