//! Everything that a use case may answer instead of success. What clients see of it is decided in
//! `http/problems.rs`.

use std::time::Duration;

use service::contract::closing::{ClosingFailure, Holding};

use crate::{
    api_keys::KeyRefusal,
    operations::OperationRefusal,
    password::{HashError, UnfitPassword},
    store,
};

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another account has this email, perhaps a closed one.
    #[error("the email is taken")]
    EmailTaken,
    /// No account has this email and password. Which of the two is wrong is nobody's business.
    #[error("the email or the password is wrong")]
    InvalidCredentials,
    /// The password of this email was tried too often lately. This one was not verified.
    #[error("the password was tried too often")]
    TooManyAttempts {
        /// Until it may be tried again.
        wait: Duration,
    },
    /// The current password, which confirms a change, is wrong.
    #[error("the current password is wrong")]
    InvalidCurrentPassword,
    /// The change needs the current password, and none was given.
    #[error("the change needs the current password")]
    CurrentPasswordRequired,
    /// The new password may not be set for this account.
    #[error("the new password is not fit")]
    UnfitPassword(#[from] UnfitPassword),
    /// The reset token is unknown, expired, used before or void.
    #[error("the reset token is not valid")]
    InvalidResetToken,
    /// The account has got too many reset tokens lately.
    #[error("the account has got too many reset tokens")]
    TooManyResets {
        /// Until it may have another.
        wait: Duration,
    },
    /// The account is closed, for good: its password is of no further use.
    #[error("the account is closed")]
    AccountClosed,
    /// The account is suspended or closed; said only to who knows its password or held its token.
    #[error("the account is suspended or closed")]
    AccountDisabled,
    /// The refresh token is unknown, expired, revoked or used before.
    #[error("the refresh token is not valid")]
    InvalidRefreshToken,
    /// There is no such account, or it is somebody else's.
    #[error("there is no such account")]
    AccountNotFound,
    /// An operation was not carried out.
    #[error(transparent)]
    OperationRefused(OperationRefusal),
    /// An API key was not created, rotated or revoked.
    #[error(transparent)]
    ApiKey(KeyRefusal),
    /// The account is not closed, because its wallets hold this.
    #[error("the account's wallets hold money")]
    BalancesRemain(Vec<Holding>),
    /// The account is not closed, and no attempt to close it is under way.
    #[error("the account was not closed")]
    ClosingNotDone(#[source] ClosingFailure),
    /// The account may be closed or not. It is settled within moments.
    #[error("it is not known whether the account was closed")]
    ClosingUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The password was not hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The operating system has no randomness.
    #[error("there is no randomness for a token")]
    Randomness(#[from] getrandom::Error),
    /// A defect: the work panicked, or the process is ending.
    #[error("the work broke off")]
    BrokeOff(#[source] tokio::task::JoinError),
}
