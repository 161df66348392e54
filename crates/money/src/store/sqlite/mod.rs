//! Money on embedded SQLite: one lane writes, a few connections read.

mod audit;
mod lane;
mod operations;
mod reads;
mod rows;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use service::{
    fatal::Reporter,
    installation::Installation,
    store::{
        owner::Schema,
        sqlite::{self, Failure, Pool, Snapshot, failure},
    },
};

use self::reads::SqliteReads;
pub use self::{
    audit::audit,
    lane::{SqliteFlusher, SqliteLane},
    operations::{OpenExistingError, SqliteOperations},
};
use super::{COUNTERS, Operations, Reads, Reason, StoreError, schema};

const SCHEMA: &Schema = &schema(&[
    include_str!("migrations/0001_wallets_and_transfers.sql"),
    include_str!("migrations/0002_system_wallets_hold_more.sql"),
    include_str!("migrations/0003_installation.sql"),
    include_str!("migrations/0004_service_clock.sql"),
    include_str!("migrations/0005_askers.sql"),
    include_str!("migrations/0006_wallet_operations.sql"),
    include_str!("migrations/0007_refused_closings.sql"),
]);

/// Readers at once. Reads are short and SQLite's readers do not wait for its writer.
const READERS: usize = 2;

/// The database, open and migrated.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the file, creates it if it is not there, and migrates it. Refuses one whose counters
    /// contradict its rows.
    pub fn open(path: &Path) -> Result<Self, sqlite::Error> {
        let connection = sqlite::open(path, SCHEMA)?;
        sqlite::check_counters(&connection, COUNTERS)?;
        Ok(Self { path: path.to_owned() })
    }

    pub(super) async fn settle_installation(
        &self,
        account: Installation,
    ) -> Result<Installation, StoreError> {
        let writer = Pool::new(vec![sqlite::connect(&self.path)?], Reporter::default());
        Ok(writer.transact(move |tx| sqlite::settle_installation(tx, account)).await?)
    }

    /// The one writer. SQLite has one write lock, so a second lane would only wait for the first.
    /// What ends the process is reported to `fatal`.
    pub fn lane(&self, fatal: &Reporter) -> Result<SqliteLane, sqlite::Error> {
        SqliteLane::new(&self.path, fatal.clone())
    }

    /// What operators do. What ends the process is reported to `fatal`.
    pub fn operations(&self, fatal: &Reporter) -> Result<Arc<dyn Operations>, sqlite::Error> {
        Ok(Arc::new(SqliteOperations::with(sqlite::connect(&self.path)?, fatal)?))
    }

    /// The readers. What ends the process is reported to `fatal`.
    pub fn reads(&self, fatal: &Reporter) -> Result<Arc<dyn Reads>, sqlite::Error> {
        let connections: Result<Vec<_>, _> =
            (0..READERS).map(|_| sqlite::connect(&self.path)).collect();
        let whole = sqlite::connect(&self.path)?;
        let pool = |connections| Pool::new(connections, fatal.clone());
        Ok(Arc::new(SqliteReads::new(pool(connections?), pool(vec![whole]))))
    }
}

/// The database in this file, which must be there, at this moment.
pub fn snapshot(path: &Path) -> Result<Snapshot, sqlite::Error> {
    Snapshot::take(path, SCHEMA)
}

/// How far the account feed has been followed in a snapshot.
pub fn feed_sequence(snapshot: &Snapshot) -> Result<i64, sqlite::Error> {
    Ok(rows::feed_sequence(snapshot.connection())?)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match failure(&error) {
            Failure::Busy => Self::Again(Reason::Busy, error.into()),
            Failure::ConstraintViolated => Self::Refused(error.into()),
            Failure::Full
            | Failure::Unavailable
            | Failure::FlushRefused
            | Failure::Damaged
            | Failure::Other => Self::Failed(error.into()),
        }
    }
}

impl From<sqlite::Error> for StoreError {
    fn from(error: sqlite::Error) -> Self {
        match error {
            sqlite::Error::Sqlite(error) => error.into(),
            sqlite::Error::OutcomeUnknown(_) => Self::OutcomeUnknown(error.into()),
            error => Self::Failed(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
