//! The bounds of a server.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;

/// Bounds of a server. The defaults suit production.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once. With all of them taken, one that waits for a request gives way to a new
    /// one; if all are at work, more wait in the kernel's backlog. Default: 10,000.
    pub connections_max: usize,
    /// How many of them one client may have. Default: no limit.
    pub address_share: AddressShare,
    /// How long the head of a request may take to arrive, which is also how long an idle connection
    /// is kept. Default: 30 seconds.
    pub head_timeout: Duration,
    /// How long a client may leave an answer unread: within this time it takes at least
    /// 16 KiB or all that is left. Default: 10 seconds.
    pub write_timeout: Duration,
    /// How long to go on accepting and answering after the signal to shut down, as
    /// [`super::Draining`] says. Whoever spreads requests over several instances needs this time to
    /// notice. Default: zero, for a server to which nothing spreads requests.
    pub drain_delay: Duration,
    /// How long requests in flight may take once nothing new is accepted. Default: 10 seconds.
    pub drain_timeout: Duration,
}

/// How many connections one IPv4 address, or one IPv6 /64 network, may have.
#[derive(Debug, Clone)]
pub struct AddressShare {
    /// Most connections of an address; `None` is no limit.
    pub connections_max: Option<usize>,
    /// Networks that have no limit, because many clients share an address there: proxies and
    /// balancers.
    pub shared: Arc<[IpNet]>,
}

impl AddressShare {
    /// No limit, for a listener that only our own services reach.
    pub fn unlimited() -> Self {
        Self { connections_max: None, shared: Arc::new([]) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            address_share: AddressShare::unlimited(),
            head_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(10),
        }
    }
}
