//! Closing an account begins with its wallets: the account service asks the money service to close
//! them, which it does only if all of them are empty. Once they are closed, nothing reaches them,
//! and the account service closes the account itself.

use crate::{BoxFuture, installation::Installation};

/// One attempt to close the wallets of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Whose wallets.
    pub account_id: i64,
    /// Which attempt: positive, and greater than that of every attempt that began before it. Asking
    /// again with the same attempt changes nothing, and once an attempt is refused, it and all
    /// before it stay refused, however late their messages arrive.
    pub attempt: i64,
    /// Whose accounts these are. A money service with the wallets of another installation does
    /// nothing.
    pub installation: Installation,
}

/// A wallet that holds money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The wallet.
    pub wallet_id: i64,
    /// The currency's code (ISO 4217).
    pub currency: String,
    /// In minor units. Not zero.
    pub balance: i64,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClosingAnswer {
    /// The wallets are closed, for good: now or before.
    Closed,
    /// The wallets stay as they are, and this attempt will never close them.
    Refused {
        /// What keeps them open, by ascending id. None if this attempt, or one after it, was
        /// refused before, and the money has left since: the next attempt may succeed.
        holding: Vec<Holding>,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClosingFailure {
    /// The money service did nothing, and will do nothing about this attempt.
    #[error("the wallets were not closed")]
    NotDone(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The wallets may be closed or not, now or later. Another attempt tells.
    #[error("it is not known whether the wallets were closed")]
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The money service, as the account service sees it.
pub trait ClosesWallets: Send + Sync {
    /// Closes the account's wallets if all of them are empty.
    fn close(&self, closing: Closing) -> BoxFuture<'_, Result<ClosingAnswer, ClosingFailure>>;
}
