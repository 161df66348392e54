//! What a caller may see: the wallets of the account acted for, or all books.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use ledger::AccountId;
use service::{
    contract::{
        identity::{Asker, Caller, Identity, OnBehalf},
        scope::Scope,
    },
    http::problem::Problem,
};

/// The caller reads all books.
#[derive(Debug, Clone, Copy)]
pub(super) struct AllBooks;

/// Whose wallets and movements a caller reads. A caller that acts for an account reads that
/// account's, whatever else its scopes allow, so that an answer for one customer never holds
/// another's money. An API key with `books:read` that names no account reads those of all accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// One account's.
    Account(AccountId),
    /// Those of all accounts and the system's.
    Books,
}

impl View {
    /// Whether the wallets of this account are to be seen.
    pub(super) fn shows(self, owner: AccountId) -> bool {
        match self {
            Self::Account(account_id) => account_id == owner,
            Self::Books => true,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for AllBooks {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match View::from_request_parts(parts, state).await? {
            View::Books => Ok(Self),
            View::Account(_) => {
                let message = "must be left out: this call is about all accounts";
                Err(Problem::field("My-Pay-Account", "unexpected_account", message))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for View {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Identity { asker, account_id, scopes, .. } = Caller::identity(parts.extensions.get())?;
        match (account_id, asker) {
            (None, Asker::ApiKey { .. }) if scopes.contains(Scope::BooksRead) => Ok(Self::Books),
            _ => {
                let OnBehalf { account_id, .. } =
                    OnBehalf::from_request_parts(parts, state).await?;
                Ok(Self::Account(AccountId(account_id)))
            }
        }
    }
}
