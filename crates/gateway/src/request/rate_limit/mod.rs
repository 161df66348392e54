//! Rate limits by address, by session and by API key: a bucket each (the generic cell rate
//! algorithm), and the
//! headers that tell clients where they stand (draft-ietf-httpapi-ratelimit-headers-10). Gateways
//! that run apart share their buckets through Redis; where it fails, each goes by its own.

mod metrics;
mod shared;
mod store;

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::{Quota, RateLimiter, clock, middleware::StateInformationMiddleware};
use service::{
    clock::Clock,
    contract::identity::{Asker, Identity},
    http::{
        network::Network,
        problem::{Problem, RATE_LIMITED},
        server::PeerAddress,
    },
    redis::Redis,
};

pub use self::metrics::RateLimitMetrics;
use self::{
    shared::{Bucket, Client, SharedBuckets},
    store::BoundedStore,
};
use crate::config::{Rate, RateLimits};

/// `"policy";r=requests left;t=seconds until there are more`, for each policy that applied.
pub(crate) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// `"policy";q=requests;w=seconds in which that many become available`.
pub(crate) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Addresses, sessions, and API keys, with a bucket of their own.
const KEYS_MAX: usize = 100_000;

/// Rates are whole requests a second, so a bucket always gains a request within a second. It is the
/// `t` of every answer, and the `Retry-After` of every refusal.
const GAIN_INTERVAL: Duration = Duration::from_secs(1);

/// The limiters; a limit that is off is not there.
pub(crate) struct RateLimiters {
    address: Option<Limiter<Network>>,
    token: Option<Limiter<i64>>,
    api_key: Option<Limiter<i64>>,
    limits: RateLimits,
    policies: Policies,
    shared: Option<SharedBuckets>,
    metrics: RateLimitMetrics,
}

/// What a request has left, for the limits that were applied to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    address: Option<u32>,
    caller: Option<(CallerLimit, u32)>,
}

/// Which of the limits applies to a caller who is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallerLimit {
    Token,
    ApiKey,
}

type Limiter<K> = RateLimiter<K, BoundedStore<K>, Intervals, StateInformationMiddleware>;

/// The values of `RateLimit-Policy`, written once.
struct Policies {
    address: HeaderValue,
    token: HeaderValue,
    api_key: HeaderValue,
    address_and_token: HeaderValue,
    address_and_api_key: HeaderValue,
}

impl Policies {
    fn of(limits: &RateLimits) -> Self {
        let policy = |name, rate: Option<Rate>| {
            let rate = rate.map(|Rate { per_second, burst }| {
                format!("\"{name}\";q={burst};w={}", burst.div_ceil(per_second))
            });
            rate.unwrap_or_default()
        };
        let address = policy("address", limits.address);
        let token = policy("token", limits.token);
        let api_key = policy("api_key", limits.api_key);
        Self {
            address_and_token: header_value(format!("{address}, {token}")),
            address_and_api_key: header_value(format!("{address}, {api_key}")),
            address: header_value(address),
            token: header_value(token),
            api_key: header_value(api_key),
        }
    }
}

impl RateLimiters {
    /// Limits of this gateway, or, with Redis, of all gateways on it.
    pub(crate) fn new(
        limits: RateLimits,
        clock: &Clock,
        redis: Option<Redis>,
        metrics: RateLimitMetrics,
    ) -> Self {
        Self {
            address: limits.address.map(|rate| limiter(rate, KEYS_MAX, clock)),
            token: limits.token.map(|rate| limiter(rate, KEYS_MAX, clock)),
            api_key: limits.api_key.map(|rate| limiter(rate, KEYS_MAX, clock)),
            policies: Policies::of(&limits),
            limits,
            shared: redis.map(SharedBuckets::new),
            metrics,
        }
    }

    /// Counts a request from this address, and if it is known already whose it is, also of that
    /// session: both take one round trip to Redis. Requests without an address, which no server of
    /// ours makes, are one client. A backend sends the requests of all its customers from few
    /// addresses: those of a known API key count for the key alone.
    pub(crate) async fn take_address(
        &self,
        peer: Option<PeerAddress>,
        known: Option<&Identity>,
        standing: &mut Standing,
    ) -> Result<(), Problem> {
        if known.is_some_and(|known| matches!(known.asker, Asker::ApiKey { .. })) {
            return Ok(());
        }
        let address = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.0.ip());
        let network = Network::of(address);
        if let Some(shared) = &self.shared {
            let address = self.limits.address.map(|rate| (Client::Address(network), rate));
            let caller = known.and_then(|known| self.bucket_of(known.asker));
            if let Some(result) = self.take_shared(shared, address, caller, standing).await {
                return result;
            }
        }
        let Some(limiter) = &self.address else { return Ok(()) };
        self.metrics.count("address", standing.note_address(take(limiter, &network)))
    }

    /// Counts a request of this session or API key, unless it has been counted together with its
    /// address.
    pub(crate) async fn take_caller(
        &self,
        identity: &Identity,
        standing: &mut Standing,
    ) -> Result<(), Problem> {
        let (limit, limiter, id) = match identity.asker {
            Asker::Person { session_id, .. } => (CallerLimit::Token, &self.token, session_id),
            Asker::ApiKey { id } => (CallerLimit::ApiKey, &self.api_key, id),
        };
        let Some(limiter) = limiter else { return Ok(()) };
        if standing.caller.is_some() {
            return Ok(());
        }
        if let Some(shared) = &self.shared {
            let caller = self.bucket_of(identity.asker);
            if let Some(result) = self.take_shared(shared, None, caller, standing).await {
                return result;
            }
        }
        let left = take(limiter, &id);
        self.metrics.count(limit.name(), standing.note_caller(limit, left))
    }

    /// The shared bucket of a caller, if there is a limit for it.
    fn bucket_of(&self, asker: Asker) -> Option<(Client, Rate)> {
        match asker {
            Asker::Person { session_id, .. } => {
                Some(Client::Session(session_id)).zip(self.limits.token)
            }
            Asker::ApiKey { id } => Some(Client::ApiKey(id)).zip(self.limits.api_key),
        }
    }

    /// Takes from the shared buckets; `None` if Redis does not say whether there is anything left.
    async fn take_shared(
        &self,
        shared: &SharedBuckets,
        address: Option<(Client, Rate)>,
        caller: Option<(Client, Rate)>,
        standing: &mut Standing,
    ) -> Option<Result<(), Problem>> {
        let bucket = |(of, rate)| Bucket { of, rate };
        let buckets: Vec<_> = address.into_iter().chain(caller).map(bucket).collect();
        if buckets.is_empty() {
            return Some(Ok(()));
        }
        let Ok(taken) = shared.take(&buckets).await else {
            // The client has logged the failure itself.
            self.metrics.count_fallback();
            return None;
        };
        let mut taken = buckets.iter().zip(taken);
        Some(taken.try_for_each(|(bucket, left)| match bucket.of {
            Client::Address(_) => self.metrics.count("address", standing.note_address(left)),
            Client::Session(_) => {
                self.metrics.count("token", standing.note_caller(CallerLimit::Token, left))
            }
            Client::ApiKey(_) => {
                self.metrics.count("api_key", standing.note_caller(CallerLimit::ApiKey, left))
            }
        }))
    }

    /// Tells the client where it stands.
    pub(crate) fn tell(&self, standing: Standing, headers: &mut HeaderMap) {
        let policies = &self.policies;
        let policy = match (standing.address, standing.caller) {
            (None, None) => return,
            (Some(_), None) => &policies.address,
            (None, Some((CallerLimit::Token, _))) => &policies.token,
            (None, Some((CallerLimit::ApiKey, _))) => &policies.api_key,
            (Some(_), Some((CallerLimit::Token, _))) => &policies.address_and_token,
            (Some(_), Some((CallerLimit::ApiKey, _))) => &policies.address_and_api_key,
        };
        headers.insert(RATELIMIT_POLICY, policy.clone());
        headers.insert(RATELIMIT, header_value(standing.to_string()));
    }

    /// Forgets the keys whose buckets are full again, until the future is dropped.
    pub(crate) async fn sweep(&self) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sweep_once();
        }
    }

    fn sweep_once(&self) {
        self.address.iter().for_each(Limiter::retain_recent);
        self.token.iter().for_each(Limiter::retain_recent);
        self.api_key.iter().for_each(Limiter::retain_recent);
    }

    /// Whether there is anything to limit.
    pub(crate) fn are_off(&self) -> bool {
        self.address.is_none() && self.token.is_none() && self.api_key.is_none()
    }
}

impl Standing {
    fn note_address(&mut self, left: Option<u32>) -> Result<(), Problem> {
        self.address = Some(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| refusal("Too many requests from this address."))
    }

    fn note_caller(&mut self, limit: CallerLimit, left: Option<u32>) -> Result<(), Problem> {
        self.caller = Some((limit, left.unwrap_or(0)));
        left.map(drop).ok_or_else(|| {
            refusal(match limit {
                CallerLimit::Token => "Too many requests with this access token.",
                CallerLimit::ApiKey => "Too many requests with this API key.",
            })
        })
    }
}

impl CallerLimit {
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::ApiKey => "api_key",
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = GAIN_INTERVAL.as_secs();
        let mut is_first = true;
        let address = self.address.map(|left| ("address", left));
        let caller = self.caller.map(|(limit, left)| (limit.name(), left));
        for (name, left) in address.into_iter().chain(caller) {
            if !std::mem::take(&mut is_first) {
                f.write_str(", ")?;
            }
            write!(f, "\"{name}\";r={left};t={seconds}")?;
        }
        Ok(())
    }
}

/// Our clock as the algorithm reads it.
struct Intervals(Clock);

impl clock::Clock for Intervals {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

fn limiter<K: store::Key>(rate: Rate, keys_max: usize, clock: &Clock) -> Limiter<K> {
    // `Config::validate` has refused zeros.
    let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::per_second(positive(rate.per_second)).allow_burst(positive(rate.burst));
    RateLimiter::new(quota, BoundedStore::new(keys_max), Intervals(clock.clone()))
}

/// How many more requests the key has, or `None` if it has not even this one.
fn take<K: store::Key>(limiter: &Limiter<K>, key: &K) -> Option<u32> {
    limiter.check_key(key).ok().map(|state| state.remaining_burst_capacity())
}

fn refusal(detail: &'static str) -> Problem {
    Problem::new(&RATE_LIMITED).detail(detail).retry_after(GAIN_INTERVAL)
}

fn header_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("names of policies and numbers are visible ASCII")
}

#[cfg(test)]
mod tests;
