//! A few connections that are used again. One goes back only when its user says that nothing is
//! begun on it; whatever else happens to it, it is ended, and the server rolls back.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mysql_async::{Conn, Opts, prelude::Queryable as _};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::{
    Error, Failure, failure,
    metrics::{PoolMetrics, Usage},
};

/// How long to wait for a connection that others use, and then for the server to take a new one.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The server ends a connection that says nothing for so long, and rolls back what was begun on it.
/// So a machine that stops in the middle of a transaction blocks others no longer than this.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(30);

/// A connection that was idle for longer is not used again, because the server may be ending it.
const IDLE_USABLE: Duration = Duration::from_secs(20);

/// A connection that was idle for longer is asked whether it is alive.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);

/// How long that answer may take. Another connection is tried then.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection is used at all, so that a server behind a balancer gets its share again.
const LIFE_MAX: Duration = Duration::from_mins(30);

/// How long saying goodbye may take. The socket is closed in any case.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(100);

/// At most so many connections at once. Clones share them.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    opts: Opts,
    connections_max: usize,
    permits: Arc<Semaphore>,
    metrics: PoolMetrics,
    idle: Mutex<Idle>,
}

struct Idle {
    /// The one used last is at the end, and is the next to be used.
    connections: Vec<Idling>,
    /// When a connection last broke. The others may have, too.
    broken_at: Option<Instant>,
    is_closed: bool,
}

struct Idling {
    conn: Conn,
    opened_at: Instant,
    used_at: Instant,
}

impl Pool {
    pub(super) fn new(opts: Opts, connections_max: usize) -> Self {
        let idle = Idle { connections: Vec::new(), broken_at: None, is_closed: false };
        let connections_max = connections_max.max(1);
        let permits = Arc::new(Semaphore::new(connections_max));
        let metrics = PoolMetrics::default();
        Self(Arc::new(Inner { opts, connections_max, permits, metrics, idle: Mutex::new(idle) }))
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
        let lend = |conn, opened_at| Connection {
            conn: Some(conn),
            opened_at,
            pool: self.clone(),
            _permit: permit,
        };
        while let Some(mut idling) = self.take_idle() {
            if self.is_trusted(idling.used_at) || is_alive(&mut idling.conn).await {
                return Ok(lend(idling.conn, idling.opened_at));
            }
            self.broke(idling.conn);
        }
        Ok(lend(self.connect(self.0.opts.clone()).await?, Instant::now()))
    }

    /// A new connection, which need not become one of the pool's. A failure is counted.
    pub(super) async fn connect(&self, opts: Opts) -> Result<Conn, Error> {
        let connected = timeout(CONNECT_TIMEOUT, Conn::new(opts)).await;
        let connected = connected.map_err(|_| Error::TimedOut).and_then(|conn| Ok(conn?));
        connected.inspect_err(|_| self.0.metrics.count_connect_failure())
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
            let _ended = timeout(GOODBYE_TIMEOUT, idling.conn.disconnect()).await;
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

    fn is_trusted(&self, used_at: Instant) -> bool {
        used_at.elapsed() <= IDLE_TRUSTED
            && self.idle().broken_at.is_none_or(|broken_at| broken_at < used_at)
    }

    fn put_back(&self, idling: Idling) {
        let mut idle = self.idle();
        if idle.is_closed || idling.opened_at.elapsed() > LIFE_MAX {
            end(idling.conn);
        } else {
            idle.connections.push(idling);
        }
    }

    fn broke(&self, conn: Conn) {
        self.idle().broken_at = Some(Instant::now());
        cut(conn);
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection from a pool. Dropping it ends it: what was begun on it is rolled back, and nobody
/// gets an answer that was meant for somebody else. Who has finished with it says so.
#[must_use]
pub struct Connection {
    /// There until the end.
    conn: Option<Conn>,
    opened_at: Instant,
    pool: Pool,
    /// Given back after the connection itself.
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Gives it back to be used again. Nothing may be begun on it, and every answer must have been
    /// waited for; an error of the server is an answer.
    pub fn release(mut self) {
        if let Some(conn) = self.conn.take() {
            let idling = Idling { conn, opened_at: self.opened_at, used_at: Instant::now() };
            self.pool.put_back(idling);
        }
    }

    /// Gives it back after `result`, unless that was an error that it does not survive.
    pub fn settle<T>(self, result: &mysql_async::Result<T>) {
        let is_over = |error: &mysql_async::Error| {
            error.is_fatal() || failure(error) == Failure::Disconnected
        };
        if !result.as_ref().is_err_and(is_over) {
            self.release();
        }
    }
}

impl Deref for Connection {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.conn.as_ref().expect("it is there until the end")
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn.as_mut().expect("it is there until the end")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.broke(conn);
        }
    }
}

/// A connection outside the pool. Dropping it cuts it off: what was begun on it is rolled back, and
/// what it had locked is free as soon as the server notices.
#[derive(Debug)]
pub struct Dedicated {
    /// There until the end.
    conn: Option<Conn>,
}

impl Dedicated {
    pub(super) fn new(conn: Conn) -> Self {
        Self { conn: Some(conn) }
    }

    /// Ends it, and returns when the server has freed what it had locked, or soon in any case.
    pub async fn end(mut self) {
        if let Some(conn) = self.conn.take() {
            let _ended = timeout(CONNECT_TIMEOUT, conn.disconnect()).await;
        }
    }
}

impl Deref for Dedicated {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.conn.as_ref().expect("it is there until the end")
    }
}

impl DerefMut for Dedicated {
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn.as_mut().expect("it is there until the end")
    }
}

impl Drop for Dedicated {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            cut(conn);
        }
    }
}

async fn is_alive(conn: &mut Conn) -> bool {
    matches!(timeout(PING_TIMEOUT, conn.ping()).await, Ok(Ok(())))
}

/// Ends a connection beside its former user. Without a runtime its socket is closed at once.
fn end(conn: Conn) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(timeout(GOODBYE_TIMEOUT, conn.disconnect()));
    }
}

/// Closes a connection's socket and says nothing, because a statement may be under way: a server
/// that finds the end of the stream gives up waiting for a lock, and one that finds a goodbye to be
/// read later goes on waiting. Inside a runtime the library would first wait for the statement's
/// end, so the connection is dropped where there is none.
fn cut(conn: Conn) {
    if tokio::runtime::Handle::try_current().is_ok() {
        let dropped = std::thread::Builder::new().spawn(move || drop(conn));
        if let Err(error) = dropped {
            // The library ends the connection when its statement has ended.
            tracing::warn!(%error, "a database connection could not be closed at once");
        }
    }
}
