//! What rate limits count. Registered with the gateway's other metrics.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

/// Metrics of rate limits; clones share everything.
#[derive(Debug, Clone, Default)]
pub struct RateLimitMetrics {
    fallbacks: Counter,
}

impl RateLimitMetrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_gateway_rate_limit_fallbacks",
            "Times this gateway's own rate limits decided, because Redis failed",
            self.fallbacks.clone(),
        );
    }

    /// Times this gateway's own rate limits decided, because Redis failed.
    pub fn fallbacks(&self) -> u64 {
        self.fallbacks.get()
    }

    pub(super) fn count_fallback(&self) {
        self.fallbacks.inc();
    }
}
