//! What operators see of a process: metrics, and readiness with its details, on the operations
//! port. Off unless configured, and never the port of clients.

use std::sync::{Arc, Weak};

use prometheus_client::registry::Registry;
use service::{
    BoxFuture,
    http::{
        health::{self, Check, Readiness, draining_check},
        server::ListenerMetrics,
    },
    metrics::{self, HttpMetrics},
    shutdown::Shutdown,
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

    /// Shows it all until the process ends, if there is a port for it, and whether `server` is
    /// ready.
    pub(crate) fn serve(
        self,
        listener: Option<Listener>,
        config: &Config,
        server: &Server,
        readiness: Weak<dyn Readiness>,
    ) -> Option<Server> {
        let limits = config.server.limits_at_once();
        let readiness = Arc::new(Observed { readiness, stopping: server.stopping() });
        let routes = metrics::routes(self.registry).merge(health::routes(readiness));
        let server = listener?.serve(routes, limits, ListenerMetrics::default());
        tracing::info!(operations.listen = %server.address, "metrics are served");
        Some(server)
    }
}

/// The readiness of a server beside it. It does not keep what the server serves from: databases are
/// closed when that has stopped.
struct Observed {
    readiness: Weak<dyn Readiness>,
    stopping: Shutdown,
}

impl Readiness for Observed {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async {
            match self.readiness.upgrade() {
                Some(readiness) if !self.stopping.is_shut_down() => readiness.check().await,
                _ => vec![draining_check()],
            }
        })
    }
}
