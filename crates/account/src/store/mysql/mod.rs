//! The account store on MySQL, MariaDB or TiDB. Whatever changes something about an account locks
//! the account's row first, so that changes of one account come one after the other, in any number
//! of processes. READ COMMITTED suffices: what a change depends on is read under that lock.

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
mod transact;

use prometheus_client::registry::Registry;
use service::{
    clock::Timestamp,
    contract::{account_feed::AccountChange, identity::Identity, introspection::TokenDigest},
    installation::Installation,
    store::{
        mysql::{self, Database},
        owner::Schema,
    },
};

use super::{
    Account, BegunClosing, COUNTERS, ChangePassword, ChangeRefusal, Changed, ConfirmedLogin,
    Credentials, EmailTaken, EndedToken, Error, InsertAccount, InsertReset, NewPair, OpenClosing,
    Operated, Outcome, PasswordHash, Replacement, ResetRefusal, Rotation, Session, Store,
    UpdateAccount, schema,
};
use crate::{
    api_keys::{ApiKey, ChangedKey, Deed, InsertApiKey, KeyRefusal, KeyRotation, LastUse},
    attempts::{AttemptLimits, Attempts, TooManyAttempts},
    email::EmailDigest,
    ids::IdName,
    metrics::StoreMetrics,
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

/// Accounts in a schema that any number of services share.
#[derive(Debug, Clone)]
pub struct MySqlStore {
    database: Database,
    metrics: StoreMetrics,
}

impl MySqlStore {
    /// A schema that [`migrate`] has migrated.
    pub fn new(database: Database) -> Self {
        Self { database, metrics: StoreMetrics::default() }
    }
}

/// Brings the schema up to date. Several instances may do this at once.
pub async fn migrate(database: &Database) -> Result<(), mysql::Error> {
    database.migrate(SCHEMA).await?;
    respelling::respell(database).await
}

/// Shows that the schema has the version that this program needs, and that its counters fit its
/// rows.
pub async fn check_schema(database: &Database) -> Result<(), mysql::Error> {
    database.check_schema(SCHEMA).await?;
    database.check_counters(COUNTERS).await
}

/// Shows that the schema is the account service's, whatever its version.
pub async fn check_owner(database: &Database) -> Result<(), mysql::Error> {
    database.check_owner(SCHEMA).await
}

impl Store for MySqlStore {
    fn reserve_ids(&self, name: IdName, count: u32) -> Outcome<'_, i64> {
        Box::pin(self.transact("reserve_ids", async move |conn| {
            id_blocks::reserve(conn, name.as_str(), count).await
        }))
    }

    fn insert_account(&self, account: InsertAccount) -> Outcome<'_, Result<Account, EmailTaken>> {
        Box::pin(
            self.transact("insert_account", async move |conn| {
                accounts::insert(conn, &account).await
            }),
        )
    }

    fn account(&self, id: i64) -> Outcome<'_, Option<Account>> {
        Box::pin(self.read(async move |conn| accounts::find(conn, id, "").await))
    }

    fn credentials(&self, email_normalised: String) -> Outcome<'_, Option<Credentials>> {
        Box::pin(self.read(async move |conn| accounts::credentials(conn, &email_normalised).await))
    }

    fn credentials_of(&self, account_id: i64) -> Outcome<'_, Option<Credentials>> {
        Box::pin(self.read(async move |conn| accounts::credentials_of(conn, account_id).await))
    }

    fn reserve_attempt(
        &self,
        email: EmailDigest,
        now: Timestamp,
        limits: AttemptLimits,
    ) -> Outcome<'_, Result<Attempts, TooManyAttempts>> {
        // Each statement by itself: an attempt that is recorded twice, because an answer was lost,
        // does no harm, and a flood of attempts at one password waits for no lock.
        Box::pin(
            self.read(async move |conn| login_attempts::reserve(conn, email, now, limits).await),
        )
    }

    fn forget_attempts(&self, email: EmailDigest) -> Outcome<'_, ()> {
        Box::pin(self.transact("forget_attempts", async move |conn| {
            login_attempts::forget(conn, email).await
        }))
    }

    fn change_password(
        &self,
        change: ChangePassword,
        now: Timestamp,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>> {
        Box::pin(self.transact("change_password", async move |conn| {
            accounts::change_password(conn, &change, now).await
        }))
    }

    fn insert_reset(&self, new: InsertReset) -> Outcome<'_, Result<(), ResetRefusal>> {
        Box::pin(
            self.transact("insert_reset", async move |conn| {
                password_resets::insert(conn, new).await
            }),
        )
    }

    fn find_reset(&self, token: TokenDigest, now: Timestamp) -> Outcome<'_, Option<Account>> {
        Box::pin(self.read(async move |conn| password_resets::find(conn, token, now).await))
    }

    fn redeem_reset(
        &self,
        token: TokenDigest,
        password: PasswordHash,
        now: Timestamp,
    ) -> Outcome<'_, Option<Changed>> {
        Box::pin(self.transact("redeem_reset", async move |conn| {
            password_resets::redeem(conn, token, &password, now).await
        }))
    }

    fn update_account(
        &self,
        id: i64,
        update: UpdateAccount,
        now: Timestamp,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>> {
        Box::pin(self.transact("update_account", async move |conn| {
            accounts::update(conn, id, &update, now).await
        }))
    }

    fn begin_closing(
        &self,
        id: i64,
        now: Timestamp,
    ) -> Outcome<'_, Result<BegunClosing, ChangeRefusal>> {
        Box::pin(
            self.transact("begin_closing", async move |conn| closings::begin(conn, id, now).await),
        )
    }

    fn resume_closing(&self, id: i64, attempt: i64, now: Timestamp) -> Outcome<'_, Option<i64>> {
        Box::pin(self.transact("resume_closing", async move |conn| {
            closings::resume(conn, id, attempt, now).await
        }))
    }

    fn end_closing(&self, id: i64, attempt: i64) -> Outcome<'_, ()> {
        Box::pin(
            self.transact("end_closing", async move |conn| closings::end(conn, id, attempt).await),
        )
    }

    fn open_closings(&self, limit: u32) -> Outcome<'_, Vec<OpenClosing>> {
        Box::pin(self.read(async move |conn| closings::open(conn, limit).await))
    }

    fn close_account(
        &self,
        id: i64,
        now: Timestamp,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>> {
        Box::pin(
            self.transact("close_account", async move |conn| accounts::close(conn, id, now).await),
        )
    }

    fn operate(
        &self,
        new: NewOperation,
        now: Timestamp,
    ) -> Outcome<'_, Result<Operated, OperationRefusal>> {
        Box::pin(
            self.transact("operate", async move |conn| operations::operate(conn, &new, now).await),
        )
    }

    fn operations(
        &self,
        account_id: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Outcome<'_, Vec<Operation>> {
        Box::pin(
            self.read(async move |conn| operations::list(conn, account_id, before, limit).await),
        )
    }

    fn start_session(
        &self,
        account_id: i64,
        pair: NewPair,
        sessions_max: usize,
    ) -> Outcome<'_, Option<Changed>> {
        Box::pin(self.transact("start_session", async move |conn| {
            auth_tokens::start_session(conn, account_id, pair, sessions_max).await
        }))
    }

    fn log_in(
        &self,
        login: ConfirmedLogin,
        pair: NewPair,
        sessions_max: usize,
    ) -> Outcome<'_, Result<Changed, ChangeRefusal>> {
        Box::pin(self.transact("log_in", async move |conn| {
            auth_tokens::log_in(conn, &login, pair, sessions_max).await
        }))
    }

    fn rotate(&self, refresh: TokenDigest, next: Replacement) -> Outcome<'_, Rotation> {
        Box::pin(
            self.transact("rotate", async move |conn| {
                auth_tokens::rotate(conn, refresh, next).await
            }),
        )
    }

    fn sessions(&self, account_id: i64, now: Timestamp) -> Outcome<'_, Vec<Session>> {
        Box::pin(self.read(async move |conn| auth_tokens::sessions(conn, account_id, now).await))
    }

    fn end_session(
        &self,
        account_id: i64,
        session_id: i64,
        now: Timestamp,
    ) -> Outcome<'_, Vec<TokenDigest>> {
        Box::pin(self.transact("end_session", async move |conn| {
            accounts::lock(conn, account_id).await?;
            auth_tokens::end_session(conn, account_id, session_id, now).await
        }))
    }

    fn end_sessions(&self, account_id: i64, now: Timestamp) -> Outcome<'_, Vec<TokenDigest>> {
        Box::pin(self.transact("end_sessions", async move |conn| {
            accounts::lock(conn, account_id).await?;
            auth_tokens::end_sessions(conn, account_id, now).await
        }))
    }

    fn insert_api_key(
        &self,
        new: InsertApiKey,
        live_max: u32,
    ) -> Outcome<'_, Result<ApiKey, KeyRefusal>> {
        Box::pin(self.transact("insert_api_key", async move |conn| {
            api_keys::insert(conn, &new, live_max).await
        }))
    }

    fn rotate_api_key(&self, rotation: KeyRotation) -> Outcome<'_, Result<ChangedKey, KeyRefusal>> {
        Box::pin(
            self.transact("rotate_api_key", async move |conn| {
                api_keys::rotate(conn, rotation).await
            }),
        )
    }

    fn revoke_api_key(
        &self,
        id: i64,
        revoked: Deed,
    ) -> Outcome<'_, Result<ChangedKey, KeyRefusal>> {
        Box::pin(self.transact("revoke_api_key", async move |conn| {
            api_keys::revoke(conn, id, revoked).await
        }))
    }

    fn api_key(&self, id: i64) -> Outcome<'_, Option<ApiKey>> {
        Box::pin(self.read(async move |conn| api_keys::find(conn, id, "").await))
    }

    fn api_keys(&self, now: Timestamp) -> Outcome<'_, Vec<ApiKey>> {
        Box::pin(self.read(async move |conn| api_keys::list(conn, now).await))
    }

    fn note_api_key_uses(&self, uses: Vec<LastUse>) -> Outcome<'_, ()> {
        Box::pin(self.transact("note_api_key_uses", async move |conn| {
            api_keys::note_uses(conn, &uses).await
        }))
    }

    fn introspect(&self, token: TokenDigest, now: Timestamp) -> Outcome<'_, Option<Identity>> {
        Box::pin(self.read(
            async move |conn| match auth_tokens::introspect(conn, token, now).await? {
                Some(person) => Ok(Some(person)),
                None => api_keys::introspect(conn, token, now).await,
            },
        ))
    }

    fn changes_after(&self, sequence: i64, limit: u32) -> Outcome<'_, Vec<AccountChange>> {
        Box::pin(self.read(async move |conn| account_changes::after(conn, sequence, limit).await))
    }

    fn newest_revocation(&self) -> Outcome<'_, i64> {
        Box::pin(self.read(async |conn| revocations::newest(conn).await))
    }

    fn revocations_after(&self, sequence: i64, limit: u32) -> Outcome<'_, Vec<EndedToken>> {
        Box::pin(self.read(async move |conn| revocations::after(conn, sequence, limit).await))
    }

    fn settle_installation(&self, new: Installation) -> Outcome<'_, Installation> {
        Box::pin(async move { Ok(self.database.settle_installation(new).await?) })
    }

    fn is_demonstration(&self) -> Outcome<'_, bool> {
        Box::pin(self.read(async |conn| demonstration::is_marked(conn).await))
    }

    fn ping(&self) -> Outcome<'_, ()> {
        Box::pin(self.read(async |conn| id_blocks::probe(conn).await))
    }

    fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register(registry);
        self.database.register_metrics("account", registry);
    }
}

#[cfg(test)]
mod tests;
