//! What is measured of the clock.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Metrics of the clock; clones share everything.
#[derive(Debug, Clone, Default)]
pub struct ClockMetrics {
    pub(super) jumps: Counter,
    pub(super) not_followed_seconds: Gauge<f64, AtomicU64>,
    differences: Family<ServiceLabels, Gauge<f64, AtomicU64>>,
    failures: Family<ServiceLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    service: &'static str,
}

impl ClockMetrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_clock_jumps",
            "Times that the machine's clock was set by more than `clock.difference_max_seconds`",
            self.jumps.clone(),
        );
        registry.register(
            "mypay_clock_not_followed_seconds",
            "How far the machine's clock is ahead of the time that the process goes by; 0 while \
             it is followed",
            self.not_followed_seconds.clone(),
        );
        registry.register(
            "mypay_clock_database_difference_seconds",
            "How far the clock of the database's server is ahead of the process's",
            self.differences.clone(),
        );
        registry.register(
            "mypay_clock_record_failures",
            "Times that the time could not be read from the database or kept there",
            self.failures.clone(),
        );
    }

    pub(super) fn count_from_zero(&self, service: &'static str) {
        drop(self.failures.get_or_create(&ServiceLabels { service }));
    }

    pub(super) fn count_failure(&self, service: &'static str) {
        self.failures.get_or_create(&ServiceLabels { service }).inc();
    }

    pub(super) fn set_difference(&self, service: &'static str, seconds: f64) {
        self.differences.get_or_create(&ServiceLabels { service }).set(seconds);
    }
}
