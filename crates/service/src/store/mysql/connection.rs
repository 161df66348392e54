//! Connections as their users have them: from the pool, or of their own. One goes back only when
//! its user says that nothing is begun on it; whatever else happens to it, it is ended, and the
//! server rolls back.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use mysql_async::Conn;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use super::{
    failure::ends_connection,
    pool::{CONNECT_TIMEOUT, Idling, Pool},
};

/// How long saying goodbye may take. The socket is closed in any case.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(100);

/// What is remembered of a connection as long as it lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Birth {
    pub(super) opened_at: Instant,
    /// Of the pool, when the connection began to be made.
    pub(super) generation: u64,
    /// The longest packet that the server takes on it.
    pub(super) packet_bytes_max: usize,
}

/// A new connection.
pub(super) struct Opened {
    pub(super) conn: Conn,
    pub(super) birth: Birth,
}

/// A connection from a pool. Dropping it ends it: what was begun on it is rolled back, and no later
/// user reads an answer that belongs to an earlier one. A user that has finished releases it.
#[must_use]
pub struct Connection {
    /// There until the end.
    conn: Option<Conn>,
    birth: Birth,
    checked_at: Instant,
    pool: Pool,
    /// Given back after the connection itself.
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    pub(super) fn new(idling: Idling, pool: Pool, permit: OwnedSemaphorePermit) -> Self {
        let Idling { conn, birth, checked_at, .. } = idling;
        Self { conn: Some(conn), birth, checked_at, pool, _permit: permit }
    }

    /// Gives it back to be used again. Nothing may be begun on it, and every answer must have been
    /// waited for; an error of the server is an answer.
    pub fn release(mut self) {
        if let Some(conn) = self.conn.take() {
            let Self { birth, checked_at, .. } = self;
            self.pool.put_back(Idling { conn, birth, checked_at, used_at: Instant::now() });
        }
    }

    /// Gives it back after `result`, unless that was an error that it does not survive.
    pub fn settle<T>(self, result: &mysql_async::Result<T>) {
        if let Err(error) = result {
            self.note(error);
        }
        if !result.as_ref().is_err_and(ends_connection) {
            self.release();
        }
    }

    /// Lets the pool know of an error: if the server refuses writes or is going, all connections
    /// that were made before are replaced.
    pub fn note(&self, error: &mysql_async::Error) {
        self.pool.note(self.birth.generation, error);
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
            self.pool.broke();
            cut(conn);
        }
    }
}

/// A connection outside the pool. Dropping it cuts it off: what was begun on it is rolled back, and
/// what it had locked is free as soon as the server notices.
#[derive(Debug)]
#[must_use]
pub struct Dedicated {
    /// There until the end.
    conn: Option<Conn>,
    birth: Birth,
    pool: Pool,
}

impl Dedicated {
    pub(super) fn new(Opened { conn, birth }: Opened, pool: Pool) -> Self {
        Self { conn: Some(conn), birth, pool }
    }

    /// Whether it may go on being used: it is not too old, and no write has been refused since it
    /// was made.
    pub fn is_current(&self) -> bool {
        self.pool.is_current(&self.birth)
    }

    /// The longest packet that the server takes on it, in bytes: `max_allowed_packet`.
    pub fn packet_bytes_max(&self) -> usize {
        self.birth.packet_bytes_max
    }

    /// Whether it survives an error. Lets the pool know of it, as [`Connection::note`] does.
    pub fn survives(&self, error: &mysql_async::Error) -> bool {
        self.pool.note(self.birth.generation, error);
        !ends_connection(error)
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

/// Ends an idle connection, in the background. Without a runtime its socket is closed at once.
pub(super) fn end(conn: Conn) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(farewell(conn));
    }
}

/// Ends an idle connection, in bounded time.
pub(super) async fn farewell(conn: Conn) {
    let _ended = timeout(GOODBYE_TIMEOUT, conn.disconnect()).await;
}

/// Closes a connection's socket and says nothing, because a statement may be under way: a server
/// that finds the end of the stream gives up waiting for a lock, and one that finds a goodbye to be
/// read later goes on waiting. Inside a runtime the library would first wait for the statement's
/// end, so the connection is dropped where there is none.
pub(super) fn cut(conn: Conn) {
    if tokio::runtime::Handle::try_current().is_ok() {
        let dropped = std::thread::Builder::new().spawn(move || drop(conn));
        if let Err(error) = dropped {
            // The library ends the connection when its statement has ended.
            tracing::warn!(%error, "a database connection could not be closed at once");
        }
    }
}
