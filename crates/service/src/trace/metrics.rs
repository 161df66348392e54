//! What is counted about traces.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::TRACING;
use crate::metrics::counted_from_zero;

/// What became of spans.
#[derive(Debug, Clone)]
pub(super) struct TraceMetrics(Family<Labels, Counter>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

impl Default for TraceMetrics {
    fn default() -> Self {
        Self(counted_from_zero(["sent", "lost"].map(|outcome| Labels { outcome })))
    }
}

impl TraceMetrics {
    pub(super) fn count_sent(&self, spans: usize) {
        self.count("sent", spans);
    }

    pub(super) fn count_lost(&self, spans: usize) {
        self.count("lost", spans);
    }

    #[cfg(test)]
    pub(super) fn lost(&self) -> u64 {
        self.0.get_or_create(&Labels { outcome: "lost" }).get()
    }

    fn count(&self, outcome: &'static str, spans: usize) {
        self.0.get_or_create(&Labels { outcome }).inc_by(spans as u64);
    }
}

/// Makes them readable. They stay zero where nothing is traced.
pub fn register(registry: &mut Registry) {
    let metrics = TRACING.get().map(|tracing| tracing.metrics.clone()).unwrap_or_default();
    registry.register(
        "mypay_trace_spans",
        "Spans of traces, by whether the collector took them",
        metrics.0,
    );
}
