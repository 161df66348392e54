//! Settings of the HTTP server.

use std::{net::SocketAddr, time::Duration};

use serde::Serialize;
use service::http::server::Limits;

/// The HTTP server.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct ServerConfig {
    /// Address and port of `/metrics`, which Prometheus reads, and of `/readyz` with the reasons.
    /// Must not be reachable for clients. Not served unless it is given.
    #[config(env = "MY_PAY_SERVER_OPERATIONS_LISTEN")]
    pub operations_listen: Option<SocketAddr>,

    /// Connections at once; more wait to be accepted. 1 to 1,000,000.
    #[config(env = "MY_PAY_SERVER_CONNECTIONS_MAX", default = 10_000)]
    pub connections_max: usize,

    /// How long the head of a request may take to arrive, and how long an idle connection is kept.
    #[config(env = "MY_PAY_SERVER_HEAD_TIMEOUT_MS", default = 30_000)]
    pub head_timeout_ms: u64,

    /// How long a service that runs apart goes on serving after the signal to stop, while it says
    /// that it is not ready, so that nobody sends it requests any more when it closes. Longer than
    /// the gateway's interval of health checks. At most an hour; `my-pay up` does not wait.
    #[config(env = "MY_PAY_SERVER_DRAIN_DELAY_MS", default = 3_000)]
    pub drain_delay_ms: u64,

    /// How long requests in flight may take after that.
    #[config(env = "MY_PAY_SERVER_DRAIN_TIMEOUT_MS", default = 10_000)]
    pub drain_timeout_ms: u64,
}

/// Longer times are mistakes of the unit.
const HOUR_MS: u64 = 3_600_000;

impl ServerConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        if !(1..=1_000_000).contains(&self.connections_max) {
            return Err("server.connections_max must be from 1 to 1000000".to_owned());
        }
        for (name, value) in
            [("head_timeout_ms", self.head_timeout_ms), ("drain_timeout_ms", self.drain_timeout_ms)]
        {
            if !(1..=HOUR_MS).contains(&value) {
                return Err(format!("server.{name} must be from 1 to {HOUR_MS}"));
            }
        }
        if self.drain_delay_ms > HOUR_MS {
            return Err(format!("server.drain_delay_ms must be at most {HOUR_MS}"));
        }
        Ok(())
    }

    /// The same for a server that nobody is sent to by a gateway: it stops at once.
    pub fn limits_at_once(&self) -> Limits {
        Limits { drain_delay: Duration::ZERO, ..self.limits() }
    }

    /// As the server takes them.
    pub fn limits(&self) -> Limits {
        Limits {
            connections_max: self.connections_max,
            head_timeout: Duration::from_millis(self.head_timeout_ms),
            drain_delay: Duration::from_millis(self.drain_delay_ms),
            drain_timeout: Duration::from_millis(self.drain_timeout_ms),
        }
    }
}
