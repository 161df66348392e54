//! Money on embedded SQLite: one lane writes, a few connections read.

mod audit;
mod lane;
mod reads;
mod rows;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use service::store::sqlite::{self, Migrations, Pool, Snapshot};

use self::reads::SqliteReads;
pub use self::{
    audit::audit,
    lane::{SqliteFlusher, SqliteLane},
};
use super::{Reads, Reason, StoreError};

const MIGRATIONS: Migrations = &[
    include_str!("migrations/0001_wallets_and_transfers.sql"),
    include_str!("migrations/0002_system_wallets_hold_more.sql"),
];

/// Readers at once. Reads are short and SQLite's readers do not wait for its writer.
const READERS: usize = 2;

/// The database, open and migrated.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the file, creates it if it is not there, and migrates it.
    pub fn open(path: &Path) -> Result<Self, sqlite::Error> {
        sqlite::open(path, MIGRATIONS)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The one writer. SQLite has one write lock, so a second lane would only wait for the first.
    pub fn lane(&self) -> Result<SqliteLane, sqlite::Error> {
        SqliteLane::new(&self.path)
    }

    /// The readers.
    pub fn reads(&self) -> Result<Arc<dyn Reads>, sqlite::Error> {
        let connections: Result<Vec<_>, _> =
            (0..READERS).map(|_| sqlite::connect(&self.path)).collect();
        let whole = sqlite::connect(&self.path)?;
        Ok(Arc::new(SqliteReads::new(Pool::new(connections?), Pool::new(vec![whole]))))
    }
}

/// The database in this file, which must be there, at this moment.
pub fn snapshot(path: &Path) -> Result<Snapshot, sqlite::Error> {
    Snapshot::take(path, MIGRATIONS)
}

/// How far the account feed has been followed in a snapshot.
pub fn feed_sequence(snapshot: &Snapshot) -> Result<i64, sqlite::Error> {
    Ok(rows::feed_sequence(snapshot.connection())?)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Again(Reason::Busy, error.into())
            }
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Refused(error.into()),
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<sqlite::Error> for StoreError {
    fn from(error: sqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests;
