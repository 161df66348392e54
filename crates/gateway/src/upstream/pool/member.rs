//! One address of a pool: its connections, what is in flight to it, and whether it gets requests.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::body::Bytes;
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use prometheus_client::metrics::gauge::Gauge;
use service::clock::Clock;
use tokio::sync::Notify;

use super::{choose::FULL_WEIGHT, config::PoolConfig};
use crate::metrics::{AddressLabels, InFlight, Metrics};

/// Whether an address gets requests, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Its circuit is open: nothing listens there, or what does breaks off.
    Out,
    /// Its circuit is open, because it takes connections and does not answer in time: it is frozen,
    /// or only slow. Better than none, for a bounded number of requests.
    Silent,
    /// It can be reached for all we know, but is not ready, or was not asked yet: the last resort.
    Doubtful,
    /// It is ready.
    Ready,
}

/// How a request was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing listens at the address.
    Refused,
    /// The connection broke off.
    Broken,
    /// There was no answer in time, and another address may give one.
    Silent,
}

/// The circuit as metrics show it.
const CLOSED: i64 = 0;
const HALF_OPEN: i64 = 1;
const OPEN: i64 = 2;

/// Requests in flight to a silent address, if there is no other: those beyond are answered at once,
/// so that a frozen service does not take the places of requests for another one.
const SILENT_IN_FLIGHT_MAX: u64 = 256;

/// Idle connections that are kept to one address.
const IDLE_CONNECTIONS_MAX: usize = 1024;

/// The smallest weight, at the beginning of a slow start.
const WEIGHT_MIN: u32 = FULL_WEIGHT / 10;

/// A client with connections of its own.
pub(super) type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub(super) struct Member {
    address: SocketAddr,
    config: PoolConfig,
    clock: Clock,
    labels: AddressLabels,
    metrics: Metrics,
    in_flight: Gauge,
    client: RwLock<HttpClient>,
    standing: AtomicU8,
    /// Failures since the last answer.
    failures: AtomicU32,
    /// How many times the circuit has opened.
    openings: AtomicU32,
    /// Whether any request was answered since the last question about readiness.
    has_answered: AtomicBool,
    /// When it became ready, in microseconds of the monotonic clock.
    ready_since: AtomicU64,
    opened: Notify,
    /// Whether it is to be seen: it is part of the pool.
    is_shown: Mutex<bool>,
}

impl Member {
    pub(super) fn new(
        upstream: &'static str,
        address: SocketAddr,
        config: &PoolConfig,
        clock: &Clock,
        metrics: &Metrics,
    ) -> Self {
        let labels = AddressLabels { upstream, address: address.to_string() };
        let member = Self {
            address,
            client: RwLock::new(new_client(config)),
            config: config.clone(),
            clock: clock.clone(),
            in_flight: metrics.upstream_in_flight.get_or_create_owned(&labels),
            labels,
            metrics: metrics.clone(),
            standing: AtomicU8::new(Standing::Doubtful as u8),
            failures: AtomicU32::new(0),
            openings: AtomicU32::new(0),
            has_answered: AtomicBool::new(false),
            ready_since: AtomicU64::new(0),
            opened: Notify::new(),
            is_shown: Mutex::new(true),
        };
        member.show(Standing::Doubtful, CLOSED);
        member
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn config(&self) -> &PoolConfig {
        &self.config
    }

    pub(super) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            3 => Standing::Ready,
            2 => Standing::Doubtful,
            1 => Standing::Silent,
            _ => Standing::Out,
        }
    }

    /// Whether its circuit is open.
    pub(super) fn is_open(&self) -> bool {
        self.standing() <= Standing::Silent
    }

    /// Whether it may get one more request, given its standing.
    pub(super) fn has_room(&self) -> bool {
        self.standing() != Standing::Silent || self.in_flight() < SILENT_IN_FLIGHT_MAX
    }

    /// The connections to use for a request.
    pub(super) fn client(&self) -> HttpClient {
        self.client.read().expect("nothing panics while it holds the lock").clone()
    }

    pub(super) fn in_flight(&self) -> u64 {
        u64::try_from(self.in_flight.get()).unwrap_or(0)
    }

    pub(super) fn begin(&self) -> InFlight<'_> {
        InFlight::begin(&self.in_flight)
    }

    /// Its share among the ready ones: it grows evenly during the slow start.
    pub(super) fn weight(&self) -> u32 {
        let slow_start = micros(self.config.slow_start);
        let ready_since = self.ready_since.load(Ordering::Relaxed);
        // Far in the past for nearly every request: then there is nothing to compute.
        if ready_since == 0 || slow_start == 0 {
            return FULL_WEIGHT;
        }
        let ready_for = micros(self.clock.monotonic()).saturating_sub(ready_since);
        if ready_for >= slow_start {
            self.ready_since.store(0, Ordering::Relaxed);
            return FULL_WEIGHT;
        }
        let weight = ready_for * u64::from(FULL_WEIGHT) / slow_start;
        u32::try_from(weight).unwrap_or(FULL_WEIGHT).max(WEIGHT_MIN)
    }

    /// Whether it is still on its way to its full share.
    pub(super) fn is_ramping_up(&self) -> bool {
        self.weight() < FULL_WEIGHT
    }

    /// A request was answered, whatever the answer.
    pub(super) fn answered(&self) {
        // Read first: this happens with every request, and nearly always changes nothing.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if !self.has_answered.load(Ordering::Relaxed) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
    }

    /// Whether any request was answered since the last time this was asked.
    pub(super) fn take_answered(&self) -> bool {
        self.has_answered.swap(false, Ordering::Relaxed)
    }

    /// A request was not answered. Nothing listening opens the circuit at once; anything else if it
    /// is one too many in a row.
    pub(super) fn failed(&self, fault: Fault, why: &str) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        match fault {
            // No pause: asking again costs nothing, and it may be back in a moment.
            Fault::Refused => {
                self.open(Standing::Out, why);
            }
            Fault::Broken | Fault::Silent if failures < self.config.failures_max => {}
            Fault::Broken => self.open_and_pause(Standing::Out, why),
            Fault::Silent => self.open_and_pause(Standing::Silent, why),
        }
    }

    fn open_and_pause(&self, standing: Standing, why: &str) {
        if self.open(standing, why) {
            self.opened.notify_one();
        }
    }

    /// Opens the circuit: no request goes there until it has said that it is ready, except to a
    /// silent one as the last resort. Tells whether it was not open before.
    pub(super) fn open(&self, standing: Standing, why: &str) -> bool {
        debug_assert!(standing <= Standing::Silent, "{standing:?} is no open circuit");
        let before = self.standing.swap(standing as u8, Ordering::AcqRel);
        self.show(standing, OPEN);
        if before <= Standing::Silent as u8 {
            return false;
        }
        self.openings.fetch_add(1, Ordering::AcqRel);
        self.if_shown(|| {
            self.metrics.upstream_circuit_openings.get_or_create(&self.labels).inc();
        });
        self.forget_connections();
        let upstream = self.labels.upstream;
        tracing::warn!(upstream, address = %self.address, why, "an address is left out");
        true
    }

    /// How many times the circuit has opened, for [`Member::become_ready`].
    pub(super) fn openings(&self) -> u32 {
        self.openings.load(Ordering::Acquire)
    }

    /// Waits until requests that were not answered open the circuit, which they may have done
    /// before. Refused connections do not count: there is nothing to pause for.
    pub(super) async fn opened(&self) {
        self.opened.notified().await;
    }

    /// One question goes out before the circuit closes.
    pub(super) fn half_open(&self) {
        self.show(self.standing(), HALF_OPEN);
    }

    /// It said that it is ready, unless the circuit has opened since it was asked.
    pub(super) fn become_ready(&self, openings: u32) {
        if self.openings() != openings || self.standing() == Standing::Ready {
            return;
        }
        self.failures.store(0, Ordering::Relaxed);
        self.ready_since.store(micros(self.clock.monotonic()).max(1), Ordering::Relaxed);
        self.standing.store(Standing::Ready as u8, Ordering::Release);
        self.show(Standing::Ready, CLOSED);
        let upstream = self.labels.upstream;
        tracing::info!(upstream, address = %self.address, "an address is ready");
    }

    /// It answers, and says that it is not ready; or it did not answer for the first time.
    pub(super) fn become_doubtful(&self, why: &str) {
        let before = self.standing.swap(Standing::Doubtful as u8, Ordering::AcqRel);
        self.show(Standing::Doubtful, CLOSED);
        if before == Standing::Doubtful as u8 {
            return;
        }
        // A draining service will close them, perhaps while a request is on its way.
        self.forget_connections();
        let upstream = self.labels.upstream;
        tracing::warn!(upstream, address = %self.address, why, "an address is not ready");
    }

    /// The address is not part of the pool any more.
    pub(super) fn left(&self) {
        let mut is_shown = self.is_shown.lock().unwrap_or_else(PoisonError::into_inner);
        *is_shown = false;
        self.metrics.upstream_ready.remove(&self.labels);
        self.metrics.upstream_circuit.remove(&self.labels);
        self.metrics.upstream_in_flight.remove(&self.labels);
        self.metrics.upstream_circuit_openings.remove(&self.labels);
    }

    /// Idle connections are not used again: they may lead nowhere.
    fn forget_connections(&self) {
        let mut client = self.client.write().expect("nothing panics while it holds the lock");
        *client = new_client(&self.config);
    }

    fn show(&self, standing: Standing, circuit: i64) {
        let ready = i64::from(standing == Standing::Ready);
        self.if_shown(|| {
            self.metrics.upstream_ready.get_or_create(&self.labels).set(ready);
            // There from the start, at 0.
            drop(self.metrics.upstream_circuit_openings.get_or_create(&self.labels));
            self.metrics.upstream_circuit.get_or_create(&self.labels).set(circuit);
        });
    }

    /// Requests may still be in flight to an address that has left, and must not bring its metrics
    /// back, nor spoil those of whoever has it now.
    fn if_shown(&self, show: impl FnOnce()) {
        let is_shown = self.is_shown.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_shown {
            show();
        }
    }
}

fn new_client(config: &PoolConfig) -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(config.connect_timeout));
    // Requests are small and whole: waiting to fill a packet would only delay them.
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(config.idle_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .build(connector)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
