//! Settings of the gateway.

use std::time::Duration;

use gateway::{Config, PoolConfig, Rate, RateLimits};
use serde::Serialize;

/// The gateway.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct GatewayConfig {
    /// Largest request body, in bytes. 1 to 65,536.
    #[config(env = "MY_PAY_GATEWAY_BODY_BYTES_MAX", default = 65_536)]
    pub body_bytes_max: usize,

    /// How long a body may take to arrive after its head.
    #[config(env = "MY_PAY_GATEWAY_BODY_TIMEOUT_MS", default = 10_000)]
    pub body_timeout_ms: u64,

    /// How long a service may take to answer.
    #[config(env = "MY_PAY_GATEWAY_UPSTREAM_TIMEOUT_MS", default = 30_000)]
    pub upstream_timeout_ms: u64,

    /// Requests given to services at once; more are answered 503.
    #[config(env = "MY_PAY_GATEWAY_REQUESTS_IN_FLIGHT_MAX", default = 4_096)]
    pub requests_in_flight_max: usize,

    /// Requests a second that one address (IPv4, or IPv6 /64) may make in the long run.
    #[config(env = "MY_PAY_GATEWAY_ADDRESS_REQUESTS_PER_SECOND", default = 200)]
    pub address_requests_per_second: u32,

    /// Requests that one address may make at once.
    #[config(env = "MY_PAY_GATEWAY_ADDRESS_REQUESTS_BURST", default = 400)]
    pub address_requests_burst: u32,

    /// Requests a second that one session may make in the long run.
    #[config(env = "MY_PAY_GATEWAY_TOKEN_REQUESTS_PER_SECOND", default = 50)]
    pub token_requests_per_second: u32,

    /// Requests that one session may make at once.
    #[config(env = "MY_PAY_GATEWAY_TOKEN_REQUESTS_BURST", default = 100)]
    pub token_requests_burst: u32,

    /// Requests a second that one API key may make in the long run. They are not counted by
    /// address.
    #[config(env = "MY_PAY_GATEWAY_API_KEY_REQUESTS_PER_SECOND", default = 1_000)]
    pub api_key_requests_per_second: u32,

    /// Requests that one API key may make at once.
    #[config(env = "MY_PAY_GATEWAY_API_KEY_REQUESTS_BURST", default = 2_000)]
    pub api_key_requests_burst: u32,

    /// How long a valid token is taken for valid without asking again. Revocations take effect at
    /// once.
    #[config(env = "MY_PAY_GATEWAY_INTROSPECTION_CACHE_LIFE_MS", default = 5_000)]
    pub introspection_cache_life_ms: u64,

    /// Tokens remembered at once.
    #[config(env = "MY_PAY_GATEWAY_INTROSPECTION_CACHE_TOKENS_MAX", default = 100_000)]
    pub introspection_cache_tokens_max: u64,

    /// How long to wait for the account service's word on a token.
    #[config(env = "MY_PAY_GATEWAY_INTROSPECTION_TIMEOUT_MS", default = 2_000)]
    pub introspection_timeout_ms: u64,

    /// How long a service that runs apart may be silent before a request that may be repeated is
    /// given to another of its instances.
    #[config(env = "MY_PAY_GATEWAY_UPSTREAM_TRY_TIMEOUT_MS", default = 5_000)]
    pub upstream_try_timeout_ms: u64,

    /// Times that such a request is tried once more. 0 to 10.
    #[config(env = "MY_PAY_GATEWAY_UPSTREAM_RETRIES_MAX", default = 2)]
    pub upstream_retries_max: u32,

    /// How often each instance is asked whether it is ready. Much less than
    /// `server.drain_delay_ms`.
    #[config(env = "MY_PAY_GATEWAY_UPSTREAM_HEALTH_INTERVAL_MS", default = 1_000)]
    pub upstream_health_interval_ms: u64,

    /// How long an instance that has become ready takes to get its full share of requests.
    #[config(env = "MY_PAY_GATEWAY_UPSTREAM_SLOW_START_MS", default = 5_000)]
    pub upstream_slow_start_ms: u64,

    /// Origins whose pages may call the API from a browser (CORS), such as
    /// `https://app.example.com`, or only `*` for all. In the variable, separated by commas.
    #[config(
        env = "MY_PAY_GATEWAY_CORS_ORIGINS",
        parse_env = crate::config::given::list,
        default = []
    )]
    pub cors_origins: Vec<String>,
}

impl GatewayConfig {
    pub(super) fn to_gateway(&self, limited: bool) -> Config {
        let rate = |per_second, burst| limited.then_some(Rate { per_second, burst });
        Config {
            body_bytes_max: self.body_bytes_max,
            body_timeout: Duration::from_millis(self.body_timeout_ms),
            upstream_timeout: Duration::from_millis(self.upstream_timeout_ms),
            requests_in_flight_max: self.requests_in_flight_max,
            rate_limits: RateLimits {
                address: rate(self.address_requests_per_second, self.address_requests_burst),
                token: rate(self.token_requests_per_second, self.token_requests_burst),
                api_key: rate(self.api_key_requests_per_second, self.api_key_requests_burst),
            },
            introspection_cache_life: Duration::from_millis(self.introspection_cache_life_ms),
            introspection_cache_tokens_max: self.introspection_cache_tokens_max,
            introspection_timeout: Duration::from_millis(self.introspection_timeout_ms),
            cors_origins: self.cors_origins.clone(),
            pool: PoolConfig {
                try_timeout: Duration::from_millis(self.upstream_try_timeout_ms),
                retries_max: self.upstream_retries_max,
                health_interval: Duration::from_millis(self.upstream_health_interval_ms),
                slow_start: Duration::from_millis(self.upstream_slow_start_ms),
                ..PoolConfig::default()
            },
        }
    }
}
