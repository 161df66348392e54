//! What whoever watches a process can see: metrics on the operations port. Off unless configured,
//! and never the port of clients.

use prometheus_client::registry::Registry;
use service::{
    http::server::ListenerMetrics,
    metrics::{self, HttpMetrics},
    trace,
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

impl Metrics {
    /// With what every process has. Inside a tokio runtime.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        metrics::register_process(&mut registry);
        trace::register(&mut registry);
        let (http, listener) = (HttpMetrics::default(), ListenerMetrics::default());
        http.register(&mut registry);
        listener.register(&mut registry);
        Self { registry, http, listener }
    }

    /// Shows it all until the process ends.
    pub(crate) async fn serve(self, config: &Config) -> anyhow::Result<Option<Server>> {
        let Some(address) = config.server.operations_listen else { return Ok(None) };
        let limits = config.server.limits_at_once();
        let server = Listener::bind(address).await?.serve(
            metrics::routes(self.registry),
            limits,
            ListenerMetrics::default(),
        );
        tracing::info!(operations.listen = %server.address, "metrics are served");
        Ok(Some(server))
    }
}
