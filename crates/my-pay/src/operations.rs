//! What whoever watches a process can see: metrics on the operations port. Off unless configured,
//! and never the port of clients.

use prometheus_client::registry::Registry;
use service::{
    http::server::ListenerMetrics,
    metrics::{self, HttpMetrics},
    telemetry, trace,
};

use crate::{
    config::Config,
    server::{Listener, Server},
};

/// Everything that can be seen of a process, and what all of its services share of it.
pub(crate) struct Metrics {
    /// What is shown. Services add their own.
    pub(crate) registry: Registry,
    /// Requests, of all services of the process.
    pub(crate) http: HttpMetrics,
    /// The listener for clients.
    pub(crate) listener: ListenerMetrics,
}

/// Takes the operations port, if there is to be one.
pub(crate) fn bind(config: &Config) -> anyhow::Result<Option<Listener>> {
    match config.server.operations_listen {
        Some(address) => Listener::bind(address).map(Some),
        None => Ok(None),
    }
}

impl Metrics {
    /// With what every process has. Inside a tokio runtime.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        metrics::register_process(&mut registry);
        telemetry::register(&mut registry);
        trace::register(&mut registry);
        let (http, listener) = (HttpMetrics::default(), ListenerMetrics::default());
        http.register(&mut registry);
        listener.register(&mut registry);
        Self { registry, http, listener }
    }

    /// Shows it all until the process ends, if there is a port for it.
    pub(crate) fn serve(self, listener: Option<Listener>, config: &Config) -> Option<Server> {
        let limits = config.server.limits_at_once();
        let routes = metrics::routes(self.registry);
        let server = listener?.serve(routes, limits, ListenerMetrics::default());
        tracing::info!(operations.listen = %server.address, "metrics are served");
        Some(server)
    }
}
