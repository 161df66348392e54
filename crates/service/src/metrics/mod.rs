//! Metrics that every service has, and how all of them are shown. docs/metrics.md lists every one;
//! a test keeps that list and the code equal.

mod build;
mod http;
mod observed;
mod process;
mod routes;
mod runtime;

use std::hash::Hash;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

pub use self::{
    http::{HttpMetrics, Measured, Measurement, ServiceHttp},
    observed::register_observed,
    routes::routes,
};

/// Limits of the buckets of everything that takes time: 100 microseconds to 10 seconds, three a
/// decade, so that a quantile is wrong by half at most.
pub const DURATION_BUCKETS: [f64; 16] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0,
];

/// A histogram of seconds.
pub fn duration_histogram() -> Histogram {
    Histogram::new(DURATION_BUCKETS)
}

/// A family of counters of which these are there from the start, at 0: whoever watches a counter
/// sees its first event only if it saw none before.
pub fn counted_from_zero<S>(labels: impl IntoIterator<Item = S>) -> Family<S, Counter>
where
    S: Clone + Hash + Eq,
{
    let family = Family::default();
    for labels in labels {
        let _counter: Counter = family.get_or_create_owned(&labels);
    }
    family
}

/// Registers what is known of any process: its build, its use of the machine, and its async
/// runtime. Must be called inside a tokio runtime.
pub fn register_process(registry: &mut Registry) {
    build::register(registry);
    process::register(registry);
    runtime::register(registry);
}
