//! Settings of tracing.

use serde::Serialize;
use service::trace::{Invalid, TraceConfig};

use super::Switch;

/// Traces, by OpenTelemetry: off unless there is an endpoint. `OTEL_RESOURCE_ATTRIBUTES` and
/// `OTEL_EXPORTER_OTLP_HEADERS` are honoured.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct TracingConfig {
    /// The collector that is told, by OTLP over HTTP, such as `http://collector:4318`. Empty is
    /// off.
    #[config(
        env = "MY_PAY_TRACING_OTLP_ENDPOINT",
        parse_env = crate::config::given::variable,
        default = ""
    )]
    pub otlp_endpoint: String,

    /// The share of requests that are traced, 0 to 1. The gateway chooses; services follow.
    #[config(env = "MY_PAY_TRACING_SAMPLING_RATIO", default = 1.0)]
    pub sampling_ratio: f64,

    /// `on` for a gateway whose clients are your own services: a request with `traceparent` (W3C
    /// Trace Context) goes on with its client's trace, which decides whether it is traced. `off`
    /// begins a trace of its own, with a link to the client's.
    #[config(env = "MY_PAY_TRACING_FOLLOW_CLIENTS", default = "off")]
    pub follow_clients: Switch,
}

impl TracingConfig {
    /// What to trace, if anything.
    pub fn to_service(&self) -> Option<TraceConfig> {
        (!self.otlp_endpoint.is_empty()).then(|| TraceConfig {
            endpoint: self.otlp_endpoint.clone(),
            sampling_ratio: self.sampling_ratio,
            follows_clients: self.follow_clients == Switch::On,
        })
    }

    /// Whether the settings make sense.
    pub fn validate(&self) -> Result<(), String> {
        let invalid = |error: Invalid| {
            let setting = match error {
                Invalid::Endpoint(_) => "otlp_endpoint",
                Invalid::SamplingRatio(_) => "sampling_ratio",
            };
            format!("tracing.{setting}: {error}")
        };
        self.to_service().map_or(Ok(()), |config| config.validate().map_err(invalid))
    }
}
