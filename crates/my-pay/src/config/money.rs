//! Settings of the money service.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use money::{EngineConfig, locks::redis::LockTimes};
use serde::Serialize;
use service::contract::scope::{Scope, Scopes};

use super::{database::DatabaseSettings, secret::Secret};

/// The money service.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct MoneyConfig {
    /// Address and port of `my-pay money`, for gateways, not for clients. Port
    /// 0 takes a free one.
    #[config(env = "MY_PAY_MONEY_LISTEN", default = "127.0.0.1:8082")]
    pub listen: SocketAddr,

    /// Where the service keeps its data: `sqlite:PATH` for one instance, or
    /// `mysql://USER:PASSWORD@HOST:PORT/SCHEMA` (MySQL, MariaDB, TiDB) for any number. TLS:
    /// `?ssl-mode=required` or `verify-identity`, with `&ssl-ca=FILE`. Unused by
    /// `my-pay up`, which has its files in `data_dir`.
    #[config(env = "MY_PAY_MONEY_DATABASE_URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<Secret>,

    /// A file that holds that URL, in place of it.
    #[config(env = "MY_PAY_MONEY_DATABASE_URL_FILE", validate = crate::config::given::path)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url_file: Option<PathBuf>,

    /// The same database as a user who may change its schema, for migrations; `database_url` if it
    /// is not given. Serving then needs no such right.
    #[config(env = "MY_PAY_MONEY_MIGRATION_DATABASE_URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration_database_url: Option<Secret>,

    /// A file that holds that URL, in place of it.
    #[config(
        env = "MY_PAY_MONEY_MIGRATION_DATABASE_URL_FILE",
        validate = crate::config::given::path
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration_database_url_file: Option<PathBuf>,

    /// Connections to the database at once, beside one a lane. 1 to 1,000.
    #[config(env = "MY_PAY_MONEY_DATABASE_CONNECTIONS_MAX", default = 16)]
    pub database_connections_max: usize,

    /// Whether the service brings its schema up to date when it starts. Otherwise it refuses to
    /// start on an older one, and `my-pay migrate` does it.
    #[config(env = "MY_PAY_MONEY_MIGRATE_AT_START", default = true)]
    pub migrate_at_start: bool,

    /// Writers at once, each with a connection of its own. SQLite has one. 1 to 64.
    #[config(env = "MY_PAY_MONEY_LANES", default = 4)]
    pub lanes: usize,

    /// How long a lock on wallets in Redis outlives an instance that fell silent. 500 to 60,000.
    #[config(env = "MY_PAY_MONEY_LOCK_EXPIRY_MS", default = 5_000)]
    pub lock_expiry_ms: u64,

    /// Requests that may wait for the engine; more are answered 503 at once. 1 to 1,000,000.
    #[config(env = "MY_PAY_MONEY_QUEUE_JOBS_MAX", default = 16_384)]
    pub queue_jobs_max: usize,

    /// Requests in one commit. 1 to 4,096.
    #[config(env = "MY_PAY_MONEY_BATCH_JOBS_MAX", default = 1_024)]
    pub batch_jobs_max: usize,

    /// Whether people may deposit and withdraw by themselves, which makes money out of nothing: for
    /// trying and for load tests. Otherwise deposits and withdrawals are for API keys with the
    /// scope `money:fund`.
    #[config(env = "MY_PAY_MONEY_SELF_SERVICE_FUNDING", default = false)]
    pub self_service_funding: bool,

    /// How often it is checked that the sum over all wallets is zero. Less often where that takes
    /// long: a check costs at most a fiftieth of one connection. 100 to 3,600,000.
    #[config(env = "MY_PAY_MONEY_CONSERVATION_INTERVAL_MS", default = 10_000)]
    pub conservation_interval_ms: u64,
}

impl MoneyConfig {
    /// What people may do at this service beyond their usual scopes.
    pub fn more_for_people(&self) -> Scopes {
        if self.self_service_funding { Scopes::of(&[Scope::MoneyFund]) } else { Scopes::NONE }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if !(1..=1_000_000).contains(&self.queue_jobs_max) {
            return Err("money.queue_jobs_max must be from 1 to 1000000".to_owned());
        }
        if !(1..=4_096).contains(&self.batch_jobs_max) {
            return Err("money.batch_jobs_max must be from 1 to 4096".to_owned());
        }
        if !(1..=64).contains(&self.lanes) {
            return Err("money.lanes must be from 1 to 64".to_owned());
        }
        if !(500..=60_000).contains(&self.lock_expiry_ms) {
            return Err("money.lock_expiry_ms must be from 500 to 60000".to_owned());
        }
        if !(100..=3_600_000).contains(&self.conservation_interval_ms) {
            return Err("money.conservation_interval_ms must be from 100 to 3600000".to_owned());
        }
        Ok(())
    }

    /// How often conservation is checked.
    pub fn conservation_interval(&self) -> Duration {
        Duration::from_millis(self.conservation_interval_ms)
    }

    /// The database's settings.
    pub fn database(&self) -> DatabaseSettings<'_> {
        DatabaseSettings {
            service: "money",
            url: self.database_url.as_ref(),
            url_file: self.database_url_file.as_deref(),
            migration_url: self.migration_database_url.as_ref(),
            migration_url_file: self.migration_database_url_file.as_deref(),
            connections_max: self.database_connections_max,
            migrate_at_start: self.migrate_at_start,
        }
    }

    /// The times of locks in Redis.
    pub fn lock_times(&self) -> LockTimes {
        LockTimes { expiry: Duration::from_millis(self.lock_expiry_ms), ..LockTimes::default() }
    }

    /// As the engine takes them.
    pub fn engine(&self) -> EngineConfig {
        EngineConfig { queue_jobs_max: self.queue_jobs_max, batch_jobs_max: self.batch_jobs_max }
    }
}
