//! The account store on embedded SQLite: one connection writes, a few read beside it.

mod account_changes;
mod accounts;
mod api_keys;
mod auth_tokens;
mod closings;
mod demonstration;
mod id_blocks;
mod login_attempts;
mod operations;
mod password_resets;
mod respelling;
mod revocations;
mod rows;

use std::{
    num::NonZero,
    path::Path,
    sync::Arc,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use service::{
    clock::Timestamp,
    contract::{account_feed::AccountChange, identity::Identity, introspection::TokenDigest},
    fatal::Reporter,
    installation::Installation,
    store::{
        owner::Schema,
        sqlite::{self, Failure, Pool, Snapshot, failure},
    },
};
use tokio::sync::Mutex;

use super::{
    Account, BegunClosing, COUNTERS, ChangePassword, ChangeRefusal, Changed, ConfirmedLogin,
    Credentials, EmailTaken, EndedToken, Error, InsertAccount, InsertReset, NewPair, OpenClosing,
    Operated, Outcome, PasswordHash, Replacement, ResetRefusal, Rotation, Session, Store,
    UpdateAccount, schema,
};
use crate::{
    api_keys::{ApiKey, ChangedKey, Deed, InsertApiKey, KeyRefusal, KeyRotation, LastUse},
    attempts::{AttemptLimits, Attempts, TooManyAttempts, Verdict, judge},
    email::EmailDigest,
    ids::IdName,
    operations::{NewOperation, Operation, OperationRefusal},
};

const SCHEMA: &Schema = &schema(&[
    include_str!("migrations/0001_accounts.sql"),
    include_str!("migrations/0002_token_successors.sql"),
    include_str!("migrations/0003_email_spellings.sql"),
    include_str!("migrations/0004_installation.sql"),
    include_str!("migrations/0005_service_clock.sql"),
    include_str!("migrations/0006_api_keys.sql"),
    include_str!("migrations/0007_account_operations.sql"),
    include_str!("migrations/0008_passwords.sql"),
    include_str!("migrations/0009_closings.sql"),
    include_str!("migrations/0010_demonstration.sql"),
]);

/// Accounts in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: Pool,
    readers: Pool,
    /// When the last check of readiness wrote.
    probe_written_at: Arc<Mutex<Option<Instant>>>,
}

/// The log grows to about this many pages of 2 KiB before it is copied into the database.
const CHECKPOINT_PAGES: i32 = 1_000;

/// A write that is no older shows that the database takes writes.
const PROBE_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Why an existing database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenExistingError {
    /// There is no file.
    #[error("there is no account database: start the service once to create it")]
    Missing,
    /// It was written by another version of the program.
    #[error(
        "the account database has schema version {found}, and this program knows {known}: \
         use the version that serves it"
    )]
    OtherVersion {
        /// Of the database.
        found: i64,
        /// Of this program.
        known: usize,
    },
    /// SQLite said no, or it is another service's.
    #[error("the account database cannot be opened")]
    Sqlite(#[from] sqlite::Error),
}

impl SqliteStore {
    /// Opens the database; creates and migrates it as needed. What ends the process is reported to
    /// `fatal`.
    pub fn open(path: &Path, fatal: &Reporter) -> Result<Self, sqlite::Error> {
        let mut writer = sqlite::open(path, SCHEMA)?;
        respelling::respell(&mut writer)?;
        sqlite::check_counters(&writer, COUNTERS)?;
        let readers = available_parallelism().map_or(2, NonZero::get).clamp(2, 8);
        Self::with(writer, path, readers, fatal)
    }

    /// Opens the database that a service has created and may be using. Never creates or migrates
    /// it: a schema must not change under a running service.
    pub fn open_existing(path: &Path) -> Result<Self, OpenExistingError> {
        match sqlite::check_readable(path) {
            Ok(()) => {}
            Err(sqlite::Error::Missing { .. }) => return Err(OpenExistingError::Missing),
            Err(error) => return Err(error.into()),
        }
        let writer = sqlite::open_existing(path, SCHEMA)?;
        let found = rows::schema_version(&writer).map_err(sqlite::Error::from)?;
        let known = SCHEMA.migrations.len();
        if usize::try_from(found) != Ok(known) {
            return Err(OpenExistingError::OtherVersion { found, known });
        }
        Ok(Self::with(writer, path, 1, &Reporter::default())?)
    }

    /// Whether no account has been registered yet.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        Ok(!self.read(accounts::exist).await?)
    }

    /// Marks the database for good as one of the demonstration, unless there are people's accounts
    /// in it. Returns whether it is marked.
    pub async fn mark_demonstration(&self) -> Result<bool, Error> {
        self.write(demonstration::mark).await
    }

    fn with(
        mut writer: Connection,
        path: &Path,
        readers: usize,
        fatal: &Reporter,
    ) -> Result<Self, sqlite::Error> {
        sqlite::checkpoint_at(&mut writer, CHECKPOINT_PAGES, fatal)?;
        let readers = (0..readers).map(|_| sqlite::connect(path)).collect::<Result<_, _>>()?;
        Ok(Self {
            writer: Pool::new(vec![writer], fatal.clone()),
            readers: Pool::new(readers, fatal.clone()),
            probe_written_at: Arc::default(),
        })
    }

    fn read<T, F>(&self, work: F) -> Outcome<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        Box::pin(async move { Ok(self.readers.run(|db| work(db)).await?) })
    }

    fn write<T, F>(&self, work: F) -> Outcome<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        Box::pin(async move { Ok(self.writer.transact(|tx| work(tx)).await?) })
    }
}

/// The database in this file, which must be there, at this moment.
pub fn snapshot(path: &Path) -> Result<Snapshot, sqlite::Error> {
    Snapshot::take(path, SCHEMA)
}

/// The newest change of the account feed in a snapshot; 0 if there is none.
pub fn feed_sequence(snapshot: &Snapshot) -> Result<i64, sqlite::Error> {
    Ok(account_changes::newest(snapshot.connection())?)
}

impl From<sqlite::Error> for Error {
    fn from(error: sqlite::Error) -> Self {
        match &error {
            sqlite::Error::OutcomeUnknown(_) => Self::OutcomeUnknown(error.into()),
            sqlite::Error::Busy | sqlite::Error::Abandoned => Self::Busy(error.into()),
            // The database cannot do it now, or refuses it; only what is left is a defect.
            sqlite::Error::Sqlite(cause) if failure(cause) != Failure::Other => {
                Self::Busy(error.into())
            }
            _ => Self::Failed(error.into()),
        }
    }
}

impl Store for SqliteStore {
    fn reserve_ids(&self, name: IdName, count: u32) -> Outcome<'_, i64> {
        self.write(move |db| id_blocks::reserve(db, name.as_str(), count))
    }

    fn insert_account(&self, account: InsertAccount) -> Outcome<'_, Result<Account, EmailTaken>> {
        self.write(move |db| accounts::insert(db, account))
    }

    fn account(&self, id: i64) -> Outcome<'_, Option<Account>> {
        self.read(move |db| accounts::find(db, id))
    }

    fn credentials(&self, email_normalised: String) -> Outcome<'_, Option<Credentials>> {
        self.read(move |db| accounts::credentials(db, &email_normalised))
    }

    fn credentials_of(&self, account_id: i64) -> Outcome<'_, Option<Credentials>> {
        self.read(move |db| accounts::credentials_of(db, account_id))
    }

    fn reserve_attempt(
        &self,
        email: EmailDigest,
        now: Timestamp,
        limits: AttemptLimits,
    ) -> Outcome<'_, Result<Attempts, TooManyAttempts>> {
        Box::pin(async move {
            // A refusal writes nothing, so that a flood of them takes no turn of the writer.
            let recorded = self.read(move |db| login_attempts::find(db, email)).await?;
            if let Verdict::Refused(refusal, None) = judge(recorded, now, limits) {
                return Ok(Err(refusal));
            }
            self.write(move |db| login_attempts::reserve(db, email, now, limits)).await
        })
    }

    fn forget_attempts(&self, email: EmailDigest) -> Outcome<'_, ()> {
        self.write(move |db| login_attempts::forget(db, email))
    }

    fn change_password(
        &self,
        change: ChangePassword,
        now: Timestamp,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>> {
        self.write(move |db| accounts::change_password(db, &change, now))
    }

    fn insert_reset(&self, new: InsertReset) -> Outcome<'_, Result<(), ResetRefusal>> {
        self.write(move |db| password_resets::insert(db, new))
    }

    fn find_reset(&self, token: TokenDigest, now: Timestamp) -> Outcome<'_, Option<Account>> {
        self.read(move |db| password_resets::find(db, token, now))
    }

    fn redeem_reset(
        &self,
        token: TokenDigest,
        password: PasswordHash,
        now: Timestamp,
    ) -> Outcome<'_, Option<Changed>> {
        self.write(move |db| password_resets::redeem(db, token, &password, now))
    }

    fn update_account(
        &self,
        id: i64,
        update: UpdateAccount,
        now: Timestamp,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>> {
        self.write(move |db| accounts::update(db, id, update, now))
    }

    fn begin_closing(
        &self,
        id: i64,
        now: Timestamp,
    ) -> Outcome<'_, Result<BegunClosing, ChangeRefusal>> {
        self.write(move |db| closings::begin(db, id, now))
    }

    fn resume_closing(&self, id: i64, attempt: i64, now: Timestamp) -> Outcome<'_, Option<i64>> {
        self.write(move |db| closings::resume(db, id, attempt, now))
    }

    fn end_closing(&self, id: i64, attempt: i64) -> Outcome<'_, ()> {
        self.write(move |db| closings::end(db, id, attempt))
    }

    fn open_closings(&self, limit: u32) -> Outcome<'_, Vec<OpenClosing>> {
        self.read(move |db| closings::open(db, limit))
    }

    fn close_account(
        &self,
        id: i64,
        now: Timestamp,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>> {
        self.write(move |db| accounts::close(db, id, now))
    }

    fn operate(
        &self,
        new: NewOperation,
        now: Timestamp,
    ) -> Outcome<'_, Result<Operated, OperationRefusal>> {
        self.write(move |db| operations::operate(db, new, now))
    }

    fn operations(
        &self,
        account_id: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Outcome<'_, Vec<Operation>> {
        self.read(move |db| operations::list(db, account_id, before, limit))
    }

    fn start_session(
        &self,
        account_id: i64,
        pair: NewPair,
        sessions_max: usize,
    ) -> Outcome<'_, Option<Changed>> {
        self.write(move |db| auth_tokens::start_session(db, account_id, pair, sessions_max))
    }

    fn log_in(
        &self,
        login: ConfirmedLogin,
        pair: NewPair,
        sessions_max: usize,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>> {
        self.write(move |db| auth_tokens::log_in(db, &login, pair, sessions_max))
    }

    fn rotate(&self, refresh: TokenDigest, next: Replacement) -> Outcome<'_, Rotation> {
        self.write(move |db| auth_tokens::rotate(db, refresh, next))
    }

    fn sessions(&self, account_id: i64, now: Timestamp) -> Outcome<'_, Vec<Session>> {
        self.read(move |db| auth_tokens::sessions(db, account_id, now))
    }

    fn end_session(
        &self,
        account_id: i64,
        session_id: i64,
        now: Timestamp,
    ) -> Outcome<'_, Vec<TokenDigest>> {
        self.write(move |db| auth_tokens::end_session(db, account_id, session_id, now))
    }

    fn end_sessions(&self, account_id: i64, now: Timestamp) -> Outcome<'_, Vec<TokenDigest>> {
        self.write(move |db| auth_tokens::end_sessions(db, account_id, now))
    }

    fn insert_api_key(
        &self,
        new: InsertApiKey,
        live_max: u32,
    ) -> Outcome<'_, Result<ApiKey, KeyRefusal>> {
        self.write(move |db| api_keys::insert(db, &new, live_max))
    }

    fn rotate_api_key(&self, rotation: KeyRotation) -> Outcome<'_, Result<ChangedKey, KeyRefusal>> {
        self.write(move |db| api_keys::rotate(db, rotation))
    }

    fn revoke_api_key(
        &self,
        id: i64,
        revoked: Deed,
    ) -> Outcome<'_, Result<ChangedKey, KeyRefusal>> {
        self.write(move |db| api_keys::revoke(db, id, revoked))
    }

    fn api_key(&self, id: i64) -> Outcome<'_, Option<ApiKey>> {
        self.read(move |db| api_keys::find(db, id))
    }

    fn api_keys(&self, now: Timestamp) -> Outcome<'_, Vec<ApiKey>> {
        self.read(move |db| api_keys::list(db, now))
    }

    fn note_api_key_uses(&self, uses: Vec<LastUse>) -> Outcome<'_, ()> {
        self.write(move |db| api_keys::note_uses(db, &uses))
    }

    fn introspect(&self, token: TokenDigest, now: Timestamp) -> Outcome<'_, Option<Identity>> {
        self.read(move |db| match auth_tokens::introspect(db, token, now)? {
            Some(person) => Ok(Some(person)),
            None => api_keys::introspect(db, token, now),
        })
    }

    fn changes_after(&self, sequence: i64, limit: u32) -> Outcome<'_, Vec<AccountChange>> {
        self.read(move |db| account_changes::after(db, sequence, limit))
    }

    fn newest_revocation(&self) -> Outcome<'_, i64> {
        self.read(revocations::newest)
    }

    fn revocations_after(&self, sequence: i64, limit: u32) -> Outcome<'_, Vec<EndedToken>> {
        self.read(move |db| revocations::after(db, sequence, limit))
    }

    fn settle_installation(&self, new: Installation) -> Outcome<'_, Installation> {
        self.write(move |db| sqlite::settle_installation(db, new))
    }

    fn is_demonstration(&self) -> Outcome<'_, bool> {
        self.read(demonstration::is_marked)
    }

    fn ping(&self) -> Outcome<'_, ()> {
        Box::pin(async move {
            self.read(id_blocks::probe).await?;
            // Checks that come together share one write, and a second has at most one.
            let mut written_at = self.probe_written_at.lock().await;
            if written_at.is_some_and(|at| at.elapsed() < PROBE_INTERVAL_MIN) {
                return Ok(());
            }
            self.write(id_blocks::write_probe).await?;
            *written_at = Some(Instant::now());
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
