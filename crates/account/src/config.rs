//! The account service's settings. Defaults are safe; everything is checked at start.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

use crate::{attempts::AttemptLimits, resets::RESET_LIFETIME_MAX};

/// Most live sessions that an account may be allowed, which is also the longest list of them.
pub const SESSIONS_MAX: usize = 100;

/// How long tokens live and how passwords are hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long an access token is valid: 1 second to the lifetime of a refresh token. 1 hour.
    pub access_token_lifetime: Duration,
    /// How long a refresh token is valid, and so a session without use. At most 400 days; 30 days.
    pub refresh_token_lifetime: Duration,
    /// How long a refresh token may be used a second time, for the same answer. At most 60 s; 10 s.
    pub refresh_grace: Duration,
    /// Live sessions an account may have, 1 to 100; one more ends the oldest. 100.
    pub sessions_max: usize,
    /// How often a password may be tried. 1 to 100 attempts are free, 5 if not given; the wait
    /// between later ones grows to 1 to 900 seconds, 60 if not given.
    pub login_attempts: AttemptLimits,
    /// How long a reset token is valid, 1 minute to 24 hours. 30 minutes.
    pub reset_token_lifetime: Duration,
    /// How passwords are hashed.
    pub password: PasswordConfig,
}

/// The cost of a password hash, and how many may be computed at once. The cost is OWASP's minimum
/// for Argon2id (Password Storage Cheat Sheet: 19 MiB, 2 iterations, 1 degree of parallelism).
/// Changing it affects new passwords only: older ones keep, and are verified at, the cost they were
/// hashed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordConfig {
    /// Memory of one hash, in KiB, 8 to 1,048,576. 19,456. Each thread below keeps as much.
    pub memory_kib: u32,
    /// Passes over that memory, 1 to 100. 2.
    pub iterations: u32,
    /// Hashes computed at once, 1 to 64. Half of the cores, so that logins never starve transfers.
    pub threads_max: usize,
    /// Further hashes that may wait for a thread, 0 to 10,000; beyond it the answer is 503. 64.
    pub waiting_max: usize,
}

/// A setting that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {reason}")]
pub struct InvalidConfig {
    /// The field.
    pub setting: &'static str,
    /// What it must be.
    pub reason: &'static str,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            access_token_lifetime: Duration::from_hours(1),
            refresh_token_lifetime: Duration::from_hours(30 * 24),
            refresh_grace: Duration::from_secs(10),
            sessions_max: SESSIONS_MAX,
            login_attempts: AttemptLimits { free: 5, wait_max: Duration::from_mins(1) },
            reset_token_lifetime: Duration::from_mins(30),
            password: PasswordConfig::default(),
        }
    }
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            threads_max: (available_parallelism().map_or(1, NonZero::get) / 2).clamp(1, 64),
            waiting_max: 64,
        }
    }
}

impl Config {
    /// Refuses what makes no sense, naming the first such setting.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let second = Duration::from_secs(1);
        let longest = Duration::from_hours(400 * 24);
        let password = &self.password;
        let rules = [
            (
                (second..=self.refresh_token_lifetime).contains(&self.access_token_lifetime),
                "access_token_lifetime",
                "must be from 1 second to refresh_token_lifetime",
            ),
            (
                (second..=longest).contains(&self.refresh_token_lifetime),
                "refresh_token_lifetime",
                "must be from 1 second to 400 days",
            ),
            (
                self.refresh_grace <= Duration::from_mins(1),
                "refresh_grace",
                "must be at most 60 seconds",
            ),
            (
                (1..=SESSIONS_MAX).contains(&self.sessions_max),
                "sessions_max",
                "must be from 1 to 100",
            ),
            (
                (1..=100).contains(&self.login_attempts.free),
                "login_attempts_free",
                "must be from 1 to 100",
            ),
            (
                (second..=Duration::from_mins(15)).contains(&self.login_attempts.wait_max),
                "login_wait_seconds_max",
                "must be from 1 to 900",
            ),
            (
                (Duration::from_mins(1)..=RESET_LIFETIME_MAX).contains(&self.reset_token_lifetime),
                "reset_token_lifetime",
                "must be from 1 minute to 24 hours",
            ),
            (
                (8..=1_048_576).contains(&password.memory_kib),
                "password.memory_kib",
                "must be from 8 to 1048576",
            ),
            (
                (1..=100).contains(&password.iterations),
                "password.iterations",
                "must be from 1 to 100",
            ),
            (
                (1..=64).contains(&password.threads_max),
                "password.threads_max",
                "must be from 1 to 64",
            ),
            (password.waiting_max <= 10_000, "password.waiting_max", "must be from 0 to 10000"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, setting, reason)) => Err(InvalidConfig { setting, reason }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_nonsense_is_named() {
        assert_eq!(Config::default().validate(), Ok(()));
        let check = |setting: &str, change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            assert_eq!(config.validate().unwrap_err().setting, setting);
        };
        check("access_token_lifetime", |c| c.access_token_lifetime = Duration::ZERO);
        check("access_token_lifetime", |c| c.refresh_token_lifetime = Duration::from_mins(59));
        check("refresh_token_lifetime", |c| {
            c.refresh_token_lifetime = Duration::from_hours(401 * 24);
        });
        check("refresh_grace", |c| c.refresh_grace = Duration::from_secs(61));
        check("sessions_max", |c| c.sessions_max = 0);
        check("sessions_max", |c| c.sessions_max = 101);
        check("login_attempts_free", |c| c.login_attempts.free = 0);
        check("login_wait_seconds_max", |c| {
            c.login_attempts.wait_max = Duration::from_secs(901);
        });
        check("reset_token_lifetime", |c| c.reset_token_lifetime = Duration::from_secs(59));
        check("reset_token_lifetime", |c| c.reset_token_lifetime = Duration::from_hours(25));
        check("password.memory_kib", |c| c.password.memory_kib = 7);
        check("password.iterations", |c| c.password.iterations = 0);
        check("password.threads_max", |c| c.password.threads_max = 0);
        check("password.waiting_max", |c| c.password.waiting_max = 10_001);
    }
}
