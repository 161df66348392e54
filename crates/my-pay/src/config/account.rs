//! Settings of the account service.

use std::time::Duration;

use account::{Config, PasswordConfig};
use serde::Serialize;

/// The account service.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct AccountConfig {
    /// How long an access token is valid.
    #[config(env = "MY_PAY_ACCOUNT_ACCESS_TOKEN_LIFETIME_SECONDS", default = 3_600)]
    pub access_token_lifetime_seconds: u64,

    /// How long a refresh token is valid, and so a session without use. At most 400 days.
    #[config(env = "MY_PAY_ACCOUNT_REFRESH_TOKEN_LIFETIME_SECONDS", default = 2_592_000)]
    pub refresh_token_lifetime_seconds: u64,

    /// Sessions an account may have at once; one more ends the oldest. 1 to 100.
    #[config(env = "MY_PAY_ACCOUNT_SESSIONS_MAX", default = 100)]
    pub sessions_max: usize,

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
    /// As the service takes them.
    pub fn to_service(&self) -> Config {
        let threads_default = PasswordConfig::default().threads_max;
        Config {
            access_token_lifetime: Duration::from_secs(self.access_token_lifetime_seconds),
            refresh_token_lifetime: Duration::from_secs(self.refresh_token_lifetime_seconds),
            sessions_max: self.sessions_max,
            password: PasswordConfig {
                memory_kib: self.password_memory_kib,
                iterations: self.password_iterations,
                threads_max: self.password_threads_max.unwrap_or(threads_default),
                waiting_max: self.password_waiting_max,
            },
        }
    }
}
