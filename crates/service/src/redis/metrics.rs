//! What the client counts and measures.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::RedisUnavailable;
use crate::metrics::counted_from_zero;

/// Metrics of a client; clones share everything.
#[derive(Debug, Clone)]
pub struct RedisMetrics {
    up: Gauge,
    call_seconds: Histogram,
    failures: Arc<Family<FailureLabels, Counter>>,
    skipped: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    cause: &'static str,
}

/// Why a call may fail. Each is counted from the start, from 0.
const CAUSES: [&str; 3] = ["timeout", "connection", "refused"];

impl Default for RedisMetrics {
    fn default() -> Self {
        let failures = counted_from_zero(CAUSES.map(|cause| FailureLabels { cause }));
        Self {
            up: Gauge::default(),
            // 50 µs to 200 ms, beyond which no call is waited for.
            call_seconds: Histogram::new(exponential_buckets(50e-6, 2.0, 13)),
            failures: Arc::new(failures),
            skipped: Counter::default(),
        }
    }
}

impl RedisMetrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_redis_up",
            "Whether Redis is to be had: 1, or 0 while going on without it",
            self.up.clone(),
        );
        registry.register_with_unit(
            "mypay_redis_call",
            "How long calls of Redis took, failed ones included",
            Unit::Seconds,
            self.call_seconds.clone(),
        );
        registry.register(
            "mypay_redis_failures",
            "Calls of Redis that failed, by cause",
            Family::clone(&self.failures),
        );
        registry.register(
            "mypay_redis_skipped",
            "Calls that were not made because Redis was down",
            self.skipped.clone(),
        );
    }

    /// Calls that failed, by whatever cause.
    pub fn failures(&self) -> u64 {
        CAUSES.iter().map(|cause| self.failures_by(cause).get()).sum()
    }

    /// Calls that were not made because Redis was down.
    pub fn skipped(&self) -> u64 {
        self.skipped.get()
    }

    pub(super) fn set_up(&self, is_up: bool) {
        self.up.set(is_up.into());
    }

    pub(super) fn observe_call(&self, took: Duration) {
        self.call_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn count_skipped(&self) {
        self.skipped.inc();
    }

    pub(super) fn count_failure(&self, error: &RedisUnavailable) {
        let cause = match error {
            RedisUnavailable::Down => return,
            RedisUnavailable::Timeout(_) => "timeout",
            RedisUnavailable::Failed(error) if error.is_io_error() => "connection",
            RedisUnavailable::Failed(_) => "refused",
        };
        self.failures_by(cause).inc();
    }

    fn failures_by(&self, cause: &'static str) -> Counter {
        self.failures.get_or_create(&FailureLabels { cause }).clone()
    }
}
