//! A few connections that are used again, as long as they lead to a server that takes writes. When
//! one shows that its server refuses them, as after a failover, all that were made until then are
//! replaced, those of the lanes too: each belongs to a generation.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mysql_async::{Conn, Opts};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{
    Error, Failure,
    check::{self, State},
    connection::{Birth, Connection, Opened, cut, end, farewell},
    failure,
    metrics::{PoolMetrics, Retirement, Usage},
};
use crate::waiting::waiting_for;

/// How long to wait for a connection that others use, and then for the server to take a new one.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a new connection is waited for.
pub(super) fn connecting(opts: &Opts) -> String {
    format!("the server at {}:{} to take a connection", opts.ip_or_hostname(), opts.tcp_port())
}

/// The server ends a connection that says nothing for so long, and rolls back what was begun on it.
/// So a machine that stops in the middle of a transaction blocks others no longer than this.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(30);

/// A connection that was idle for longer is not used again, because the server may be ending it.
const IDLE_USABLE: Duration = Duration::from_secs(20);

/// A connection that was idle for longer is asked whether it is alive.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);

/// A connection that was not asked for longer is asked whether its server takes writes, however
/// busy it is: reads alone would not notice that they come from a server that has been replaced.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// How long that answer may take. A new connection is made then.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection is used at all, so that a server behind a balancer gets its share again.
const LIFE_MAX: Duration = Duration::from_mins(30);

/// All connections are replaced no more often than this, if every server refuses writes for long.
const GENERATION_MIN: Duration = Duration::from_secs(1);

/// At most so many connections at once. Clones share them.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    opts: Opts,
    connections_max: usize,
    permits: Arc<Semaphore>,
    metrics: PoolMetrics,
    /// Changed under the lock of `idle` only.
    generation: AtomicU64,
    idle: Mutex<Idle>,
}

struct Idle {
    /// The one used last is at the end, and is the next to be used.
    connections: Vec<Idling>,
    /// When a connection last broke. The others may have, too.
    broken_at: Option<Instant>,
    /// When the generation began, unless it is the first.
    generation_began: Option<Instant>,
    is_closed: bool,
}

/// A connection that waits for its next use.
pub(super) struct Idling {
    pub(super) conn: Conn,
    pub(super) birth: Birth,
    /// When it was last known to lead to a server that takes writes.
    pub(super) checked_at: Instant,
    pub(super) used_at: Instant,
}

impl Pool {
    pub(super) fn new(opts: Opts, connections_max: usize) -> Self {
        let idle = Idle {
            connections: Vec::new(),
            broken_at: None,
            generation_began: None,
            is_closed: false,
        };
        let connections_max = connections_max.max(1);
        Self(Arc::new(Inner {
            opts,
            connections_max,
            permits: Arc::new(Semaphore::new(connections_max)),
            metrics: PoolMetrics::default(),
            generation: AtomicU64::new(0),
            idle: Mutex::new(idle),
        }))
    }

    /// What it counts.
    pub(super) fn metrics(&self) -> &PoolMetrics {
        &self.0.metrics
    }

    /// How it is used at the moment.
    pub(super) fn usage(&self) -> Usage {
        let max = self.0.connections_max;
        Usage {
            max,
            in_use: max - self.0.permits.available_permits().min(max),
            idle: self.idle().connections.len(),
        }
    }

    /// A connection on which nothing is begun.
    pub(super) async fn connection(&self) -> Result<Connection, Error> {
        let started = Instant::now();
        let waiting = timeout(CONNECT_TIMEOUT, Arc::clone(&self.0.permits).acquire_owned()).await;
        self.0.metrics.observe_wait(started.elapsed());
        let permit = waiting.map_err(|_| Error::Busy)?.expect("the semaphore is never closed");
        while let Some(mut idling) = self.take_idle() {
            if self.is_trusted(&idling) {
                return Ok(Connection::new(idling, self.clone(), permit));
            }
            let generation = idling.birth.generation;
            match timeout(CHECK_TIMEOUT, check::ask(&mut idling.conn)).await {
                Ok(State::TakesWrites) => {
                    idling.checked_at = Instant::now();
                    return Ok(Connection::new(idling, self.clone(), permit));
                }
                // The next one may lead to another server, or else this one serves reads again.
                Ok(State::ReadOnly) => {
                    self.retire(generation, Retirement::ReadOnly);
                    end(idling.conn);
                }
                // Those that are as old are probably gone, too, and each would cost this time.
                Ok(State::Gone) | Err(_) => {
                    self.broke();
                    self.retire(generation, Retirement::Gone);
                    cut(idling.conn);
                }
            }
        }
        let Opened { conn, birth } = self.connect(self.0.opts.clone()).await?;
        let now = Instant::now();
        let idling = Idling { conn, birth, checked_at: now, used_at: now };
        Ok(Connection::new(idling, self.clone(), permit))
    }

    /// A new connection, which need not become one of the pool's. A failure is counted.
    pub(super) async fn connect(&self, opts: Opts) -> Result<Opened, Error> {
        // Read before: what is retired in the meantime includes this one.
        let generation = self.0.generation.load(Ordering::Acquire);
        let _waiting = waiting_for(connecting(&opts));
        let connecting = async {
            let mut conn = Conn::new(opts).await?;
            let packet_bytes_max = check::packet_bytes_max(&mut conn).await?;
            let birth = Birth { opened_at: Instant::now(), generation, packet_bytes_max };
            Ok(Opened { conn, birth })
        };
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        let connected = connected.map_err(|_| Error::TimedOut).flatten();
        connected.inspect_err(|_| self.0.metrics.count_connect_failure())
    }

    /// Whether a connection may go on being used.
    pub(super) fn is_current(&self, birth: &Birth) -> bool {
        birth.generation == self.0.generation.load(Ordering::Acquire)
            && birth.opened_at.elapsed() <= LIFE_MAX
    }

    /// Learns from an error on a connection of this generation.
    pub(super) fn note(&self, generation: u64, error: &mysql_async::Error) {
        match failure(error) {
            Failure::ReadOnly => self.retire(generation, Retirement::ReadOnly),
            Failure::Disconnected => self.broke(),
            Failure::Deadlock
            | Failure::LockTimeout
            | Failure::DuplicateKey
            | Failure::ConstraintViolated
            | Failure::TooLarge
            | Failure::TooManyConnections
            | Failure::Interrupted
            | Failure::Unavailable
            | Failure::Other => {}
        }
    }

    /// Ends the connections that are not in use, and keeps none from now on.
    pub(super) async fn close(&self) {
        let idle = {
            let mut idle = self.idle();
            idle.is_closed = true;
            std::mem::take(&mut idle.connections)
        };
        for idling in idle {
            // The process is about to end; what does not end properly is cut off.
            farewell(idling.conn).await;
        }
    }

    /// Replaces every connection of this generation and older ones. What is in use is ended when it
    /// comes back, and the lanes look before each batch.
    fn retire(&self, generation: u64, reason: Retirement) {
        let retired = {
            let mut idle = self.idle();
            let is_older = generation != self.0.generation.load(Ordering::Acquire);
            let is_soon = idle.generation_began.is_some_and(|at| at.elapsed() < GENERATION_MIN);
            if is_older || is_soon {
                return;
            }
            self.0.generation.store(generation + 1, Ordering::Release);
            idle.generation_began = Some(Instant::now());
            std::mem::take(&mut idle.connections)
        };
        self.0.metrics.count_retirement(reason);
        tracing::warn!(
            reason = reason.as_str(),
            "all connections to the database are replaced: {}",
            reason.explain()
        );
        for idling in retired {
            end(idling.conn);
        }
    }

    fn take_idle(&self) -> Option<Idling> {
        let mut idle = self.idle();
        // Those before the first usable one were idle for longer still.
        let first =
            idle.connections.partition_point(|idling| idling.used_at.elapsed() > IDLE_USABLE);
        idle.connections.drain(..first).for_each(|idling| end(idling.conn));
        idle.connections.pop()
    }

    fn is_trusted(&self, idling: &Idling) -> bool {
        idling.used_at.elapsed() <= IDLE_TRUSTED
            && idling.checked_at.elapsed() <= CHECK_INTERVAL
            && self.idle().broken_at.is_none_or(|broken_at| broken_at < idling.used_at)
    }

    pub(super) fn put_back(&self, idling: Idling) {
        let mut idle = self.idle();
        if idle.is_closed || !self.is_current(&idling.birth) {
            end(idling.conn);
        } else {
            idle.connections.push(idling);
        }
    }

    /// Remembers that a connection broke: the others are asked before they are used again.
    pub(super) fn broke(&self) {
        self.idle().broken_at = Some(Instant::now());
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
