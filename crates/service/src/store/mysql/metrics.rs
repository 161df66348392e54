//! What a pool of connections counts and measures.

use std::{fmt, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        MetricType, counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram,
    },
    registry::{Registry, Unit},
};

use super::pool::Pool;
use crate::metrics::duration_histogram;

/// Metrics of a pool.
#[derive(Debug)]
pub(super) struct PoolMetrics {
    wait: Histogram,
    connect_failures: Counter,
    retirements: Family<[(&'static str, &'static str); 1], Counter>,
}

/// Why all connections were replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retirement {
    /// The server refuses writes.
    ReadOnly,
    /// A connection was found broken or silent.
    Gone,
}

impl Retirement {
    /// Its name in logs and metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Gone => "gone",
        }
    }

    /// What has happened, for the log.
    pub(super) const fn explain(self) -> &'static str {
        match self {
            Self::ReadOnly => "the server refuses writes",
            Self::Gone => "one of them has no server any more",
        }
    }
}

/// How a pool is used at the moment, in connections.
pub(super) struct Usage {
    pub(super) max: usize,
    pub(super) in_use: usize,
    pub(super) idle: usize,
}

impl Default for PoolMetrics {
    fn default() -> Self {
        let retirements = Family::default();
        for reason in [Retirement::ReadOnly, Retirement::Gone] {
            // From zero: a series that begins with its first event would hide just that one.
            let _created = retirements.get_or_create(&[("reason", reason.as_str())]);
        }
        Self { wait: duration_histogram(), connect_failures: Counter::default(), retirements }
    }
}

impl PoolMetrics {
    pub(super) fn observe_wait(&self, waited: Duration) {
        self.wait.observe(waited.as_secs_f64());
    }

    pub(super) fn count_connect_failure(&self) {
        self.connect_failures.inc();
    }

    pub(super) fn count_retirement(&self, reason: Retirement) {
        self.retirements.get_or_create(&[("reason", reason.as_str())]).inc();
    }
}

/// Makes them readable.
pub(super) fn register(pool: &Pool, service: &'static str, registry: &mut Registry) {
    let label = ("service".into(), service.into());
    let registry = registry.sub_registry_with_label(label);
    let metrics = pool.metrics();
    registry.register_with_unit(
        "mypay_database_connection_wait",
        "How long was waited for a connection of the pool to be free",
        Unit::Seconds,
        metrics.wait.clone(),
    );
    registry.register(
        "mypay_database_connect_failures",
        "Connections that could not be made",
        metrics.connect_failures.clone(),
    );
    registry.register(
        "mypay_database_retirements",
        "Times that all connections were replaced, by reason",
        metrics.retirements.clone(),
    );
    registry.register_collector(Box::new(UsageCollector(pool.clone())));
}

struct UsageCollector(Pool);

impl fmt::Debug for UsageCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsageCollector")
    }
}

impl Collector for UsageCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let usage = self.0.usage();
        let gauge = |value: usize| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let help = "Connections of the pool, by whether somebody uses them";
        let mut family = encoder.encode_descriptor(
            "mypay_database_connections",
            help,
            None,
            MetricType::Gauge,
        )?;
        for (state, count) in [("in_use", usage.in_use), ("idle", usage.idle)] {
            gauge(count).encode(family.encode_family(&[("state", state)])?)?;
        }
        let (name, help) = ("mypay_database_connections_max", "Connections that may be in use");
        let max = gauge(usage.max);
        max.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }
}
