//! What operators do with wallets, each time with a reason that is recorded. It happens in a
//! transaction of its own beside the lanes, so that a command of another process can do the same,
//! and lanes load it with their next batch. No HTTP and no SQL here.

use ledger::{FreezeAction, FreezeRejection, WalletId};
use service::{clock::Timestamp, operator::Operator};

use crate::store::{Operations, StoreError};

/// The name of an action in requests, answers and databases.
pub(crate) const fn name(action: FreezeAction) -> &'static str {
    match action {
        FreezeAction::Freeze => "freeze",
        FreezeAction::Unfreeze => "unfreeze",
    }
}

/// The action of this name.
pub(crate) fn from_name(text: &str) -> Option<FreezeAction> {
    [FreezeAction::Freeze, FreezeAction::Unfreeze].into_iter().find(|known| name(*known) == text)
}

/// An operation that is asked for.
#[derive(Debug, Clone)]
pub struct NewOperation {
    /// On which wallet.
    pub wallet_id: WalletId,
    /// What to do.
    pub action: FreezeAction,
    /// Why: text for people of 1 to 500 characters.
    pub reason: String,
    /// Who asks.
    pub operator: Operator,
}

/// An operation that was carried out, as it is kept for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// On which wallet.
    pub wallet_id: WalletId,
    /// Its place among the wallet's operations, from 1, without gaps.
    pub sequence: i64,
    /// What was done.
    pub action: FreezeAction,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub operator: Operator,
    /// When.
    pub created_at: Timestamp,
}

impl Operation {
    /// The operation that is recorded, in its place.
    pub(crate) fn new(new: NewOperation, sequence: i64, now: Timestamp) -> Self {
        let NewOperation { wallet_id, action, reason, operator } = new;
        Self { wallet_id, sequence, action, reason, operator, created_at: now }
    }

    /// The name of what was done.
    pub fn action_name(&self) -> &'static str {
        name(self.action)
    }
}

/// A part of a wallet's operations, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationPage {
    /// The operations.
    pub items: Vec<Operation>,
    /// The sequence that the next page starts after, if there is more.
    pub next: Option<i64>,
}

/// Why an operation was not carried out. Nothing was changed or recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OperationRefusal {
    /// There is no such wallet, or it is the system's.
    #[error("there is no such wallet")]
    Unknown,
    /// The wallet is closed, which is for good.
    #[error("the wallet is closed, which is for good")]
    Closed,
    /// An operator has frozen the wallet already.
    #[error("an operator has frozen the wallet already")]
    AlreadyFrozen,
    /// No operator has frozen the wallet.
    #[error("no operator has frozen the wallet")]
    NotFrozen,
}

impl From<FreezeRejection> for OperationRefusal {
    fn from(rejection: FreezeRejection) -> Self {
        match rejection {
            FreezeRejection::System => Self::Unknown,
            FreezeRejection::Closed => Self::Closed,
            FreezeRejection::AlreadyFrozen => Self::AlreadyFrozen,
            FreezeRejection::NotFrozen => Self::NotFrozen,
        }
    }
}

/// Carries out an operation.
pub async fn operate(
    store: &dyn Operations,
    new: NewOperation,
    now: Timestamp,
) -> Result<Result<Operation, OperationRefusal>, StoreError> {
    let operated = store.operate(new, now).await?;
    if let Ok(operation) = &operated {
        tracing::info!(
            wallet.id = operation.wallet_id.0,
            action = operation.action_name(),
            operator = %operation.operator,
            "an operator changed a wallet"
        );
    }
    Ok(operated)
}

/// A wallet's operations before the sequence `before`, newest first, at most `limit`. None if there
/// is no such wallet of a person.
pub async fn operations(
    store: &dyn Operations,
    wallet_id: WalletId,
    before: Option<i64>,
    limit: u32,
) -> Result<Option<OperationPage>, StoreError> {
    // One more than the page tells whether there is another page.
    let Some(mut items) = store.operations(wallet_id, before, limit + 1).await? else {
        return Ok(None);
    };
    let length_max = usize::try_from(limit).expect("a page is small");
    let has_more = items.len() > length_max;
    items.truncate(length_max);
    let next = items.last().filter(|_| has_more).map(|last| last.sequence);
    Ok(Some(OperationPage { items, next }))
}
