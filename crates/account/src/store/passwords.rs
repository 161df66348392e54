//! What the store is given for changes that depend on a password.

use std::{fmt, time::Duration};

use service::{clock::Timestamp, contract::introspection::TokenDigest};

use crate::email::EmailDigest;

/// Whether a change may give an account another email, or another spelling of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailChange {
    /// It may not.
    Refused,
    /// It may if the password is still the one with this hash, which was confirmed.
    Confirmed(PasswordHash),
    /// It may.
    Allowed,
}

/// The hash of a password, Argon2id, as a PHC string.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    /// Something to guess passwords by: not shown, so that no log can have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// A login whose password was right.
#[derive(Debug, Clone)]
pub struct ConfirmedLogin {
    /// Whose password it is.
    pub account_id: i64,
    /// What it was compared with.
    pub password_hash: PasswordHash,
    /// The email of the login, whose attempts are forgotten.
    pub email: EmailDigest,
}

/// A change of password.
#[derive(Debug, Clone)]
pub struct ChangePassword {
    /// Whose.
    pub account_id: i64,
    /// What the password until now was compared with.
    pub confirmed: PasswordHash,
    /// The new one's.
    pub new: PasswordHash,
    /// The session that goes on.
    pub session_id: i64,
}

/// A reset token about to be inserted. Stored as a digest only.
#[derive(Debug, Clone, Copy)]
pub struct InsertReset {
    /// Whose password it sets.
    pub account_id: i64,
    /// Digest of the token.
    pub token: TokenDigest,
    /// Now.
    pub created_at: Timestamp,
    /// When the token ends.
    pub expired_at: Timestamp,
}

/// Why no reset token was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetRefusal {
    /// There is no such account.
    Unknown,
    /// It is closed, which is for good.
    Closed,
    /// It has got too many lately.
    TooMany {
        /// Until it may have another.
        wait: Duration,
    },
}
