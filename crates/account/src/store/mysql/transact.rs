//! One transaction: named, bounded in time, and run again if the database asks for it.

use std::time::Duration;

use mysql_async::{Conn, prelude::Queryable};
use service::store::mysql::{self, Connection, Failure, failure};
use tokio::time::Instant;

use super::{Error, MySqlStore};

/// How often a transaction is run.
const ATTEMPTS_MAX: u32 = 5;
/// How long one run may take, waiting for locks included. No other starts later than that.
const TIMEOUT: Duration = Duration::from_secs(8);
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// Why a run has no result.
enum Broken {
    /// Nothing was done, and another run may succeed.
    Again(Failure, mysql_async::Error),
    /// It is over.
    For(Error),
}

impl MySqlStore {
    /// Runs `work` in a transaction. Commits if it is `Ok`, rolls back if it is not.
    pub(super) async fn transact<T>(
        &self,
        name: &'static str,
        work: impl AsyncFn(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, Error> {
        let give_up_at = Instant::now() + TIMEOUT;
        let mut attempt = 1;
        loop {
            match self.attempt(&work).await {
                Ok(value) => return Ok(value),
                Err(Broken::Again(reason, _))
                    if attempt < ATTEMPTS_MAX && Instant::now() < give_up_at =>
                {
                    self.metrics.count_retry(name, reason);
                    tokio::time::sleep(pause(attempt)).await;
                    attempt += 1;
                }
                Err(Broken::Again(_, error)) => return Err(Error::Busy(error.into())),
                Err(Broken::For(error)) => return Err(error),
            }
        }
    }

    /// Runs `work`, which only reads, each statement by itself.
    pub(super) async fn read<T>(
        &self,
        work: impl AsyncFn(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, Error> {
        let mut attempt = 1;
        loop {
            let mut connection = self.connect().await?;
            let result = tokio::time::timeout(TIMEOUT, work(&mut connection)).await;
            let result = result.map_err(|late| Error::Busy(late.into()))?;
            connection.settle(&result);
            match result {
                Ok(value) => return Ok(value),
                // The first use of a connection may find that the server has been restarted.
                Err(error) if attempt < ATTEMPTS_MAX && failure(&error).is_transient() => {
                    tokio::time::sleep(pause(attempt)).await;
                    attempt += 1;
                }
                Err(error) => return Err(mysql::Error::from(error).into()),
            }
        }
    }

    /// A connection. Without one nothing was done, whatever the server says: it may be full, going,
    /// or one that has just taken over and does not know the user yet.
    async fn connect(&self) -> Result<Connection, Error> {
        self.database.connection().await.map_err(|error| Error::Busy(error.into()))
    }

    async fn attempt<T>(
        &self,
        work: &impl AsyncFn(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, Broken> {
        let mut connection = self.connect().await.map_err(Broken::For)?;
        let run = async {
            connection.query_drop("START TRANSACTION").await?;
            work(&mut connection).await
        };
        let value = match tokio::time::timeout(TIMEOUT, run).await {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => {
                roll_back(connection, &error).await;
                let reason = failure(&error);
                return Err(if reason.is_transient() {
                    Broken::Again(reason, error)
                } else {
                    Broken::For(mysql::Error::from(error).into())
                });
            }
            Err(late) => return Err(Broken::For(Error::Busy(late.into()))),
        };
        let unknown = match tokio::time::timeout(TIMEOUT, connection.query_drop("COMMIT")).await {
            Ok(Ok(())) => {
                connection.release();
                return Ok(value);
            }
            // The server says that it has not committed.
            Ok(Err(error)) if failure(&error).is_rollback() => {
                connection.note(&error);
                return Err(Broken::Again(failure(&error), error));
            }
            Ok(Err(error)) => {
                connection.note(&error);
                error.into()
            }
            Err(late) => late.into(),
        };
        Err(Broken::For(Error::OutcomeUnknown(unknown)))
    }
}

/// Ends the transaction in which `error` happened. If that fails, the connection ends, and the
/// transaction with it.
async fn roll_back(mut connection: Connection, error: &mysql_async::Error) {
    connection.note(error);
    if error.is_fatal() {
        return;
    }
    let rolled_back = tokio::time::timeout(TIMEOUT, connection.query_drop("ROLLBACK")).await;
    if let Ok(Ok(())) = rolled_back {
        connection.release();
    }
}

/// A pause that doubles with each attempt, of which a random half is left out.
fn pause(attempt: u32) -> Duration {
    let longest = PAUSE_MIN * 2_u32.pow(attempt.min(6));
    // Without randomness transactions may meet again, which costs time and nothing else.
    let random = getrandom::u32().unwrap_or(0);
    longest / 2 + (longest / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

impl From<mysql::Error> for Error {
    fn from(error: mysql::Error) -> Self {
        let is_busy = match &error {
            mysql::Error::Busy | mysql::Error::TimedOut => true,
            mysql::Error::Database(cause) => {
                failure(cause).is_transient() || failure(cause) == Failure::TooManyConnections
            }
            _ => false,
        };
        if is_busy { Self::Busy(error.into()) } else { Self::Failed(error.into()) }
    }
}
