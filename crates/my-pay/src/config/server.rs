//! Settings of the HTTP server.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;
use serde::Serialize;
use service::http::server::{AddressShare, Limits};

/// The HTTP server.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct ServerConfig {
    /// Address and port of `/metrics`, which Prometheus reads, and of `/readyz` with the reasons.
    /// Must not be reachable for clients. Not served unless it is given.
    #[config(env = "MY_PAY_SERVER_OPERATIONS_LISTEN")]
    pub operations_listen: Option<SocketAddr>,

    /// Connections at once. If all are open, one that waits for a request is closed for a new one,
    /// first those that have sent none yet; if all are at work, more wait to be accepted.
    /// 1 to 1,000,000.
    #[config(env = "MY_PAY_SERVER_CONNECTIONS_MAX", default = 10_000)]
    pub connections_max: usize,

    /// Connections that one address (IPv4, or IPv6 /64) may have, of `my-pay up` and
    /// `my-pay gateway`. A new one closes one of the same address that waits for a request; if all
    /// are at work, it is answered 429. Unless it is given: a quarter of `connections_max`, or all
    /// of them with `rate_limit = "off"`.
    #[config(env = "MY_PAY_SERVER_ADDRESS_CONNECTIONS_MAX")]
    pub address_connections_max: Option<usize>,

    /// Addresses and networks to which `address_connections_max` does not apply, because many
    /// clients share them: proxies and balancers, such as `10.0.0.0/8`. In the variable, separated
    /// by commas.
    #[config(
        env = "MY_PAY_SERVER_SHARED_ADDRESSES",
        parse_env = crate::config::given::list,
        default = []
    )]
    pub shared_addresses: Vec<String>,

    /// How long the head of a request may take to arrive, and how long an idle connection is kept.
    #[config(env = "MY_PAY_SERVER_HEAD_TIMEOUT_MS", default = 30_000)]
    pub head_timeout_ms: u64,

    /// How long a client may leave an answer unread: within this time it takes 16 KiB, or all that
    /// is left of it, or is cut.
    #[config(env = "MY_PAY_SERVER_WRITE_TIMEOUT_MS", default = 10_000)]
    pub write_timeout_ms: u64,

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
        if self.address_connections_max == Some(0) {
            return Err("server.address_connections_max must be at least 1".to_owned());
        }
        self.shared_networks()?;
        for (name, value) in [
            ("head_timeout_ms", self.head_timeout_ms),
            ("write_timeout_ms", self.write_timeout_ms),
            ("drain_timeout_ms", self.drain_timeout_ms),
        ] {
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

    /// Bounds of a listener that only our own services and operators reach, in their network: an
    /// address may have any number of its connections.
    pub fn limits(&self) -> Limits {
        Limits {
            connections_max: self.connections_max,
            address_share: AddressShare::unlimited(),
            head_timeout: Duration::from_millis(self.head_timeout_ms),
            write_timeout: Duration::from_millis(self.write_timeout_ms),
            drain_delay: Duration::from_millis(self.drain_delay_ms),
            drain_timeout: Duration::from_millis(self.drain_timeout_ms),
        }
    }

    /// How many of the connections of clients an address may have, with or without rate limits.
    pub(super) fn address_share(&self, has_rate_limits: bool) -> AddressShare {
        let default = has_rate_limits.then(|| self.connections_max.div_ceil(4));
        AddressShare {
            connections_max: self.address_connections_max.or(default),
            // `validate` has read them all.
            shared: self.shared_networks().unwrap_or_default().into(),
        }
    }

    fn shared_networks(&self) -> Result<Vec<IpNet>, String> {
        self.shared_addresses.iter().map(|text| read_network(text)).collect()
    }
}

fn read_network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| {
        format!("server.shared_addresses: `{text}` is not an address or network such as 10.0.0.0/8")
    })
}

#[cfg(test)]
mod tests {
    use super::read_network;

    #[test]
    fn shared_addresses_are_addresses_or_networks() {
        for (text, read) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("::1", "::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(read_network(text).unwrap().to_string(), read);
        }
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0", "10.0.0.0/8/8", "10.0.0.1:80"] {
            read_network(text).unwrap_err();
        }
    }
}
