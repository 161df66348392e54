//! Settings of the account service.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use account::{Config, PasswordConfig, attempts::AttemptLimits};
use serde::Serialize;

use super::{database::DatabaseSettings, secret::Secret};

/// The account service.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct AccountConfig {
    /// Address and port of `my-pay account`, for gateways and money services, not for clients. Port
    /// 0 takes a free one.
    #[config(env = "MY_PAY_ACCOUNT_LISTEN", default = "127.0.0.1:8081")]
    pub listen: SocketAddr,

    /// Where the service keeps its data: `sqlite:PATH` for one instance, or
    /// `mysql://USER:PASSWORD@HOST:PORT/SCHEMA` (MySQL, MariaDB, TiDB) for any number. TLS:
    /// `?ssl-mode=required` or `verify-identity`, with `&ssl-ca=FILE`. Unused by
    /// `my-pay up`, which has its files in `data_dir`.
    #[config(env = "MY_PAY_ACCOUNT_DATABASE_URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<Secret>,

    /// A file that holds that URL, in place of it.
    #[config(env = "MY_PAY_ACCOUNT_DATABASE_URL_FILE", validate = crate::config::given::path)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url_file: Option<PathBuf>,

    /// The same database as a user who may change its schema, for migrations; `database_url` if it
    /// is not given. Serving then needs no such right.
    #[config(env = "MY_PAY_ACCOUNT_MIGRATION_DATABASE_URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration_database_url: Option<Secret>,

    /// A file that holds that URL, in place of it.
    #[config(
        env = "MY_PAY_ACCOUNT_MIGRATION_DATABASE_URL_FILE",
        validate = crate::config::given::path
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration_database_url_file: Option<PathBuf>,

    /// Connections to the database at once. 1 to 1,000.
    #[config(env = "MY_PAY_ACCOUNT_DATABASE_CONNECTIONS_MAX", default = 16)]
    pub database_connections_max: usize,

    /// Whether the service brings its schema up to date when it starts. Otherwise it refuses to
    /// start on an older one, and `my-pay migrate` does it.
    #[config(env = "MY_PAY_ACCOUNT_MIGRATE_AT_START", default = true)]
    pub migrate_at_start: bool,

    /// How long an access token is valid.
    #[config(env = "MY_PAY_ACCOUNT_ACCESS_TOKEN_LIFETIME_SECONDS", default = 3_600)]
    pub access_token_lifetime_seconds: u64,

    /// How long a refresh token is valid, and so a session without use. At most 400 days.
    #[config(env = "MY_PAY_ACCOUNT_REFRESH_TOKEN_LIFETIME_SECONDS", default = 2_592_000)]
    pub refresh_token_lifetime_seconds: u64,

    /// How long a refresh token that was used gives the same answer again: for a client that lost
    /// the answer, and for two tabs that refresh at once. 0 to 60; 0 ends the session at the second
    /// use.
    #[config(env = "MY_PAY_ACCOUNT_REFRESH_GRACE_SECONDS", default = 10)]
    pub refresh_grace_seconds: u64,

    /// Sessions an account may have at once; one more ends the oldest. 1 to 100.
    #[config(env = "MY_PAY_ACCOUNT_SESSIONS_MAX", default = 100)]
    pub sessions_max: usize,

    /// Attempts to log in with one email, known or not, that need not wait. The right password, or
    /// an hour without attempts, starts the count again. 1 to 100.
    #[config(env = "MY_PAY_ACCOUNT_LOGIN_ATTEMPTS_FREE", default = 5)]
    pub login_attempts_free: u32,

    /// Longest wait between later attempts, which begins with a second and doubles each time. 1 to
    /// 900.
    #[config(env = "MY_PAY_ACCOUNT_LOGIN_WAIT_SECONDS_MAX", default = 60)]
    pub login_wait_seconds_max: u64,

    /// How long a token that resets a password is valid. 60 to 86,400.
    #[config(env = "MY_PAY_ACCOUNT_RESET_TOKEN_LIFETIME_SECONDS", default = 1_800)]
    pub reset_token_lifetime_seconds: u64,

    /// Memory of one password hash (Argon2id), in KiB. The default is OWASP's minimum.
    #[config(env = "MY_PAY_ACCOUNT_PASSWORD_MEMORY_KIB", default = 19_456)]
    pub password_memory_kib: u32,

    /// Passes over that memory. The default is OWASP's minimum.
    #[config(env = "MY_PAY_ACCOUNT_PASSWORD_ITERATIONS", default = 2)]
    pub password_iterations: u32,

    /// Password hashes computed at once; half of the cores if it is not given. 1 to 64.
    #[config(env = "MY_PAY_ACCOUNT_PASSWORD_THREADS_MAX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_threads_max: Option<usize>,

    /// Further hashes that may wait; more are answered 503 at once. 0 to 10,000.
    #[config(env = "MY_PAY_ACCOUNT_PASSWORD_WAITING_MAX", default = 64)]
    pub password_waiting_max: usize,
}

impl AccountConfig {
    /// The database's settings.
    pub fn database(&self) -> DatabaseSettings<'_> {
        DatabaseSettings {
            service: "account",
            url: self.database_url.as_ref(),
            url_file: self.database_url_file.as_deref(),
            migration_url: self.migration_database_url.as_ref(),
            migration_url_file: self.migration_database_url_file.as_deref(),
            connections_max: self.database_connections_max,
            migrate_at_start: self.migrate_at_start,
        }
    }

    /// As the service takes them.
    pub fn to_service(&self) -> Config {
        let threads_default = PasswordConfig::default().threads_max;
        Config {
            access_token_lifetime: Duration::from_secs(self.access_token_lifetime_seconds),
            refresh_token_lifetime: Duration::from_secs(self.refresh_token_lifetime_seconds),
            refresh_grace: Duration::from_secs(self.refresh_grace_seconds),
            sessions_max: self.sessions_max,
            login_attempts: AttemptLimits {
                free: self.login_attempts_free,
                wait_max: Duration::from_secs(self.login_wait_seconds_max),
            },
            reset_token_lifetime: Duration::from_secs(self.reset_token_lifetime_seconds),
            password: PasswordConfig {
                memory_kib: self.password_memory_kib,
                iterations: self.password_iterations,
                threads_max: self.password_threads_max.unwrap_or(threads_default),
                waiting_max: self.password_waiting_max,
            },
        }
    }
}
