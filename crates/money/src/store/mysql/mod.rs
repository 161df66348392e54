//! Money on MySQL, MariaDB or TiDB: several lanes write, in any number of processes, and a pool of
//! connections reads. What is written here is what all three databases have in common.

mod audit;
mod connection;
mod effects;
mod lane;
mod operations;
mod reads;
mod rows;
mod statement;

use std::sync::Arc;

use prometheus_client::registry::Registry;
use service::{
    installation::Installation,
    store::{
        mysql::{Database, Error},
        owner::Schema,
    },
};

pub use self::{
    audit::audit,
    lane::{AlreadyDurable, MySqlLane},
};
use self::{operations::MySqlOperations, reads::MySqlReads};
use super::{COUNTERS, Operations, Reads, StoreError, schema};

const SCHEMA: &Schema = &schema(&[
    include_str!("migrations/0001_wallets_and_transfers.sql"),
    include_str!("migrations/0002_system_wallets_hold_more.sql"),
    include_str!("migrations/0003_installation.sql"),
    include_str!("migrations/0004_service_clock.sql"),
    include_str!("migrations/0005_askers.sql"),
    include_str!("migrations/0006_wallet_operations.sql"),
    include_str!("migrations/0007_refused_closings.sql"),
]);

/// The database, and how many lanes write to it.
#[derive(Debug, Clone)]
pub struct MySqlStore {
    database: Database,
    lanes: usize,
}

impl MySqlStore {
    /// A database that [`migrate`] has migrated. Each lane has a connection of its own, besides the
    /// pool that reads.
    pub fn new(database: Database, lanes: usize) -> Self {
        Self { database, lanes: lanes.max(1) }
    }

    /// Makes the metrics of the readers' connections readable. Each lane has its own connection.
    pub(super) fn register_metrics(&self, registry: &mut Registry) {
        self.database.register_metrics("money", registry);
    }

    pub(super) async fn settle_installation(
        &self,
        account: Installation,
    ) -> Result<Installation, StoreError> {
        Ok(self.database.settle_installation(account).await?)
    }

    /// The writers.
    pub fn lanes(&self) -> Vec<MySqlLane> {
        (0..self.lanes).map(|_| self.lane()).collect()
    }

    /// One writer.
    pub fn lane(&self) -> MySqlLane {
        MySqlLane::new(self.database.clone())
    }

    /// What operators do.
    pub fn operations(&self) -> Arc<dyn Operations> {
        Arc::new(MySqlOperations::new(self.database.clone()))
    }

    /// The readers.
    pub fn reads(&self) -> Arc<dyn Reads> {
        Arc::new(MySqlReads::new(self.database.clone()))
    }
}

/// Brings the schema up to date. Several instances may do this at once.
pub async fn migrate(database: &Database) -> Result<(), Error> {
    database.migrate(SCHEMA).await
}

/// Shows that the schema is up to date and that its counters fit its rows, without changing
/// anything.
pub async fn check_schema(database: &Database) -> Result<(), Error> {
    database.check_schema(SCHEMA).await?;
    database.check_counters(COUNTERS).await
}

/// Shows that the schema is the money service's, whatever its version.
pub async fn check_owner(database: &Database) -> Result<(), Error> {
    database.check_owner(SCHEMA).await
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests;
