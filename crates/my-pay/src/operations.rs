//! The operations port: metrics, for whoever watches a service. Off unless configured, and never
//! the port of clients.

use prometheus_client::registry::Registry;
use service::http::metrics;

use crate::{
    config::Config,
    server::{Listener, Server},
};

/// Serves what was registered, until the process ends.
pub(crate) async fn serve(config: &Config, registry: Registry) -> anyhow::Result<Option<Server>> {
    let Some(address) = config.server.operations_listen else { return Ok(None) };
    let server = Listener::bind(address)
        .await?
        .serve(metrics::routes(registry), config.server.limits_at_once());
    tracing::info!(operations.listen = %server.address, "metrics are served");
    Ok(Some(server))
}
