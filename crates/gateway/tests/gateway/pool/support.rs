//! Instances of a service over TCP: good ones, bad ones, and a gateway that pools them at `/pool`.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::Method, http::StatusCode, routing::any};
use my_pay_gateway::{Config, Metrics, Pool, PoolConfig, PooledService, Route, Upstream};
use prometheus_client::{encoding::text::encode, registry::Registry};
use service::{
    BoxFuture,
    clock::Clock,
    contract::identity::{Party, Signer},
    http::{
        health::{self, Check, Readiness},
        server::{Limits, ListenerMetrics, serve},
    },
    shutdown::{self, Trigger},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

use crate::support::{Answer, World, request};

/// The one path at which keys are resolved.
pub(super) const KEYED: &str = "/pool/keyed";

/// A gateway with a pool.
pub(super) struct Pooled {
    pub(super) world: World,
    pub(super) pool: Arc<Pool>,
    /// The pool's; it stands still.
    pub(super) clock: Clock,
    registry: Registry,
}

/// Times short enough for tests, and no slow start.
pub(super) fn quick() -> PoolConfig {
    PoolConfig {
        health_interval: Duration::from_millis(20),
        // Generous: the machine may be busy. Tests of what is silent have their own.
        health_timeout: Duration::from_secs(5),
        circuit_pause: Duration::from_millis(20),
        circuit_pause_max: Duration::from_millis(100),
        try_timeout: Duration::from_secs(1),
        slow_start: Duration::ZERO,
        ..PoolConfig::default()
    }
}

impl Pooled {
    /// A gateway in front of these addresses, of which `ready` become ready.
    pub(super) async fn start(addresses: &[SocketAddr], ready: usize, config: PoolConfig) -> Self {
        Self::start_with(addresses, ready, config, None, |_| {}).await
    }

    pub(super) async fn start_with(
        addresses: &[SocketAddr],
        ready: usize,
        config: PoolConfig,
        signer: Option<Signer>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let service = PooledService {
            name: "things",
            audience: Party::Money,
            addresses: addresses.iter().map(ToString::to_string).collect(),
            keyed_paths: &[KEYED],
        };
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        let clock = Clock::held("2026-01-31T09:00:00Z".parse().unwrap());
        let pool = Pool::start(service, &config, signer, clock.clone(), &metrics).unwrap();
        let pool = Arc::new(pool);
        let upstream = Arc::clone(&pool) as Arc<dyn Upstream>;
        let world = World::start_with(vec![Route { prefix: "/pool", upstream }], change);
        let pooled = Self { world, pool, clock, registry };
        pooled.until_ready(ready).await;
        pooled
    }

    /// Waits until so many addresses are ready, no more and no fewer.
    pub(super) async fn until_ready(&self, ready: usize) {
        let expected = format!("{ready} of ");
        until(&format!("{ready} addresses are ready"), async || {
            self.pool.check().await[0].detail.starts_with(&expected)
        })
        .await;
    }

    pub(super) async fn get(&self) -> Answer {
        self.send(Method::GET, "/pool/a", &[]).await
    }

    pub(super) async fn post(&self) -> Answer {
        self.send(Method::POST, "/pool/a", &[]).await
    }

    pub(super) async fn post_with_key(&self) -> Answer {
        self.send(Method::POST, KEYED, &["idempotency-key: 7"]).await
    }

    pub(super) async fn send(&self, method: Method, path: &str, headers: &[&str]) -> Answer {
        self.world.send(request(method, path, headers)).await
    }

    /// The value of a metric, by what its line begins with.
    pub(super) fn metric(&self, start: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find(|line| line.starts_with(start));
        line.map_or(0, |line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
    }

    pub(super) fn circuit(&self, address: SocketAddr) -> u64 {
        let labels = format!("{{upstream=\"things\",address=\"{address}\"}}");
        self.metric(&format!("mypay_gateway_upstream_circuit_state{labels}"))
    }

    pub(super) fn retries(&self, reason: &str) -> u64 {
        let labels = format!("{{upstream=\"things\",reason=\"{reason}\"}}");
        self.metric(&format!("mypay_gateway_upstream_retries_total{labels}"))
    }
}

/// Waits for a condition, at most ten seconds.
pub(super) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect(what);
}

/// An instance on the real server. It answers every request below `/pool`, after `delay`.
pub(super) struct Instance {
    pub(super) address: SocketAddr,
    pub(super) told: Arc<Told>,
    trigger: Trigger,
    ended: JoinHandle<()>,
}

/// What an instance is told to do, and what it has seen; it outlives a restart.
pub(super) struct Told {
    pub(super) is_ready: AtomicBool,
    pub(super) received: AtomicUsize,
    pub(super) delay: Duration,
    /// What it answers, other than 200.
    pub(super) problem: Mutex<Option<(StatusCode, &'static str)>>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            is_ready: AtomicBool::new(true),
            received: AtomicUsize::new(0),
            delay: Duration::ZERO,
            problem: Mutex::default(),
        }
    }
}

impl Readiness for Told {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        let ok = self.is_ready.load(Ordering::SeqCst);
        Box::pin(async move { vec![Check { name: "told", ok, detail: String::new() }] })
    }
}

impl Instance {
    pub(super) async fn start() -> Self {
        Self::start_as(Told::default()).await
    }

    pub(super) async fn start_as(told: Told) -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        Self::start_at(address, Arc::new(told), Duration::ZERO).await
    }

    /// Several at once.
    pub(super) async fn start_many(count: usize) -> Vec<Self> {
        let mut instances = Vec::new();
        for _ in 0..count {
            instances.push(Self::start().await);
        }
        instances
    }

    pub(super) async fn start_at(
        address: SocketAddr,
        told: Arc<Told>,
        drain_delay: Duration,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Self::router(&told);
        Self::serve(listener, address, told, router, drain_delay)
    }

    /// The routes of an instance: health, and everything below `/pool`.
    pub(super) fn router(told: &Arc<Told>) -> Router {
        let (readiness, seen) = (Arc::clone(told), Arc::clone(told));
        let answer = move || async move {
            seen.received.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(seen.delay).await;
            let problem = *seen.problem.lock().unwrap();
            let (status, code) = problem.unwrap_or((StatusCode::OK, "none"));
            (status, format!("{{\"code\":\"{code}\"}}"))
        };
        Router::new().route("/pool/{*rest}", any(answer)).merge(health::routes(readiness))
    }

    pub(super) fn serve(
        listener: TcpListener,
        address: SocketAddr,
        told: Arc<Told>,
        router: Router,
        drain_delay: Duration,
    ) -> Self {
        let (trigger, shutdown) = shutdown::channel();
        let limits = Limits {
            connections_max: 1000,
            head_timeout: Duration::from_secs(30),
            drain_delay,
            drain_timeout: Duration::from_secs(5),
            ..Limits::default()
        };
        let ended =
            tokio::spawn(serve(listener, router, limits, ListenerMetrics::default(), shutdown));
        Self { address, told, trigger, ended }
    }

    pub(super) fn received(&self) -> usize {
        self.told.received.load(Ordering::SeqCst)
    }

    /// Stops in order: drains, finishes, and closes.
    pub(super) async fn stop(self) -> (SocketAddr, Arc<Told>) {
        self.trigger.shut_down();
        self.ended.await.unwrap();
        (self.address, self.told)
    }
}

pub(super) fn addresses(instances: &[Instance]) -> Vec<SocketAddr> {
    instances.iter().map(|instance| instance.address).collect()
}

/// A port at which nobody listens.
pub(super) async fn dead_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// How a bad instance treats a request that it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Closes the connection without a word.
    Close,
    /// Closes it in the middle of the answer.
    HalfAnswer,
    /// Answers something that is not HTTP.
    Nonsense,
    /// Accepts, reads, and says nothing, also to the question whether it is ready.
    Silence,
}

/// An instance that is ready and answers badly.
pub(super) struct Bad {
    pub(super) address: SocketAddr,
    state: Arc<BadState>,
    _server: JoinSet<()>,
}

struct BadState {
    fault: Mutex<Fault>,
    /// Woken when those that were met with silence are answered after all.
    resumed: Notify,
    received: AtomicUsize,
    asked: AtomicUsize,
}

impl Bad {
    pub(super) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(BadState {
            fault: Mutex::new(fault),
            resumed: Notify::new(),
            received: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
        });
        let mut server = JoinSet::new();
        let shared = Arc::clone(&state);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(shared_connection(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, _server: server }
    }

    pub(super) fn set(&self, fault: Fault) {
        *self.state.fault.lock().unwrap() = fault;
    }

    /// Answers well from now on, also whom it has met with silence.
    pub(super) fn resume(&self) {
        self.set(Fault::None);
        self.state.resumed.notify_waiters();
    }

    /// Requests, without those for readiness.
    pub(super) fn received(&self) -> usize {
        self.state.received.load(Ordering::SeqCst)
    }

    /// Questions for readiness.
    pub(super) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

async fn shared_connection(mut stream: TcpStream, state: Arc<BadState>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let is_health = head.starts_with(b"GET /readyz ");
    let count = if is_health { &state.asked } else { &state.received };
    count.fetch_add(1, Ordering::SeqCst);
    let fault = *state.fault.lock().unwrap();
    let good = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let answer = match fault {
        Fault::Silence => {
            state.resumed.notified().await;
            good
        }
        _ if is_health => good,
        Fault::None => good,
        Fault::Close => "",
        Fault::HalfAnswer => "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf",
        Fault::Nonsense => "220 smtp.example.com ESMTP\r\n",
    };
    // The peer may be gone, which is its own affair.
    let _written = stream.write_all(answer.as_bytes()).await;
}
