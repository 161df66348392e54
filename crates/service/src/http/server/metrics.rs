//! What a listener counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::metrics::counted_from_zero;

/// What a listener counts; clones share everything.
#[derive(Debug, Clone)]
pub struct ListenerMetrics {
    connections: Gauge,
    connections_max: Gauge,
    ended: Family<EndLabels, Counter>,
    unread: Family<UnreadLabels, Counter>,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client closed or reset it.
    Client,
    /// The last answer on it said so.
    Answered,
    /// The client sent no request for the time limit of a head.
    Idle,
    /// The head of a request did not arrive in time.
    SlowHead,
    /// The head of a request is not HTTP/1.1, or too large.
    Malformed,
    /// The client did not read an answer in time.
    Unread,
    /// It waited for a request when there were too many connections.
    GaveWay,
    /// Its address had its share of connections already, all of them at work.
    AddressShare,
    /// The server stopped.
    Stopped,
}

impl End {
    const ALL: [Self; 9] = [
        Self::Client,
        Self::Answered,
        Self::Idle,
        Self::SlowHead,
        Self::Malformed,
        Self::Unread,
        Self::GaveWay,
        Self::AddressShare,
        Self::Stopped,
    ];

    fn reason(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Answered => "answered",
            Self::Idle => "idle",
            Self::SlowHead => "slow_head",
            Self::Malformed => "malformed",
            Self::Unread => "unread",
            Self::GaveWay => "gave_way",
            Self::AddressShare => "address_share",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnreadLabels {
    outcome: &'static str,
}

impl Default for ListenerMetrics {
    fn default() -> Self {
        Self {
            connections: Gauge::default(),
            connections_max: Gauge::default(),
            ended: counted_from_zero(End::ALL.map(|end| EndLabels { reason: end.reason() })),
            unread: counted_from_zero(
                ["discarded", "closed"].map(|outcome| UnreadLabels { outcome }),
            ),
        }
    }
}

impl ListenerMetrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_http_connections",
            "Connections of clients that are open",
            self.connections.clone(),
        );
        registry.register(
            "mypay_http_connections_max",
            "Connections of clients that may be open; more wait to be accepted",
            self.connections_max.clone(),
        );
        registry.register(
            "mypay_http_connections_ended",
            "Connections of clients that ended, by the reason",
            self.ended.clone(),
        );
        registry.register(
            "mypay_http_unread_bodies",
            "Requests that were answered before their body was read, by what became of the body: \
             read and discarded, or the connection was closed after the answer",
            self.unread.clone(),
        );
    }

    pub(super) fn set_connections_max(&self, connections_max: usize) {
        self.connections_max.set(i64::try_from(connections_max).unwrap_or(i64::MAX));
    }

    /// Counts a connection as open until the value is dropped.
    pub(super) fn open(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    pub(super) fn count_end(&self, end: End) {
        self.ended.get_or_create(&EndLabels { reason: end.reason() }).inc();
    }

    /// Counts a body that was not read before the answer: its rest was discarded, or the connection
    /// is closed.
    pub(super) fn count_unread_body(&self, is_discarded: bool) {
        let outcome = if is_discarded { "discarded" } else { "closed" };
        self.unread.get_or_create(&UnreadLabels { outcome }).inc();
    }
}

/// A connection that is counted as long as it is open.
pub(super) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
