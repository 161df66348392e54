//! Every metric of the gateway.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use service::metrics::{counted_from_zero, duration_histogram};

/// The metrics; clones share the values.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// 1 if an address is ready for requests, 0 otherwise.
    pub(crate) upstream_ready: Family<AddressLabels, Gauge>,
    /// The circuit of an address: 0 closed, 1 half open, 2 open.
    pub(crate) upstream_circuit: Family<AddressLabels, Gauge>,
    /// Requests in flight to an address.
    pub(crate) upstream_in_flight: Family<AddressLabels, Gauge>,
    /// How many times the circuit of an address has opened.
    pub(crate) upstream_circuit_openings: Family<AddressLabels, Counter>,
    /// Requests that were tried once more, by reason.
    pub(crate) upstream_retries: Family<RetryLabels, Counter>,
    /// Requests that would have been tried once more if the budget had allowed it.
    pub(crate) upstream_retries_denied: Family<UpstreamLabels, Counter>,
    /// From the first try to the last answer.
    pub(crate) upstream_duration: Family<UpstreamLabels, Histogram>,
    /// What the memory of introspection does.
    pub(crate) introspection: IntrospectionMetrics,
    /// Bearer tokens that were not taken for anybody's.
    tokens_refused: Family<RefusalLabels, Counter>,
    /// Requests that services are at work on.
    pub(crate) in_flight: Gauge,
    /// Requests that may be given to services at once.
    pub(crate) in_flight_max: Gauge,
}

/// What the memory of introspection does.
#[derive(Debug, Clone, Default)]
pub(crate) struct IntrospectionMetrics {
    /// Tokens that were remembered, or asked for already.
    pub(crate) hits: Counter,
    /// Tokens that were asked for.
    pub(crate) misses: Counter,
    /// Questions that the account service did not answer.
    pub(crate) failures: Counter,
    /// How many times everything was forgotten, because revocations may have been missed.
    pub(crate) forgotten: Counter,
    /// 1 if revocations are heard, 0 if tokens are remembered for a shorter time instead.
    pub(crate) is_listening: Gauge,
}

/// Counts a request in flight until it is dropped.
pub(crate) struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    pub(crate) fn begin(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// One service behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct UpstreamLabels {
    pub(crate) upstream: &'static str,
}

/// One address of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct AddressLabels {
    pub(crate) upstream: &'static str,
    pub(crate) address: String,
}

/// Why a request was tried once more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RetryLabels {
    pub(crate) upstream: &'static str,
    /// One of `not_received`, `broken`, `silent`, `unavailable`, `refused`.
    pub(crate) reason: &'static str,
}

/// Why a token was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            upstream_ready: Family::default(),
            upstream_circuit: Family::default(),
            upstream_in_flight: Family::default(),
            upstream_circuit_openings: Family::default(),
            upstream_retries: Family::default(),
            upstream_retries_denied: Family::default(),
            upstream_duration: Family::new_with_constructor(duration_histogram),
            introspection: IntrospectionMetrics::default(),
            tokens_refused: counted_from_zero(
                ["malformed", "inactive"].map(|reason| RefusalLabels { reason }),
            ),
            in_flight: Gauge::default(),
            in_flight_max: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Makes the metrics part of what the registry shows.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("mypay_gateway");
        registry.register(
            "upstream_ready",
            "Whether an address is ready for requests",
            self.upstream_ready.clone(),
        );
        registry.register(
            "upstream_circuit_state",
            "The circuit of an address: 0 closed, 1 half open, 2 open",
            self.upstream_circuit.clone(),
        );
        registry.register(
            "upstream_requests_in_flight",
            "Requests in flight to an address",
            self.upstream_in_flight.clone(),
        );
        registry.register(
            "upstream_circuit_openings",
            "How many times the circuit of an address has opened",
            self.upstream_circuit_openings.clone(),
        );
        registry.register(
            "upstream_retries",
            "Requests that were tried once more, by reason",
            self.upstream_retries.clone(),
        );
        registry.register(
            "upstream_retries_denied",
            "Requests that were not tried once more because of the retry budget",
            self.upstream_retries_denied.clone(),
        );
        registry.register_with_unit(
            "upstream_request_duration",
            "Time from the first try of a request to the last answer",
            Unit::Seconds,
            self.upstream_duration.clone(),
        );
        registry.register(
            "tokens_refused",
            "Requests whose access token is not one, or nobody's",
            self.tokens_refused.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests that services are at work on",
            self.in_flight.clone(),
        );
        registry.register(
            "requests_in_flight_max",
            "Requests that may be given to services at once; more are refused",
            self.in_flight_max.clone(),
        );
        self.introspection.register(registry);
    }

    /// Counts a token that is `malformed` or `inactive`.
    pub(crate) fn count_refused_token(&self, reason: &'static str) {
        self.tokens_refused.get_or_create(&RefusalLabels { reason }).inc();
    }
}

impl IntrospectionMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "introspection_cache_hits",
            "Access tokens that were remembered, or being asked for already",
            self.hits.clone(),
        );
        registry.register(
            "introspection_cache_misses",
            "Access tokens that the account service was asked for",
            self.misses.clone(),
        );
        registry.register(
            "introspection_failures",
            "Access tokens for which the account service gave no answer, or not in time",
            self.failures.clone(),
        );
        registry.register(
            "introspection_cache_forgotten",
            "How many times all tokens were forgotten because revocations may have been missed",
            self.forgotten.clone(),
        );
        registry.register(
            "revocations_listening",
            "Whether revocations are heard; otherwise tokens are remembered for a shorter time",
            self.is_listening.clone(),
        );
    }
}
