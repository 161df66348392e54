//! Rate limits by address and by session: a bucket a key (the generic cell rate algorithm), and the
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
    contract::identity::Identity,
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

/// Addresses, and sessions, with a bucket of their own.
const KEYS_MAX: usize = 100_000;

/// Rates are whole requests a second, so a bucket always gains a request within a second. It is the
/// `t` of every answer, and the `Retry-After` of every refusal.
const GAIN_INTERVAL: Duration = Duration::from_secs(1);

/// The limiters; a limit that is off is not there.
pub(crate) struct RateLimiters {
    address: Option<Limiter<Network>>,
    token: Option<Limiter<i64>>,
    limits: RateLimits,
    policies: Policies,
    shared: Option<SharedBuckets>,
    metrics: RateLimitMetrics,
}

/// What a request has left, for the limits that were applied to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    address: Option<u32>,
    token: Option<u32>,
}

type Limiter<K> = RateLimiter<K, BoundedStore<K>, Intervals, StateInformationMiddleware>;

/// The values of `RateLimit-Policy`, written once.
struct Policies {
    address: HeaderValue,
    token: HeaderValue,
    both: HeaderValue,
}

impl RateLimiters {
    /// Limits of this gateway, or, with Redis, of all gateways on it.
    pub(crate) fn new(
        limits: RateLimits,
        clock: &Clock,
        redis: Option<Redis>,
        metrics: RateLimitMetrics,
    ) -> Self {
        let policy = |name, rate: Option<Rate>| {
            rate.map(|Rate { per_second, burst }| {
                format!("\"{name}\";q={burst};w={}", burst.div_ceil(per_second))
            })
        };
        let policies = [policy("address", limits.address), policy("token", limits.token)];
        let [address, token] = policies.map(Option::unwrap_or_default);
        Self {
            address: limits.address.map(|rate| limiter(rate, KEYS_MAX, clock)),
            token: limits.token.map(|rate| limiter(rate, KEYS_MAX, clock)),
            limits,
            shared: redis.map(SharedBuckets::new),
            metrics,
            policies: Policies {
                both: header_value(format!("{address}, {token}")),
                address: header_value(address),
                token: header_value(token),
            },
        }
    }

    /// Counts a request from this address, and if it is known already whose it is, also of that
    /// session: both take one round trip to Redis. Requests without an address, which no server of
    /// ours makes, are one client.
    pub(crate) async fn take_address(
        &self,
        peer: Option<PeerAddress>,
        known: Option<&Identity>,
        standing: &mut Standing,
    ) -> Result<(), Problem> {
        let address = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.0.ip());
        let network = Network::of(address);
        if let Some(shared) = &self.shared {
            let address = self.limits.address.map(|rate| (Client::Address(network), rate));
            let session = known.map(|identity| Client::Session(identity.session_id));
            if let Some(result) = self.take_shared(shared, address, session, standing).await {
                return result;
            }
        }
        let Some(limiter) = &self.address else { return Ok(()) };
        self.metrics.count("address", standing.note_address(take(limiter, &network)))
    }

    /// Counts a request of this session, unless it has been counted together with its address.
    pub(crate) async fn take_token(
        &self,
        identity: &Identity,
        standing: &mut Standing,
    ) -> Result<(), Problem> {
        let Some(limiter) = &self.token else { return Ok(()) };
        if standing.token.is_some() {
            return Ok(());
        }
        if let Some(shared) = &self.shared {
            let session = Some(Client::Session(identity.session_id));
            if let Some(result) = self.take_shared(shared, None, session, standing).await {
                return result;
            }
        }
        let left = take(limiter, &identity.session_id);
        self.metrics.count("token", standing.note_token(left))
    }

    /// Takes from the shared buckets; `None` if Redis does not say whether there is anything left.
    async fn take_shared(
        &self,
        shared: &SharedBuckets,
        address: Option<(Client, Rate)>,
        session: Option<Client>,
        standing: &mut Standing,
    ) -> Option<Result<(), Problem>> {
        let session = session.zip(self.limits.token);
        let bucket = |(of, rate)| Bucket { of, rate };
        let buckets: Vec<_> = address.into_iter().chain(session).map(bucket).collect();
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
            Client::Session(_) => self.metrics.count("token", standing.note_token(left)),
        }))
    }

    /// Tells the client where it stands.
    pub(crate) fn tell(&self, standing: Standing, headers: &mut HeaderMap) {
        let policy = match (standing.address, standing.token) {
            (None, None) => return,
            (Some(_), None) => &self.policies.address,
            (None, Some(_)) => &self.policies.token,
            (Some(_), Some(_)) => &self.policies.both,
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
    }

    /// Whether it pays to know whose a request is before its address is counted.
    pub(crate) fn are_shared(&self) -> bool {
        self.shared.is_some() && self.token.is_some()
    }

    /// Whether there is anything to limit.
    pub(crate) fn are_off(&self) -> bool {
        self.address.is_none() && self.token.is_none()
    }
}

impl Standing {
    fn note_address(&mut self, left: Option<u32>) -> Result<(), Problem> {
        self.address = Some(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| refusal("Too many requests from this address."))
    }

    fn note_token(&mut self, left: Option<u32>) -> Result<(), Problem> {
        self.token = Some(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| refusal("Too many requests with this access token."))
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = GAIN_INTERVAL.as_secs();
        let mut is_first = true;
        for (name, left) in [("address", self.address), ("token", self.token)] {
            let Some(left) = left else { continue };
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
