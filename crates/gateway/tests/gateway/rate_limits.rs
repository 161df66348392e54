//! Rate limits by address and by session, and what clients are told of them.

use std::time::Duration;

use expect_test::expect;
use my_pay_gateway::{Rate, RateLimits};

use crate::support::{Answer, World, from_address, get_request};

const ONE_A_SECOND: Option<Rate> = Some(Rate { per_second: 1, burst: 2 });

async fn send(world: &World, uri: &str, address: &str, headers: &[&str]) -> Answer {
    world.send(from_address(get_request(uri, headers), address)).await
}

#[tokio::test]
async fn an_address_is_limited_whatever_it_asks_for() {
    let world = World::start(|config| config.rate_limits.address = ONE_A_SECOND);
    let told = send(&world, "/things/echo", "192.0.2.1:1", &[]).await;
    assert_eq!(told.header("ratelimit-policy"), Some(r#""address";q=2;w=2"#));
    assert_eq!(told.header("ratelimit"), Some(r#""address";r=1;t=1"#));
    assert_eq!(send(&world, "/nowhere", "192.0.2.1:2", &[]).await.status, 404);
    let expected = expect![[r#"
        429 Too Many Requests
        cache-control: no-store
        content-type: application/problem+json
        ratelimit: "address";r=0;t=1
        ratelimit-policy: "address";q=2;w=2
        retry-after: 1
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:rate_limited",
        "title":"Too many requests",
        "status":429,
        "detail":"Too many requests from this address.",
        "instance":"/things/echo",
        "code":"rate_limited",
        "requestId":"MADE"}
    "#]];
    world.check(from_address(get_request("/things/echo", &[]), "192.0.2.1:3"), &expected).await;
    assert_eq!(send(&world, "/things/echo", "192.0.2.2:1", &[]).await.status, 200);
    assert_eq!(send(&world, "/livez", "192.0.2.1:1", &[]).await.status, 200);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(send(&world, "/things/echo", "192.0.2.1:1", &[]).await.status, 200);
}

#[tokio::test]
async fn a_session_is_limited_wherever_it_calls_from() {
    let world = World::start(|config| config.rate_limits.token = ONE_A_SECOND);
    world.issue("mine", 7);
    world.issue("other", 8);
    let mine = ["authorization: Bearer mine"];
    for (address, status, left) in
        [("192.0.2.1:1", 200, 1), ("192.0.2.2:1", 200, 0), ("192.0.2.3:1", 429, 0)]
    {
        let answer = send(&world, "/things/private", address, &mine).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("ratelimit"), Some(&*format!(r#""token";r={left};t=1"#)));
    }
    let other = send(&world, "/things/private", "192.0.2.1:1", &["authorization: Bearer other"]);
    assert_eq!(other.await.status, 200);
    let anonymous = send(&world, "/things/echo", "192.0.2.1:1", &[]).await;
    assert_eq!((anonymous.status.as_u16(), anonymous.header("ratelimit")), (200, None));
}

#[tokio::test]
async fn both_limits_are_told_with_their_defaults() {
    let world = World::start(|config| config.rate_limits = RateLimits::default());
    world.issue("mine", 7);
    let headers = ["authorization: Bearer mine"];
    let answer = send(&world, "/things/private", "192.0.2.1:1", &headers).await;
    let policy = r#""address";q=400;w=2, "token";q=100;w=2"#;
    assert_eq!(answer.header("ratelimit-policy"), Some(policy));
    assert_eq!(answer.header("ratelimit"), Some(r#""address";r=399;t=1, "token";r=99;t=1"#));
}

#[tokio::test]
async fn limits_that_are_off_are_not_mentioned() {
    let world = World::start(|_| {});
    for _ in 0..1000 {
        let answer = send(&world, "/things/echo", "192.0.2.1:1", &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (200, None));
    }
}
