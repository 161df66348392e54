//! MySQL, MariaDB or TiDB as the services use it: one form of URL, the same session settings on
//! every connection, a bounded pool, and migrations that several instances may run at once.

mod check;
mod connection;
mod failure;
mod installation;
mod metrics;
mod migrate;
mod pool;
mod url;
mod wait;

use std::{fmt, sync::Arc, time::Duration};

use mysql_async::{Opts, OptsBuilder, prelude::Queryable as _};
use prometheus_client::registry::Registry;
use tokio::time::timeout;

pub use self::{
    check::PACKET_BYTES_LEAST,
    connection::{Connection, Dedicated},
    failure::{Failure, failure},
    url::UrlError,
    wait::{Report, Waiting},
};
use self::{
    pool::{CONNECT_TIMEOUT, Pool},
    wait::reported,
};
use super::{
    counter::{Counter, CounterError},
    owner::{Schema, WrongOwner},
};
use crate::installation::{Installation, InvalidInstallation};

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The schema was migrated by a newer version of the program.
    #[error(
        "the schema has version {found}, but this program knows only up to {known}: \
         use the newer program"
    )]
    TooNew {
        /// The schema's version.
        found: usize,
        /// The newest version known here.
        known: usize,
    },
    /// The schema has not been migrated yet.
    #[error("the schema has version {found}, but {known} is needed: run `my-pay migrate`")]
    TooOld {
        /// The schema's version.
        found: usize,
        /// The version needed here.
        known: usize,
    },
    /// A table is not where a commit is all or nothing.
    #[error("the table {table} is kept by {engine}, which has no transactions: InnoDB is needed")]
    WrongEngine {
        /// The table.
        table: String,
        /// Its storage engine.
        engine: String,
    },
    /// It is the database of another service or program. Nothing in it was changed.
    #[error("{place} {owner}")]
    WrongOwner {
        /// The schema and its server.
        place: String,
        /// Whose it is.
        owner: WrongOwner,
    },
    /// The record of the installation is damaged.
    #[error("the table `installation` does not hold the id of an installation")]
    Installation(#[from] InvalidInstallation),
    /// A counter of ids contradicts the rows.
    #[error(transparent)]
    Counter(#[from] CounterError),
    /// Another instance is migrating, and did not end in time.
    #[error("another instance is migrating the schema and does not end")]
    MigrationLocked,
    /// The server takes no statement as long as one that is needed.
    #[error(
        "the database takes packets of at most {found} bytes, and {least} are needed: \
         raise the server's variable max_allowed_packet"
    )]
    PacketTooSmall {
        /// The variable's value.
        found: usize,
        /// The least that is needed.
        least: usize,
    },
    /// Every connection was busy for too long; nothing was done.
    #[error("every connection to the database is busy")]
    Busy,
    /// It did not answer in time.
    #[error("the database did not answer in time")]
    TimedOut,
    /// It said no.
    #[error("the database failed")]
    Database(#[from] mysql_async::Error),
}

/// How long a statement waits for a lock before the server gives up.
const LOCK_WAIT_SECONDS: u64 = 5;

/// What the library takes and sends. The server's own limit is lower, and is asked for.
const PACKET_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Statements that a connection keeps prepared, more than any service has.
const STATEMENTS_PREPARED_MAX: usize = 64;

/// A database and a pool of connections to it. Clones share the pool.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    opts: Opts,
    pool: Pool,
    report: Report,
}

impl Database {
    /// Reads the URL; connects when it is needed. At most `connections_max` connections at once.
    pub fn new(url: &str, connections_max: usize) -> Result<Self, UrlError> {
        Self::reporting(url, connections_max, |_| ())
    }

    /// The same, with a further place than [`crate::waiting`] for what [`Database::migrate`] and
    /// [`Database::check_schema`] wait for.
    pub fn reporting(url: &str, connections_max: usize, report: Report) -> Result<Self, UrlError> {
        let opts = session(url::read(url)?, pool::IDLE_MAX);
        let pool = Pool::new(opts.clone(), connections_max);
        Ok(Self(Arc::new(Inner { opts, pool, report })))
    }

    /// Makes the pool's metrics readable, as those of this service.
    pub fn register_metrics(&self, service: &'static str, registry: &mut Registry) {
        metrics::register(&self.0.pool, service, registry);
    }

    /// A connection from the pool, on which nothing is begun. It goes back when it is released.
    pub async fn connection(&self) -> Result<Connection, Error> {
        self.0.pool.connection().await
    }

    /// A connection outside the pool, for an owner that lives on a runtime of its own. The server
    /// ends it after `idle_timeout` without a word, and rolls back what was begun on it.
    pub async fn dedicated(&self, idle_timeout: Duration) -> Result<Dedicated, Error> {
        let opts = session(OptsBuilder::from_opts(self.0.opts.clone()), idle_timeout);
        Ok(Dedicated::new(self.0.pool.connect(opts).await?, self.0.pool.clone()))
    }

    /// Brings the schema up to date. Several instances may do this at once: one does the work, and
    /// the others wait for it. What it waits for is reported after a second. Dropping the future
    /// closes the connection, and the server frees what it had locked. Each migration is a file of
    /// statements, each of which ends with a semicolon at the end of a line.
    pub async fn migrate(&self, schema: &Schema) -> Result<(), Error> {
        let (report, place) = (self.0.report, self.place());
        let connect = self.dedicated(migrate::TIMEOUT);
        let mut conn = reported(report, &pool::connecting(&self.0.opts), connect).await?;
        let migrating = migrate::migrate(&mut conn, &place, schema, report);
        let migrated = timeout(migrate::TIMEOUT, migrating).await;
        // Whatever was begun ends with the connection, and what was locked is free after this.
        conn.end().await;
        migrated.map_err(|_| Error::TimedOut)?
    }

    /// Shows that the schema has the version that this program needs, without changing anything.
    pub async fn check_schema(&self, schema: &Schema) -> Result<(), Error> {
        let (report, place) = (self.0.report, self.place());
        let mut connection =
            reported(report, &pool::connecting(&self.0.opts), self.connection()).await?;
        let checking = migrate::check(&mut connection, &place, schema, report);
        let checked = timeout(CONNECT_TIMEOUT, checking).await;
        let checked = checked.map_err(|_| Error::TimedOut)?;
        connection.release();
        checked
    }

    /// Shows that the database is this service's, whatever its version, without changing anything.
    pub async fn check_owner(&self, schema: &Schema) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        let place = self.place();
        let checking = installation::check_owner(&mut connection, &place, schema);
        let checked = timeout(CONNECT_TIMEOUT, checking).await;
        let checked = checked.map_err(|_| Error::TimedOut)?;
        connection.release();
        checked
    }

    /// The installation that this database belongs to: the recorded one, or else `new`, which is
    /// recorded.
    pub async fn settle_installation(&self, new: Installation) -> Result<Installation, Error> {
        let mut connection = self.connection().await?;
        let settling = installation::settle(&mut connection, new);
        let settled = timeout(CONNECT_TIMEOUT, settling).await.map_err(|_| Error::TimedOut)?;
        connection.release();
        settled
    }

    /// The schema and its server, for people.
    fn place(&self) -> String {
        let opts = &self.0.opts;
        let schema = opts.db_name().unwrap_or_default();
        format!("the schema {schema} on {}:{}", opts.ip_or_hostname(), opts.tcp_port())
    }

    /// Refuses a schema whose counters contradict its rows.
    pub async fn check_counters(&self, counters: &[Counter]) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        for counter in counters {
            let checking = async {
                let newest: Option<Option<i64>> =
                    connection.query_first(counter.newest_sql()).await?;
                let next: Option<i64> = connection.query_first(counter.next_sql()).await?;
                Ok::<_, mysql_async::Error>((newest.flatten(), next))
            };
            let read = timeout(CONNECT_TIMEOUT, checking).await.map_err(|_| Error::TimedOut)?;
            let (newest, next) = read?;
            counter.check(newest, next)?;
        }
        connection.release();
        Ok(())
    }

    /// Shows that the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        let mut connection = self.connection().await?;
        let answered = timeout(CONNECT_TIMEOUT, connection.query_drop("SELECT 1")).await;
        let answered = answered.map_err(|_| Error::TimedOut)?;
        connection.settle(&answered);
        Ok(answered?)
    }

    /// Ends the connections that are not in use at once, and those in use when they come back.
    pub async fn close(self) {
        self.0.pool.close().await;
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { opts, .. } = &*self.0;
        f.debug_struct("Database")
            .field("host", &opts.ip_or_hostname())
            .field("port", &opts.tcp_port())
            .field("schema", &opts.db_name())
            .finish_non_exhaustive()
    }
}

/// The settings of every session. READ COMMITTED: each statement sees what was committed before it,
/// and locks the rows that it names and no gaps between them.
fn session(opts: OptsBuilder, idle_timeout: Duration) -> Opts {
    let settings = [
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".to_owned(),
        format!(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES', collation_connection = utf8mb4_bin, \
             innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, wait_timeout = {}",
            idle_timeout.as_secs().max(1)
        ),
    ];
    opts.init(settings.to_vec())
        // A URL names an address; a socket on the same machine may be another server's.
        .prefer_socket(false)
        .stmt_cache_size(STATEMENTS_PREPARED_MAX)
        // With both of these the library does not ask the server for them.
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .wait_timeout(Some(usize::try_from(idle_timeout.as_secs()).unwrap_or(usize::MAX)))
        .tcp_keepalive(Some(Duration::from_secs(10)))
        .into()
}

#[cfg(test)]
mod tests;
