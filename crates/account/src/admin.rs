//! What an operator does, from a process of its own, also while the service runs.

use service::clock::Clock;

use crate::store::{self, Account, EnableRefusal, Store};

/// Why an account was not enabled.
#[derive(Debug, thiserror::Error)]
pub enum EnableError {
    /// There is no such account.
    #[error("there is no account {0}")]
    Unknown(i64),
    /// It is closed.
    #[error("account {0} was closed by its owner, which is for good")]
    Closed(i64),
    /// It is not suspended.
    #[error("account {0} is active already")]
    AlreadyActive(i64),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Lifts the suspension of an account. A running service notices by itself. The account's tokens
/// stay revoked: its owner logs in again.
pub async fn enable_account(
    store: &dyn Store,
    id: i64,
    clock: &Clock,
) -> Result<Account, EnableError> {
    match store.enable_account(id, clock.now()).await? {
        Ok(account) => Ok(account),
        Err(EnableRefusal::Unknown) => Err(EnableError::Unknown(id)),
        Err(EnableRefusal::Closed) => Err(EnableError::Closed(id)),
        Err(EnableRefusal::AlreadyActive) => Err(EnableError::AlreadyActive(id)),
    }
}
