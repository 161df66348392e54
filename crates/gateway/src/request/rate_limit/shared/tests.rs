//! Gateways that share their limits on a real Redis that comes and goes.

use std::{net::SocketAddr, time::Duration};

use axum::http::HeaderMap;
use service::{
    clock::{Clock, Timestamp},
    contract::identity::Identity,
    http::{problem::Problem, server::PeerAddress},
    redis::RedisConfig,
};
use tokio::time::timeout;

use super::{
    super::{CallerLimit, RATELIMIT, RATELIMIT_POLICY, RateLimitMetrics, RateLimiters, Standing},
    *,
};
use crate::config::RateLimits;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// So slow that nothing is refilled while a test runs.
const SLOW: Option<Rate> = Some(Rate { per_second: 1, burst: 1000 });

struct OneGateway {
    limiters: RateLimiters,
    redis: Redis,
    metrics: RateLimitMetrics,
}

impl OneGateway {
    async fn start(server: &testing::Redis, address: Option<Rate>, token: Option<Rate>) -> Self {
        let mut config = RedisConfig::new(server.url().parse().unwrap());
        config.retry_pause = Duration::from_millis(50);
        let redis = Redis::start(config, Clock::system());
        let metrics = RateLimitMetrics::default();
        // Its own clock stands still, so its own buckets are never refilled.
        let clock = Clock::held(Timestamp::from_micros(1_000_000));
        let shared = (Some(redis.clone()), metrics.clone());
        let limits = RateLimits { address, token, api_key: None };
        let limiters = RateLimiters::new(limits, &clock, shared.0, shared.1);
        let gateway = Self { limiters, redis, metrics };
        gateway.up().await;
        gateway
    }

    async fn up(&self) {
        timeout(PATIENCE, self.redis.wait_until_up()).await.unwrap();
    }

    /// A request from this address, of a session that is known before.
    async fn send(&self, address: &str, session: Option<i64>) -> (Result<(), Problem>, Standing) {
        let peer = PeerAddress(SocketAddr::new(address.parse().unwrap(), 1));
        let identity = session.map(identity);
        let mut standing = Standing::default();
        let taken = self.limiters.take_address(Some(peer), identity.as_ref(), &mut standing).await;
        (taken, standing)
    }

    async fn left(&self, address: &str) -> Option<u32> {
        let (taken, standing) = self.send(address, None).await;
        taken.ok().and(standing.address)
    }
}

fn identity(session_id: i64) -> Identity {
    Identity::person(1, session_id, Identity::NEVER)
}

async fn two(server: &testing::Redis, address: Option<Rate>) -> (OneGateway, OneGateway) {
    let start = async || OneGateway::start(server, address, None).await;
    (start().await, start().await)
}

#[tokio::test]
async fn gateways_share_one_budget() {
    let server = testing::Redis::start();
    let (a, b) = two(&server, SLOW).await;
    let mut admitted = 0;
    while a.left("192.0.2.1").await.is_some() && b.left("192.0.2.1").await.is_some() {
        admitted += 2;
    }
    // What is refilled meanwhile comes on top.
    assert!((1000..1100).contains(&admitted), "{admitted}");
    assert_eq!(a.left("192.0.2.2").await, Some(999));
    assert_eq!(b.left("192.0.2.2").await, Some(998));
    assert_eq!([a.metrics.fallbacks(), b.metrics.fallbacks()], [0, 0]);
}

#[tokio::test]
async fn a_shared_bucket_counts_as_a_gateways_own_does() {
    let server = testing::Redis::start();
    for rate in [Rate { per_second: 1, burst: 1 }, Rate { per_second: 3, burst: 3 }, SLOW.unwrap()]
    {
        let shared = OneGateway::start(&server, Some(rate), None).await;
        let limits = RateLimits { address: Some(rate), token: None, api_key: None };
        let clock = Clock::held(Timestamp::from_micros(1_000_000));
        let metrics = RateLimitMetrics::default();
        let own = RateLimiters::new(limits, &clock, None, metrics);
        for _ in 0..3 {
            let mut standing = Standing::default();
            let (taken, found) = shared.send(&format!("192.0.2.{}", rate.per_second), None).await;
            let expected = own.take_address(Some(peer(rate)), None, &mut standing).await;
            assert_eq!(taken.map_err(|p| p.kind), expected.map_err(|p| p.kind), "{rate:?}");
            assert_eq!(found, standing, "{rate:?}");
        }
        server.flush_all();
    }
}

fn peer(rate: Rate) -> PeerAddress {
    let address = format!("192.0.2.{}:1", rate.per_second);
    PeerAddress(address.parse().unwrap())
}

#[tokio::test]
async fn a_shared_bucket_refills_and_vanishes_when_it_is_full() {
    let server = testing::Redis::start();
    let fast = Some(Rate { per_second: 100, burst: 2 });
    let gateway = OneGateway::start(&server, fast, None).await;
    while gateway.left("192.0.2.1").await.is_some() {}
    let refilled = async {
        while gateway.left("192.0.2.1").await.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        loop {
            let keys: Vec<String> =
                gateway.redis.call(redis::cmd("KEYS").arg("mypay:rate:*")).await.unwrap();
            if keys.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, refilled).await.unwrap();
}

#[tokio::test]
async fn an_address_and_a_session_take_one_round_trip_and_the_headers_tell_both() {
    let server = testing::Redis::start();
    let gateway = OneGateway::start(
        &server,
        Some(Rate { per_second: 1, burst: 4 }),
        Some(Rate { per_second: 1, burst: 2 }),
    )
    .await;
    let calls = async || {
        let stats: String =
            gateway.redis.call(redis::cmd("INFO").arg("commandstats")).await.unwrap();
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        line.and_then(|line| line.split(',').next()?.parse::<u32>().ok()).unwrap_or(0)
    };
    gateway.send("192.0.2.9", None).await.0.unwrap();
    let before = calls().await;
    let (taken, mut standing) = gateway.send("192.0.2.1", Some(7)).await;
    taken.unwrap();
    gateway.limiters.take_caller(&identity(7), &mut standing).await.unwrap();
    assert_eq!(calls().await, before + 1);
    let mut headers = HeaderMap::new();
    gateway.limiters.tell(standing, &mut headers);
    assert_eq!(headers[RATELIMIT], r#""address";r=3;t=1, "token";r=1;t=1"#);
    assert_eq!(headers[RATELIMIT_POLICY], r#""address";q=4;w=4, "token";q=2;w=2"#);

    gateway.send("192.0.2.2", Some(7)).await.0.unwrap();
    let (refused, standing) = gateway.send("192.0.2.3", Some(7)).await;
    assert_eq!(refused.unwrap_err().kind.code, "rate_limited");
    let mut headers = HeaderMap::new();
    gateway.limiters.tell(standing, &mut headers);
    assert_eq!(headers[RATELIMIT], r#""address";r=3;t=1, "token";r=0;t=1"#);

    // Of an address that has none left, the session is not counted.
    while gateway.send("192.0.2.4", None).await.0.is_ok() {}
    let (refused, standing) = gateway.send("192.0.2.4", Some(8)).await;
    refused.unwrap_err();
    assert_eq!(standing, Standing { address: Some(0), caller: None });
}

#[tokio::test]
async fn a_session_that_was_not_known_before_is_counted_after() {
    let server = testing::Redis::start();
    let start = async || OneGateway::start(&server, None, SLOW).await;
    let (a, b) = (start().await, start().await);
    for (gateway, left) in [(&a, 999), (&b, 998)] {
        let mut standing = Standing::default();
        gateway.limiters.take_address(None, None, &mut standing).await.unwrap();
        gateway.limiters.take_caller(&identity(7), &mut standing).await.unwrap();
        assert_eq!(standing, Standing { address: None, caller: Some((CallerLimit::Token, left)) });
    }
}

#[tokio::test]
async fn without_redis_each_gateway_goes_by_its_own_limits_until_it_is_back() {
    let mut server = testing::Redis::start();
    let (a, b) = two(&server, SLOW).await;
    assert_eq!([a.left("192.0.2.1").await, b.left("192.0.2.1").await], [Some(999), Some(998)]);
    server.kill();
    for left in [999, 998, 997] {
        assert_eq!([a.left("192.0.2.1").await, b.left("192.0.2.1").await], [Some(left); 2]);
    }
    assert_eq!([a.metrics.fallbacks(), b.metrics.fallbacks()], [3, 3]);
    server.restart();
    a.up().await;
    b.up().await;
    assert_eq!([a.left("192.0.2.1").await, b.left("192.0.2.1").await], [Some(999), Some(998)]);
    assert_eq!([a.metrics.fallbacks(), b.metrics.fallbacks()], [3, 3]);
}

#[tokio::test]
async fn a_redis_that_hangs_holds_up_one_request_and_no_longer_than_a_call_may_take() {
    let server = testing::Redis::start();
    let (a, _b) = two(&server, SLOW).await;
    server.stop();
    let started = std::time::Instant::now();
    for left in (900..1000).rev() {
        assert_eq!(a.left("192.0.2.1").await, Some(left));
    }
    // If each waited for Redis, it would be ten seconds.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!(a.metrics.fallbacks(), 100);
    server.resume();
    a.up().await;
    assert!(a.left("192.0.2.1").await > Some(900));
    assert_eq!(a.metrics.fallbacks(), 100);
}
