//! The limiters on a clock that is held.

use std::net::SocketAddr;

use governor::state::keyed::ShrinkableKeyedStateStore as _;
use service::{clock::Timestamp, contract::scope::Scopes};

use super::*;

fn clock() -> Clock {
    Clock::held(Timestamp::from_micros(1_000_000))
}

fn limits(address: Option<(u32, u32)>, token: Option<(u32, u32)>) -> RateLimits {
    let rate = |(per_second, burst)| Rate { per_second, burst };
    RateLimits { address: address.map(rate), token: token.map(rate), api_key: None }
}

fn own(limits: RateLimits, clock: &Clock) -> RateLimiters {
    RateLimiters::new(limits, clock, None, RateLimitMetrics::default())
}

async fn take_from(limiters: &RateLimiters, address: &str) -> Option<u32> {
    let peer = PeerAddress(SocketAddr::new(address.parse().unwrap(), 1));
    let mut standing = Standing::default();
    let taken = limiters.take_address(Some(peer), None, &mut standing).await;
    assert!(taken.is_ok() || standing.address == Some(0));
    taken.ok().and(standing.address)
}

#[tokio::test]
async fn a_bucket_empties_and_refills_at_its_rate() {
    let clock = clock();
    let limiters = own(limits(Some((2, 3)), None), &clock);
    for left in [Some(2), Some(1), Some(0), None, None] {
        assert_eq!(take_from(&limiters, "192.0.2.1").await, left);
    }
    clock.advance(Duration::from_millis(499));
    assert_eq!(take_from(&limiters, "192.0.2.1").await, None);
    clock.advance(Duration::from_millis(1));
    assert_eq!(take_from(&limiters, "192.0.2.1").await, Some(0));
    clock.advance(Duration::from_mins(1));
    assert_eq!(take_from(&limiters, "192.0.2.1").await, Some(2));
}

#[tokio::test]
async fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
    for (first, second, is_same) in [
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8::1", "2001:db8::2", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("0.0.0.0", "::", false),
    ] {
        let limiters = own(limits(Some((1, 1)), None), &clock());
        assert_eq!(take_from(&limiters, first).await, Some(0));
        assert_eq!(take_from(&limiters, second).await.is_none(), is_same, "{first} {second}");
    }
}

#[tokio::test]
async fn clients_without_an_address_are_one_client() {
    let limiters = own(limits(Some((1, 1)), None), &clock());
    let mut standing = Standing::default();
    limiters.take_address(None, None, &mut standing).await.unwrap();
    let refused = limiters.take_address(None, None, &mut standing).await.unwrap_err();
    assert_eq!(refused.kind, &RATE_LIMITED);
}

#[tokio::test]
async fn the_headers_name_the_limits_that_applied() {
    let identity = Identity::person(1, 2, Identity::NEVER);
    for (address, token, policy, standing) in [
        (None, None, None, None),
        (Some((200, 400)), None, Some(r#""address";q=400;w=2"#), Some(r#""address";r=399;t=1"#)),
        (None, Some((50, 101)), Some(r#""token";q=101;w=3"#), Some(r#""token";r=100;t=1"#)),
        (
            Some((1, 1)),
            Some((1, 2)),
            Some(r#""address";q=1;w=1, "token";q=2;w=2"#),
            Some(r#""address";r=0;t=1, "token";r=1;t=1"#),
        ),
    ] {
        let limiters = own(limits(address, token), &clock());
        let mut found = Standing::default();
        limiters.take_address(None, None, &mut found).await.unwrap();
        limiters.take_caller(&identity, &mut found).await.unwrap();
        let mut headers = HeaderMap::new();
        limiters.tell(found, &mut headers);
        let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!((header(RATELIMIT_POLICY), header(RATELIMIT)), (policy, standing));
        assert_eq!(limiters.are_off(), policy.is_none());
    }
}

/// A backend sends the requests of all its customers from one address.
#[tokio::test]
async fn an_api_key_has_a_limit_of_its_own_in_place_of_the_address() {
    let rate = |per_second, burst| Some(Rate { per_second, burst });
    let limits = RateLimits { address: rate(1, 1), token: rate(1, 1), api_key: rate(3, 3) };
    let limiters = own(limits, &clock());
    let key = |id| Identity::api_key(id, Scopes::NONE, Identity::NEVER);
    let take = async |identity: &Identity| {
        let mut standing = Standing::default();
        limiters.take_address(None, Some(identity), &mut standing).await?;
        limiters.take_caller(identity, &mut standing).await?;
        Ok::<_, Problem>(standing.to_string())
    };
    for left in [2, 1, 0] {
        assert_eq!(take(&key(7)).await.unwrap(), format!(r#""api_key";r={left};t=1"#));
    }
    assert_eq!(take(&key(7)).await.unwrap_err().kind, &RATE_LIMITED);
    assert!(take(&key(8)).await.is_ok(), "each key has its own");
    // The same number is another bucket for a session.
    assert!(take(&Identity::person(1, 7, Identity::NEVER)).await.is_ok());
    // A key that is not known before its address is counted counts for both, once.
    let mut standing = Standing::default();
    let address = limiters.take_address(None, None, &mut standing).await;
    assert!(address.is_err(), "the address was used up by the person");
}

#[tokio::test]
async fn full_buckets_are_forgotten_and_others_kept() {
    let clock = clock();
    let limiters = own(limits(Some((1, 10)), None), &clock);
    let count = |limiters: &RateLimiters| limiters.address.as_ref().unwrap().len();
    for _ in 0..5 {
        take_from(&limiters, "192.0.2.1").await;
    }
    take_from(&limiters, "192.0.2.2").await;
    assert_eq!(count(&limiters), 2);
    clock.advance(Duration::from_secs(3));
    limiters.sweep_once();
    assert_eq!(count(&limiters), 1);
    assert_eq!(take_from(&limiters, "192.0.2.1").await, Some(7));
    clock.advance(Duration::from_mins(1));
    limiters.sweep_once();
    assert_eq!(count(&limiters), 0);
}

#[test]
fn beyond_the_bound_new_keys_share_a_bucket_and_known_ones_keep_theirs() {
    let clock = clock();
    let limiter: Limiter<i64> = limiter(Rate { per_second: 1, burst: 2 }, 2, &clock);
    assert_eq!([1, 2].map(|key| take(&limiter, &key)), [Some(1), Some(1)]);
    assert_eq!([3, 4, 5].map(|key| take(&limiter, &key)), [Some(1), Some(0), None]);
    assert_eq!([1, 2, 1].map(|key| take(&limiter, &key)), [Some(0), Some(0), None]);
    clock.advance(Duration::from_secs(9));
    limiter.retain_recent();
    assert_eq!(limiter.into_state_store().len(), 0);
}
