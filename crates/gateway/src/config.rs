//! The settings of the gateway. Plain data: where they come from is the program's business.

use std::time::Duration;

use axum::http::HeaderValue;
use service::http::fields::BODY_BYTES_MAX;

use crate::upstream::PoolConfig;

/// Settings of the gateway; the defaults suit production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Largest request body, in bytes: at most what services read, which is also the default.
    pub body_bytes_max: usize,
    /// How long a request body may take to arrive after its head. Default: 10 seconds.
    pub body_timeout: Duration,
    /// How long a service may take to answer. Default: 30 seconds.
    pub upstream_timeout: Duration,
    /// How the addresses of services that run apart are used.
    pub pool: PoolConfig,
    /// Requests given to services at once; more are answered 503. Default: 4096.
    pub requests_in_flight_max: usize,
    /// How many requests an address or a token may make.
    pub rate_limits: RateLimits,
    /// How long a valid token is taken for valid without asking again, unless it is revoked or ends
    /// earlier; zero asks every time. Default: 5 seconds.
    pub introspection_cache_life: Duration,
    /// Tokens remembered at once. Default: 100,000.
    pub introspection_cache_tokens_max: u64,
    /// How long to wait for the account service's word on a token. Default: 2 seconds.
    pub introspection_timeout: Duration,
    /// Origins whose pages may call the API from a browser, such as `https://app.example.com`, or
    /// only `*` for all. Default: none, which switches CORS off.
    pub cors_origins: Vec<String>,
}

/// Rate limits; `None` is off, and costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// For each IPv4 address or IPv6 /64 network. Default: 200 a second, 400 at once.
    pub address: Option<Rate>,
    /// For each session, that is, for a token and those that it was refreshed from or into.
    /// Default: 50 a second, 100 at once.
    pub token: Option<Rate>,
    /// For each API key. Its requests are not counted by address. Default: 1,000 a second, 2,000 at
    /// once.
    pub api_key: Option<Rate>,
}

impl RateLimits {
    /// No limits, as for load tests.
    pub const OFF: Self = Self { address: None, token: None, api_key: None };
}

/// A rate: a bucket of `burst` requests that is refilled by `per_second` requests a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second in the long run, at least 1.
    pub per_second: u32,
    /// Requests at once, at least 1.
    pub burst: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            body_bytes_max: BODY_BYTES_MAX,
            body_timeout: Duration::from_secs(10),
            upstream_timeout: Duration::from_secs(30),
            pool: PoolConfig::default(),
            requests_in_flight_max: 4096,
            rate_limits: RateLimits::default(),
            introspection_cache_life: Duration::from_secs(5),
            introspection_cache_tokens_max: 100_000,
            introspection_timeout: Duration::from_secs(2),
            cors_origins: Vec::new(),
        }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            address: Some(Rate { per_second: 200, burst: 400 }),
            token: Some(Rate { per_second: 50, burst: 100 }),
            api_key: Some(Rate { per_second: 1_000, burst: 2_000 }),
        }
    }
}

/// Longest of the times that can be set. Longer ones are mistakes, such as milliseconds for
/// seconds.
const TIME_MAX: Duration = Duration::from_hours(1);

/// Largest rate and burst. Beyond it a limit is no limit, and the arithmetic of nanoseconds ends.
const RATE_MAX: u32 = 1_000_000;

impl Config {
    /// Checks every setting; the error has one line a problem.
    pub fn validate(&self) -> Result<(), String> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, problem: &str| {
            if !ok {
                problems.push(problem.to_owned());
            }
        };
        check(
            (1..=BODY_BYTES_MAX).contains(&self.body_bytes_max),
            &format!("the body limit must be from 1 to {BODY_BYTES_MAX} bytes"),
        );
        for (name, timeout) in [
            ("body timeout", self.body_timeout),
            ("upstream timeout", self.upstream_timeout),
            ("introspection timeout", self.introspection_timeout),
        ] {
            let ok = !timeout.is_zero() && timeout <= TIME_MAX;
            check(ok, &format!("the {name} must be more than zero and at most an hour"));
        }
        check(
            self.introspection_cache_life <= TIME_MAX,
            "the life of the introspection cache must be at most an hour",
        );
        check(
            self.introspection_cache_tokens_max > 0,
            "the introspection cache must hold at least 1 token",
        );
        check(
            (1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&self.requests_in_flight_max),
            "the limit of requests in flight must be at least 1",
        );
        for (name, rate) in [
            ("address", self.rate_limits.address),
            ("token", self.rate_limits.token),
            ("API key", self.rate_limits.api_key),
        ] {
            let ok = rate.is_none_or(|rate| {
                (1..=RATE_MAX).contains(&rate.per_second) && (1..=RATE_MAX).contains(&rate.burst)
            });
            check(ok, &format!("rate and burst of the {name} limit must be from 1 to {RATE_MAX}"));
        }
        for origin in &self.cors_origins {
            let ok = is_origin(origin) || (origin == "*" && self.cors_origins.len() == 1);
            let problem = format!("`{origin}` is not an origin such as `https://app.example.com`");
            check(ok, &problem);
        }
        problems.extend(self.pool.problems());
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
    }
}

/// Browsers send origins serialised like this (RFC 6454, section 6.2), and compare byte by byte.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    !scheme.is_empty()
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'0'..=b'9' | b'+' | b'-'))
        && !authority.is_empty()
        && !authority.bytes().any(|b| b.is_ascii_uppercase() || b"/\\?#@, *".contains(&b))
        && HeaderValue::from_str(text).is_ok_and(|value| value.to_str().is_ok())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Config), expected: &Expect) {
        let mut config = Config::default();
        change(&mut config);
        expected.assert_eq(&config.validate().err().unwrap_or_default());
    }

    #[test]
    fn the_defaults_and_their_bounds_are_valid() {
        check(|_| {}, &expect![[""]]);
        check(|config| config.rate_limits = RateLimits::OFF, &expect![[""]]);
        check(|config| config.introspection_cache_life = Duration::ZERO, &expect![[""]]);
        check(|config| config.cors_origins = vec!["*".into()], &expect![[""]]);
        let origins = ["https://app.example.com", "http://localhost:3000", "http://[::1]:3000"];
        check(|config| config.cors_origins = origins.map(String::from).to_vec(), &expect![[""]]);
    }

    #[test]
    fn every_bad_setting_has_its_line() {
        check(
            |config| {
                config.body_bytes_max = BODY_BYTES_MAX + 1;
                config.body_timeout = Duration::ZERO;
                config.upstream_timeout = Duration::from_secs(3601);
                config.introspection_timeout = Duration::ZERO;
                config.introspection_cache_life = Duration::from_secs(3601);
                config.introspection_cache_tokens_max = 0;
                config.requests_in_flight_max = 0;
                config.pool = PoolConfig {
                    connect_timeout: Duration::ZERO,
                    try_timeout: Duration::from_secs(3601),
                    circuit_pause_max: Duration::from_millis(1),
                    slow_start: Duration::from_secs(3601),
                    failures_max: 0,
                    retries_max: 11,
                    retry_percent: 101,
                    ..PoolConfig::default()
                };
                config.rate_limits.address = Some(Rate { per_second: 0, burst: 1 });
                config.rate_limits.token = Some(Rate { per_second: 1, burst: RATE_MAX + 1 });
                config.rate_limits.api_key = Some(Rate { per_second: 1, burst: 0 });
                config.cors_origins =
                    ["*", "https://a.example/", "a.example", "https://A.example", "null"]
                        .map(String::from)
                        .to_vec();
            },
            &expect![[r"
                the body limit must be from 1 to 65536 bytes
                the body timeout must be more than zero and at most an hour
                the upstream timeout must be more than zero and at most an hour
                the introspection timeout must be more than zero and at most an hour
                the life of the introspection cache must be at most an hour
                the introspection cache must hold at least 1 token
                the limit of requests in flight must be at least 1
                rate and burst of the address limit must be from 1 to 1000000
                rate and burst of the token limit must be from 1 to 1000000
                rate and burst of the API key limit must be from 1 to 1000000
                `*` is not an origin such as `https://app.example.com`
                `https://a.example/` is not an origin such as `https://app.example.com`
                `a.example` is not an origin such as `https://app.example.com`
                `https://A.example` is not an origin such as `https://app.example.com`
                `null` is not an origin such as `https://app.example.com`
                the connect timeout of upstreams must be more than zero and at most an hour
                the timeout of one try of upstreams must be more than zero and at most an hour
                the longest pause of a circuit must be from the first one to an hour
                the slow start of upstreams must be at most an hour
                the failures that open a circuit must be from 1 to 1000
                a request may be tried at most 10 times more
                the share of retries must be at most 100 percent"]],
        );
    }
}
