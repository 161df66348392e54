//! What the account service keeps, and the narrow trait through which it does. Every method is one
//! database transaction: it happens as a whole or not at all. SQL lives below here and nowhere
//! else.

pub mod mysql;
mod passwords;
pub mod sqlite;
#[cfg(test)]
mod tests;

use std::time::Duration;

use prometheus_client::registry::Registry;
use service::{
    BoxFuture,
    clock::Timestamp,
    contract::{
        account_feed::{AccountChange, Standing},
        identity::Identity,
        introspection::TokenDigest,
    },
    installation::Installation,
    store::{
        counter::Counter,
        owner::{ACCOUNT_TABLES, Migrations, Schema},
    },
};

use crate::{
    api_keys::{ApiKey, ChangedKey, Deed, InsertApiKey, KeyRefusal, KeyRotation, LastUse},
    attempts::{AttemptLimits, Attempts, TooManyAttempts},
    email::{Email, EmailDigest},
    ids::IdName,
    operations::{NewOperation, Operation, OperationRefusal},
    token::Salt,
};

pub use self::passwords::{
    ChangePassword, ConfirmedLogin, EmailChange, InsertReset, PasswordHash, ResetRefusal,
};

/// The schema that these migrations make.
const fn schema(migrations: Migrations) -> Schema {
    Schema { service: "account", first_tables: ACCOUNT_TABLES, migrations }
}

/// The counters of ids, on every database.
const COUNTERS: &[Counter] = &[
    Counter { name: "accounts", table: "accounts", column: "id" },
    Counter { name: "auth_tokens", table: "auth_tokens", column: "id" },
    Counter { name: "account_changes", table: "account_changes", column: "sequence" },
    Counter { name: "api_keys", table: "api_keys", column: "id" },
    Counter { name: "revocations", table: "revocations", column: "sequence" },
];

/// How long rows of `revocations` are kept at least: longer than any cache may remember a token,
/// which is an hour, and than an instance may fail to look.
const REVOCATIONS_KEPT: Duration = Duration::from_hours(24);

/// Old rows of `revocations` removed with each new one, beside as many as are added.
const REVOCATIONS_PURGED_MAX: u32 = 2;

/// Why the store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was done; the same may work in a moment, or when the database has room again.
    #[error("the account store cannot do it now")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The commit was sent and no answer came: it may have been done or not.
    #[error("the outcome of a change in the account store is unknown")]
    OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It does not work.
    #[error("the account store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a method of the store returns.
pub type Outcome<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A person's account, as its owner may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// From 10,001: lower ids are the money service's own.
    pub id: i64,
    /// What the person is called.
    pub name: String,
    /// The address as the person wrote it.
    pub email: String,
    /// What the account may do.
    pub standing: Standing,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When its owner or an operator last changed it.
    pub updated_at: Timestamp,
}

/// An account about to be inserted, in good standing.
#[derive(Debug, Clone)]
pub struct InsertAccount {
    /// A fresh id.
    pub id: i64,
    /// 1 to 100 characters.
    pub name: String,
    /// Unique among all accounts, closed ones too.
    pub email: Email,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// Now.
    pub created_at: Timestamp,
}

/// What an owner changes: all of it at once.
#[derive(Debug, Clone)]
pub struct UpdateAccount {
    /// 1 to 100 characters.
    pub name: String,
    /// Unique among all accounts, closed ones too.
    pub email: Email,
    /// `false` suspends the account.
    pub is_valid: bool,
    /// Whether the email may become another one.
    pub email_change: EmailChange,
}

/// What a login is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose they are.
    pub account: Account,
    /// Argon2id, as a PHC string.
    pub password_hash: String,
}

/// Another account has this email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailTaken;

/// Why an account was not changed by its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRefusal {
    /// There is no such account.
    Unknown,
    /// It is suspended or closed, and its owner may not change it any more.
    NotActive,
    /// Another account has this email.
    EmailTaken,
    /// The email would change, which this change may not do.
    EmailDiffers,
    /// The password is no longer the one that was confirmed.
    PasswordDiffers,
}

/// An attempt to close an account, recorded before the money service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BegunClosing {
    /// Its number: greater than that of every attempt at this account before it.
    pub attempt: i64,
    /// Whether no other attempt is waiting to be settled.
    pub is_first: bool,
}

/// A closing that is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenClosing {
    /// Whose account.
    pub account_id: i64,
    /// The newest attempt.
    pub attempt: i64,
    /// When the first of its attempts began.
    pub started_at: Timestamp,
    /// When the newest began.
    pub attempted_at: Timestamp,
}

/// The number of the next attempt: the time, so that it is beyond those of before even if the
/// database was restored from a backup, and beyond `newest` if the clock is not.
const fn next_attempt(newest: i64, now: Timestamp) -> i64 {
    let now = now.as_micros();
    if now > newest { now } else { newest + 1 }
}

/// An account after a change, and the access tokens that the change ended before their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// As it is now.
    pub account: Account,
    /// Were valid until this change.
    pub ended: Vec<TokenDigest>,
}

/// A token or key that an operator ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedToken {
    /// Its place: ascending in the order of commits, without meaning otherwise.
    pub sequence: i64,
    /// Was valid until then.
    pub digest: TokenDigest,
}

/// An operation that was carried out, and the access tokens that it ended before their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operated {
    /// As it is recorded.
    pub operation: Operation,
    /// Were valid until this operation.
    pub ended: Vec<TokenDigest>,
}

/// A new pair of tokens. Stored as digests only.
#[derive(Debug, Clone, Copy)]
pub struct NewPair {
    /// A fresh id; the first pair of a session gives the session its id.
    pub id: i64,
    /// Digest of the access token.
    pub access: TokenDigest,
    /// When the access token ends.
    pub expired_at: Timestamp,
    /// Digest of the refresh token.
    pub refresh: TokenDigest,
    /// When the refresh token, and with it the session, ends.
    pub refresh_expired_at: Timestamp,
    /// Now.
    pub created_at: Timestamp,
}

/// How a pair of tokens is replaced by the next.
#[derive(Debug, Clone, Copy)]
pub struct Replacement {
    /// The next pair.
    pub pair: NewPair,
    /// What the next pair was derived with, beside the token that is presented.
    pub salt: Salt,
    /// How long the presented token may be used once more, for the same pair.
    pub grace: Duration,
}

/// A pair that was given once and is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repetition {
    /// Whose session it is.
    pub account: Account,
    /// What the pair was derived with, beside the token that is presented.
    pub salt: Salt,
    /// When its access token ends.
    pub expired_at: Timestamp,
    /// When its refresh token ends.
    pub refresh_expired_at: Timestamp,
}

/// A login that is still alive, through however many rotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The id of its first pair of tokens.
    pub id: i64,
    /// When its owner logged in.
    pub started_at: Timestamp,
    /// When its tokens were last rotated.
    pub updated_at: Timestamp,
    /// When its access token ends.
    pub expired_at: Timestamp,
    /// When it ends unless it is refreshed before.
    pub refresh_expired_at: Timestamp,
}

/// What became of a refresh token that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The new pair is in force.
    Rotated(Changed),
    /// It was used moments ago. The pair of then is in force, and nothing was done.
    Repeated(Repetition),
    /// It is unknown, expired, revoked, or its account is not in good standing. Nothing was done.
    Refused,
    /// It had been used before, so somebody else has it: the session is revoked.
    Reused {
        /// Whose session it was.
        account_id: i64,
        /// The session.
        session_id: i64,
        /// The access token that was alive until now, if there was one.
        ended: Vec<TokenDigest>,
    },
}

/// The database. Methods that end tokens return the digests of those access tokens that were alive.
pub trait Store: Send + Sync {
    /// Sets `count` consecutive ids aside, for good, and returns the first.
    fn reserve_ids(&self, name: IdName, count: u32) -> Outcome<'_, i64>;

    /// Adds an account.
    fn insert_account(&self, account: InsertAccount) -> Outcome<'_, Result<Account, EmailTaken>>;

    /// One account.
    fn account(&self, id: i64) -> Outcome<'_, Option<Account>>;

    /// What a login with this email is checked against.
    fn credentials(&self, email_normalised: String) -> Outcome<'_, Option<Credentials>>;

    /// What a password of this account is checked against.
    fn credentials_of(&self, account_id: i64) -> Outcome<'_, Option<Credentials>>;

    /// Records an attempt at the password of this email before it is verified, if
    /// [`crate::attempts::judge`] allows one. Of many at once, as many are allowed as would be one
    /// after the other.
    fn reserve_attempt(
        &self,
        email: EmailDigest,
        now: Timestamp,
        limits: AttemptLimits,
    ) -> Outcome<'_, Result<Attempts, TooManyAttempts>>;

    /// Forgets the attempts at the password of this email.
    fn forget_attempts(&self, email: EmailDigest) -> Outcome<'_, ()>;

    /// Sets another password, ends all other sessions, and makes reset tokens void.
    fn change_password(
        &self,
        change: ChangePassword,
        now: Timestamp,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>>;

    /// Makes a reset token, if [`crate::resets`] allows one more. Earlier ones of the account are
    /// void.
    fn insert_reset(&self, new: InsertReset) -> Outcome<'_, Result<(), ResetRefusal>>;

    /// Whose reset token this is, if it can be redeemed now.
    fn find_reset(&self, token: TokenDigest, now: Timestamp) -> Outcome<'_, Option<Account>>;

    /// Sets the password of the account whose reset token this is, ends its sessions, makes its
    /// reset tokens void, and forgets attempts at its password. `None` if the token cannot be
    /// redeemed now. Two uses at once are one after the other: exactly one of them succeeds.
    fn redeem_reset(
        &self,
        token: TokenDigest,
        password: PasswordHash,
        now: Timestamp,
    ) -> Outcome<'_, Option<Changed>>;

    /// Changes an account on behalf of its owner. Suspending it ends its tokens and tells the feed.
    fn update_account(
        &self,
        id: i64,
        update: UpdateAccount,
        now: Timestamp,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>>;

    /// Begins an attempt to close an account on behalf of its owner. It is open until
    /// [`Store::close_account`] or [`Store::end_closing`].
    fn begin_closing(
        &self,
        id: i64,
        now: Timestamp,
    ) -> Outcome<'_, Result<BegunClosing, ChangeRefusal>>;

    /// Begins another attempt in place of `attempt`, and returns its number; `None` if that one is
    /// not the newest any more, or settled.
    fn resume_closing(&self, id: i64, attempt: i64, now: Timestamp) -> Outcome<'_, Option<i64>>;

    /// Ends a closing whose attempt was refused, unless another attempt has begun.
    fn end_closing(&self, id: i64, attempt: i64) -> Outcome<'_, ()>;

    /// Closings that are not settled, at most `limit`, those that have waited longest first.
    fn open_closings(&self, limit: u32) -> Outcome<'_, Vec<OpenClosing>>;

    /// Closes an account for good, a suspended one too, ends its tokens and its closing, and tells
    /// the feed. [`ChangeRefusal::NotActive`] if it is closed.
    fn close_account(&self, id: i64, now: Timestamp)
    -> Outcome<'_, Result<Changed, ChangeRefusal>>;

    /// Carries out an operation and records it. A change of standing is told to the feed.
    fn operate(
        &self,
        new: NewOperation,
        now: Timestamp,
    ) -> Outcome<'_, Result<Operated, OperationRefusal>>;

    /// The account's operations before the sequence `before`, newest first, at most `limit`.
    fn operations(
        &self,
        account_id: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Outcome<'_, Vec<Operation>>;

    /// Starts a session, unless the account stopped being active in the meantime (`None`). Beyond
    /// `sessions_max` it ends the oldest.
    fn start_session(
        &self,
        account_id: i64,
        pair: NewPair,
        sessions_max: usize,
    ) -> Outcome<'_, Option<Changed>>;

    /// The same after a login with the right password, unless the password was changed in the
    /// meantime. Forgets the attempts at it.
    fn log_in(
        &self,
        login: ConfirmedLogin,
        pair: NewPair,
        sessions_max: usize,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>>;

    /// Replaces the pair that `refresh` belongs to, as [`crate::rotation::judge`] decides. Two uses
    /// at once are one after the other: exactly one of them rotates.
    fn rotate(&self, refresh: TokenDigest, next: Replacement) -> Outcome<'_, Rotation>;

    /// The account's live sessions, newest first.
    fn sessions(&self, account_id: i64, now: Timestamp) -> Outcome<'_, Vec<Session>>;

    /// Ends one session, if it is alive.
    fn end_session(
        &self,
        account_id: i64,
        session_id: i64,
        now: Timestamp,
    ) -> Outcome<'_, Vec<TokenDigest>>;

    /// Ends all sessions of the account.
    fn end_sessions(&self, account_id: i64, now: Timestamp) -> Outcome<'_, Vec<TokenDigest>>;

    /// Adds a key, if its manager may, and if fewer than `live_max` have not ended.
    fn insert_api_key(
        &self,
        new: InsertApiKey,
        live_max: u32,
    ) -> Outcome<'_, Result<ApiKey, KeyRefusal>>;

    /// Replaces the secret of a key, if the manager may. The one before stays valid for the
    /// overlap; one that was replaced earlier ends.
    fn rotate_api_key(&self, rotation: KeyRotation) -> Outcome<'_, Result<ChangedKey, KeyRefusal>>;

    /// Ends a key for good, with its secrets. Nothing happens if it is revoked already.
    fn revoke_api_key(&self, id: i64, revoked: Deed)
    -> Outcome<'_, Result<ChangedKey, KeyRefusal>>;

    /// One key.
    fn api_key(&self, id: i64) -> Outcome<'_, Option<ApiKey>>;

    /// At most [`crate::api_keys::API_KEYS_MAX`] keys: first those that have not ended, and each
    /// part newest first.
    fn api_keys(&self, now: Timestamp) -> Outcome<'_, Vec<ApiKey>>;

    /// Records uses of keys that are later than what is recorded.
    fn note_api_key_uses(&self, uses: Vec<LastUse>) -> Outcome<'_, ()>;

    /// Whose access token or API key this is, if it is valid now.
    fn introspect(&self, token: TokenDigest, now: Timestamp) -> Outcome<'_, Option<Identity>>;

    /// The feed after `sequence`, in the order of commits, at most `limit` changes.
    fn changes_after(&self, sequence: i64, limit: u32) -> Outcome<'_, Vec<AccountChange>>;

    /// Where the list of what operators ended stands; 0 if it is empty.
    fn newest_revocation(&self) -> Outcome<'_, i64>;

    /// What operators ended after `sequence`, in the order of commits, at most `limit`. A method
    /// that ends tokens for an operator appends to this list in its transaction (`revocations.rs`
    /// of each database), whether a command or a call asked for it: one path for both, and what a
    /// call ends is told by every instance even if the one that was asked stops. What people end
    /// themselves is told by the process that they asked, and appends nothing: refreshes would all
    /// queue for the counter.
    fn revocations_after(&self, sequence: i64, limit: u32) -> Outcome<'_, Vec<EndedToken>>;

    /// The installation that the database belongs to: the recorded one, or else `new`, which is
    /// recorded.
    fn settle_installation(&self, new: Installation) -> Outcome<'_, Installation>;

    /// Whether the accounts are those of a demonstration, which is served on loopback only.
    fn is_demonstration(&self) -> Outcome<'_, bool>;

    /// Shows that the database can be read and written.
    fn ping(&self) -> Outcome<'_, ()>;

    /// Makes the store's metrics readable, if it has any.
    fn register_metrics(&self, _registry: &mut Registry) {}
}
