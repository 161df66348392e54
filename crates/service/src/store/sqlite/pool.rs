//! A few connections to an embedded database, lent to threads that may block.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Semaphore;

use super::{
    BUSY_TIMEOUT, Error,
    failure::{failure, report_if_fatal, report_if_in_doubt},
};
use crate::fatal::Reporter;

/// A few connections for async code. At most as many pieces of work run at once.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
    fatal: Reporter,
}

impl Pool {
    /// A pool of these connections. One connection makes a writer: its work is never concurrent.
    /// A failure after which the process must end is reported to `fatal`, and after a report,
    /// whoever made it, the pool does nothing more.
    pub fn new(connections: Vec<Connection>, fatal: Reporter) -> Self {
        let permits = Semaphore::new(connections.len());
        Self(Arc::new(Inner { free: Mutex::new(connections), permits, fatal }))
    }

    /// Runs `work` on a free connection, on a thread that may block. What it begins and does not
    /// commit is rolled back.
    pub async fn run<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.lend(|connection| Ok(work(connection)?)).await
    }

    /// Runs `work` in one write transaction. Commits if it is `Ok`, rolls back if it is not.
    pub async fn transact<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Transaction<'_>) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.lend(move |connection| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            match tx.commit() {
                Ok(()) => Ok(value),
                Err(error) if failure(&error).is_certain_in_commit() => Err(error.into()),
                Err(error) => Err(Error::OutcomeUnknown(error)),
            }
        })
        .await
    }

    async fn lend<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        let waiting = tokio::time::timeout(BUSY_TIMEOUT, self.0.permits.acquire()).await;
        let permit = waiting.map_err(|_| Error::Busy)?.expect("the semaphore is never closed");
        if self.0.fatal.is_reported() {
            return Err(Error::Abandoned);
        }
        // The thread owns the connection until the work ends, even if nobody waits for it any more;
        // the permit must not come back earlier than the connection.
        permit.forget();
        let result = tokio::task::spawn_blocking(move || {
            let mut lent = Lent::take(inner);
            let result = work(lent.connection());
            lent.judge(&result);
            result
        })
        .await;
        result.unwrap_or(Err(Error::Panicked))
    }
}

/// A connection that goes back to its pool when the work ends, also when it panics, with nothing
/// begun on it.
struct Lent {
    inner: Arc<Inner>,
    connection: Option<Connection>,
}

impl Lent {
    fn take(inner: Arc<Inner>) -> Self {
        let connection = inner.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { inner, connection }
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a permit stands for a free connection")
    }

    /// Reports a failure after which the process must end.
    fn judge<T>(&mut self, result: &Result<T, Error>) {
        let fatal = self.inner.fatal.clone();
        match result {
            Err(Error::Sqlite(error)) => report_if_fatal(&fatal, self.connection(), error),
            Err(Error::OutcomeUnknown(error)) => {
                report_if_in_doubt(&fatal, self.connection(), error);
            }
            _ => {}
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Nothing that was left open may hold the write lock, or meet the next one.
            if !connection.is_autocommit()
                && let Err(error) = connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "a transaction on an embedded database is not rolled back");
            }
            self.inner.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        self.inner.permits.add_permits(1);
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Error as Sqlite, ffi};

    use super::*;

    fn pool() -> Pool {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE a (x INTEGER NOT NULL)").unwrap();
        Pool::new(vec![db], Reporter::default())
    }

    async fn rows(pool: &Pool) -> i64 {
        pool.run(|db| db.query_row("SELECT COUNT(*) FROM a", [], |row| row.get(0))).await.unwrap()
    }

    #[tokio::test]
    async fn a_panic_costs_neither_the_connection_nor_the_permit() {
        let pool = pool();
        let panicked = pool.run(|_| -> Result<(), _> { panic!("on purpose") }).await;
        assert!(matches!(panicked, Err(Error::Panicked)));
        assert_eq!(rows(&pool).await, 0);
    }

    #[tokio::test]
    async fn what_is_left_open_is_rolled_back_before_the_connection_goes_back() {
        const LEFT_OPEN: &str = "BEGIN IMMEDIATE; INSERT INTO a VALUES (1)";
        let pool = pool();
        pool.run(|db| db.execute_batch(LEFT_OPEN)).await.unwrap();
        assert_eq!(rows(&pool).await, 0);
        let refused = pool.run(|db| {
            db.execute_batch(LEFT_OPEN)?;
            db.execute_batch("INSERT INTO a VALUES (NULL)")
        });
        assert!(matches!(refused.await, Err(Error::Sqlite(_))));
        assert_eq!(rows(&pool).await, 0);
        let panicked = pool.run(|db| -> rusqlite::Result<()> {
            db.execute_batch(LEFT_OPEN)?;
            panic!("on purpose")
        });
        assert!(matches!(panicked.await, Err(Error::Panicked)));
        let panicked = pool.transact(|tx| -> rusqlite::Result<()> {
            tx.execute("INSERT INTO a VALUES (1)", [])?;
            panic!("on purpose")
        });
        assert!(matches!(panicked.await, Err(Error::Panicked)));
        let refused = pool.transact(|tx| tx.execute_batch("INSERT INTO a VALUES (1), (NULL)"));
        assert!(matches!(refused.await, Err(Error::Sqlite(_))));
        pool.transact(|tx| tx.execute("INSERT INTO a VALUES (1)", [])).await.unwrap();
        assert_eq!(rows(&pool).await, 1);
    }

    #[tokio::test]
    async fn only_what_puts_the_files_in_doubt_is_reported_and_ends_the_work() {
        for (code, is_fatal) in [
            (ffi::SQLITE_FULL, false),
            (ffi::SQLITE_IOERR_WRITE, false),
            (ffi::SQLITE_IOERR_FSYNC, true),
            (ffi::SQLITE_CORRUPT, true),
        ] {
            let (fatal, _failure) = crate::fatal::channel();
            let pool = Pool::new(vec![Connection::open_in_memory().unwrap()], fatal.clone());
            let failed = pool
                .run(move |_| -> rusqlite::Result<()> {
                    Err(Sqlite::SqliteFailure(ffi::Error::new(code), None))
                })
                .await;
            assert!(matches!(failed, Err(Error::Sqlite(_))), "{failed:?}");
            assert_eq!(fatal.is_reported(), is_fatal, "{code}");
            let next = pool.run(|_| Ok(())).await;
            assert_eq!(matches!(next, Err(Error::Abandoned)), is_fatal, "{next:?}");
        }
    }
}
