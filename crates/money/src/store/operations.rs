//! Where operators write. No SQL here: each database has its own.

use ledger::WalletId;
use service::{BoxFuture, clock::Timestamp};

use super::StoreError;
use crate::operations::{NewOperation, Operation, OperationRefusal};

/// What operators do, in transactions of their own beside the lanes, and what they did.
pub trait Operations: Send + Sync {
    /// Carries out an operation and records it. `Ok` means that both are on disk. A lane loads the
    /// wallet's new status with its next batch: batches and operations lock what they change, and
    /// are one after the other.
    fn operate(
        &self,
        new: NewOperation,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Result<Operation, OperationRefusal>, StoreError>>;

    /// A wallet's operations before the sequence `before`, newest first, at most `limit`. `None` if
    /// there is no such wallet of a person.
    fn operations(
        &self,
        wallet_id: WalletId,
        before: Option<i64>,
        limit: u32,
    ) -> BoxFuture<'_, Result<Option<Vec<Operation>>, StoreError>>;
}
