//! A lane's own connection: made when it is needed, bounded in time, and given up after an error
//! that leaves it in doubt.

use std::time::Duration;

use mysql_async::{Conn, Row, prelude::Queryable};
use service::store::mysql::{Database, Dedicated, Failure, PACKET_BYTES_LEAST, failure};
use tokio::time::Instant;

use crate::store::{Reason, StoreError};

/// The server ends a connection that says nothing for so long, and rolls back what it had begun. So
/// a machine that stops in the middle of a batch blocks its wallets no longer than this.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// A connection that has said nothing for so long is not used again: the server may be ending it.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);

/// How long one statement may take; longer than the server lets it wait for a lock.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the longest packet that are not the statement's own.
const PACKET_BYTES_RESERVED: usize = 1024;

/// A connection that may not be there yet, or not any more. Autocommit is off.
#[derive(Debug)]
pub(super) struct Connection {
    database: Database,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    conn: Dedicated,
    used_at: Instant,
    /// Whether something may have been done since the last commit.
    is_dirty: bool,
}

impl Connection {
    pub(super) fn new(database: Database) -> Self {
        Self { database, open: None }
    }

    /// Makes sure that there is a connection, and that nothing is begun on it.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        self.open.take_if(|open| open.used_at.elapsed() > IDLE_TRUSTED || !open.conn.is_current());
        self.rollback().await
    }

    /// Ends what is begun without effect. A connection on which that fails is given up, and then
    /// the server does it.
    pub(super) async fn rollback(&mut self) -> Result<(), StoreError> {
        if self.open.as_ref().is_some_and(|open| open.is_dirty) {
            let rolled_back = self.execute("ROLLBACK").await;
            if rolled_back.is_err() {
                self.open = None;
            }
            rolled_back?;
            self.settled();
        }
        Ok(())
    }

    /// Runs a statement.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<(), StoreError> {
        self.run(async |conn| conn.query_drop(sql).await).await
    }

    /// Runs a query and returns its rows.
    pub(super) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, StoreError> {
        self.run(async |conn| conn.query(sql).await).await
    }

    /// Commits.
    pub(super) async fn commit(&mut self) -> Result<(), StoreError> {
        if self.open.is_none() {
            return Err(StoreError::Failed("there is no transaction to commit".into()));
        }
        let committed = self.attempt(async |conn| conn.query_drop("COMMIT").await).await;
        match committed {
            Ok(()) => {
                self.settled();
                Ok(())
            }
            // The server says that it has not committed, so nothing was written.
            Err(Ended { error, is_rolled_back: true }) => Err(error),
            Err(Ended { error, is_rolled_back: false }) => {
                self.open = None;
                Err(StoreError::OutcomeUnknown(error.into_cause()))
            }
        }
    }

    /// The longest statement that the server takes, in bytes. Before there is a connection, the
    /// least is assumed.
    pub(super) fn statement_bytes_max(&self) -> usize {
        let packet = self.open.as_ref().map_or(PACKET_BYTES_LEAST, |o| o.conn.packet_bytes_max());
        packet - PACKET_BYTES_RESERVED
    }

    fn settled(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_dirty = false;
        }
    }

    async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, StoreError> {
        self.attempt(work).await.map_err(|ended| ended.error)
    }

    /// Runs `work`, and keeps the connection only if its state is known afterwards.
    async fn attempt<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, Ended> {
        let mut conn = match self.open.take() {
            Some(open) => open.conn,
            None => self.connect().await?,
        };
        let result = match tokio::time::timeout(STATEMENT_TIMEOUT, work(&mut conn)).await {
            Ok(result) => result,
            Err(late) => return Err(StoreError::Again(Reason::Disconnected, late.into()).into()),
        };
        if result.as_ref().err().is_none_or(|error| conn.survives(error)) {
            self.open = Some(Open { conn, used_at: Instant::now(), is_dirty: true });
        }
        result.map_err(|error| {
            let is_rolled_back = failure(&error).is_rollback();
            Ended { error: store_error(error), is_rolled_back }
        })
    }

    async fn connect(&self) -> Result<Dedicated, StoreError> {
        let connected = async {
            let mut conn = self.database.dedicated(IDLE_MAX).await?;
            conn.query_drop("SET autocommit = 0").await?;
            Ok::<_, service::store::mysql::Error>(conn)
        };
        match tokio::time::timeout(STATEMENT_TIMEOUT, connected).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(error)) => Err(StoreError::Again(Reason::Disconnected, error.into())),
            Err(late) => Err(StoreError::Again(Reason::Disconnected, late.into())),
        }
    }
}

/// Why a statement has no result.
struct Ended {
    error: StoreError,
    /// Whether the server says that nothing was written, had the statement been a COMMIT.
    is_rolled_back: bool,
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self { error, is_rolled_back: false }
    }
}

/// What an error means for a batch that has not been committed.
pub(super) fn store_error(error: mysql_async::Error) -> StoreError {
    match failure(&error) {
        Failure::Deadlock => StoreError::Again(Reason::Deadlock, error.into()),
        Failure::LockTimeout => StoreError::Again(Reason::LockTimeout, error.into()),
        Failure::DuplicateKey => StoreError::Again(Reason::DuplicateKey, error.into()),
        Failure::ReadOnly => StoreError::Again(Reason::ReadOnly, error.into()),
        Failure::ConstraintViolated | Failure::TooLarge => StoreError::Refused(error.into()),
        Failure::Disconnected | Failure::TooManyConnections => {
            StoreError::Again(Reason::Disconnected, error.into())
        }
        Failure::Interrupted | Failure::Unavailable => {
            StoreError::Again(Reason::Unavailable, error.into())
        }
        Failure::Other => StoreError::Failed(error.into()),
    }
}
