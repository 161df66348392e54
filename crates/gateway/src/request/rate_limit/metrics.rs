//! What rate limits count. Registered with the gateway's other metrics.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use service::{http::problem::Problem, metrics::counted_from_zero};

/// Metrics of rate limits; clones share everything.
#[derive(Debug, Clone)]
pub struct RateLimitMetrics {
    fallbacks: Counter,
    limited: Family<LimitLabels, Counter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

impl Default for RateLimitMetrics {
    fn default() -> Self {
        let limited =
            counted_from_zero(["address", "token", "api_key"].map(|limit| LimitLabels { limit }));
        Self { fallbacks: Counter::default(), limited }
    }
}

impl RateLimitMetrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_gateway_rate_limit_fallbacks",
            "Times this gateway's own rate limits decided, because Redis failed",
            self.fallbacks.clone(),
        );
        registry.register(
            "mypay_gateway_rate_limited",
            "Requests that were refused, by the limit that they exceeded",
            self.limited.clone(),
        );
    }

    /// Times this gateway's own rate limits decided, because Redis failed.
    pub fn fallbacks(&self) -> u64 {
        self.fallbacks.get()
    }

    pub(super) fn count_fallback(&self) {
        self.fallbacks.inc();
    }

    /// Counts a refusal, and hands it on.
    pub(super) fn count(
        &self,
        limit: &'static str,
        result: Result<(), Problem>,
    ) -> Result<(), Problem> {
        result.inspect_err(|_| {
            self.limited.get_or_create(&LimitLabels { limit }).inc();
        })
    }
}
