//! From an access token to the `Identity` that a service reads.

use std::{sync::atomic::Ordering, time::Duration};

use expect_test::expect;

use crate::support::{World, get_request};

const MINE: &[&str] = &["authorization: Bearer mine"];

async fn status(world: &World, headers: &[&str]) -> u16 {
    world.send(get_request("/things/private", headers)).await.status.as_u16()
}

#[tokio::test]
async fn a_valid_token_is_its_account() {
    let world = World::start(|_| {});
    world.issue("mine", 7);
    let expected = expect![[r"
        200 OK
        cache-control: no-store
        content-length: 22
        content-type: text/plain; charset=utf-8
        x-content-type-options: nosniff
        x-request-id: MADE

        account 7, session 70
    "]];
    world.check(get_request("/things/private", MINE), &expected).await;
}

#[tokio::test]
async fn no_token_is_asked_for_and_a_bad_one_refused() {
    let world = World::start(|_| {});
    world.issue("mine", 7);
    let expected = expect![[r#"
        401 Unauthorized
        cache-control: no-store
        content-length: 302
        content-type: application/problem+json
        www-authenticate: Bearer realm="my-pay"
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:missing_token",
        "title":"An access token or an API key is required",
        "status":401,
        "detail":"This call needs an access token or an API key: `Authorization: Bearer <token>`.",
        "instance":"/things/private",
        "code":"missing_token",
        "requestId":"MADE"}
    "#]];
    world.check(get_request("/things/private", &[]), &expected).await;
    let expected = expect![[r#"
        401 Unauthorized
        cache-control: no-store
        content-length: 292
        content-type: application/problem+json
        www-authenticate: Bearer realm="my-pay", error="invalid_token"
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:invalid_token",
        "title":"The access token or API key is not valid",
        "status":401,
        "detail":"The access token or API key is malformed, unknown, expired or revoked.",
        "instance":"/things/private",
        "code":"invalid_token",
        "requestId":"MADE"}
    "#]];
    world.check(get_request("/things/private", &["authorization: Bearer other"]), &expected).await;
    for headers in [
        &["authorization: Basic mine"][..],
        &["authorization: Bearer mine", "authorization: Bearer mine"],
        &["authorization: Bearer mine, Bearer mine"],
        &["x-account-id: 7"],
        &["connection: authorization", "authorization: Bearer mine"],
    ] {
        assert_eq!(status(&world, headers).await, 401, "{headers:?}");
    }
}

#[tokio::test]
async fn a_path_that_needs_no_token_is_served_with_a_bad_one() {
    let world = World::start(|_| {});
    let answer = world.send(get_request("/things/echo", MINE)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("Refused") && !answer.body.contains("mine"), "{}", answer.body);
}

#[tokio::test]
async fn a_busy_token_is_asked_for_once_in_its_life() {
    let world = World::start(|_| {});
    world.issue("mine", 7);
    for _ in 0..10 {
        assert_eq!(status(&world, MINE).await, 200);
    }
    assert_eq!(world.tokens.asked(), 1);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(status(&world, MINE).await, 200);
    assert_eq!(world.tokens.asked(), 2);
}

#[tokio::test]
async fn a_token_ends_on_time() {
    let world = World::start(|config| config.introspection_cache_life = Duration::from_hours(1));
    world.issue("mine", 7);
    world.clock.advance(Duration::from_secs(3599));
    assert_eq!(status(&world, MINE).await, 200);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(status(&world, MINE).await, 401);
}

#[tokio::test]
async fn a_revoked_token_is_refused_although_it_is_remembered() {
    let world = World::start(|_| {});
    world.issue("mine", 7);
    assert_eq!(status(&world, MINE).await, 200);
    world.tokens.revoke("mine");
    // The clock stands still, so that nothing but the revocation can end what is remembered. It has
    // been sent, and is heard as soon as the gateway's listener gets its turn.
    let refused = async {
        while status(&world, MINE).await == 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    assert_eq!(status(&world, MINE).await, 401);
}

#[tokio::test]
async fn without_an_answer_about_a_token_nothing_is_decided() {
    let world = World::start(|_| {});
    world.tokens.is_available.store(false, Ordering::SeqCst);
    let expected = expect![[r#"
        503 Service Unavailable
        cache-control: no-store
        content-type: application/problem+json
        retry-after: 1
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:unavailable",
        "title":"The service cannot answer now",
        "status":503,
        "detail":"The service cannot answer now",
        "instance":"/things/echo",
        "code":"unavailable",
        "requestId":"MADE"}
    "#]];
    world.check(get_request("/things/echo", MINE), &expected).await;
    assert_eq!(world.send(get_request("/things/echo", &[])).await.status, 200);
}

#[tokio::test]
async fn an_api_key_acts_for_the_account_that_it_names() {
    let world = World::start(|_| {});
    world.issue_key("key", 3);
    world.issue("mine", 7);
    for (token, named, status, said) in [
        ("key", &[][..], 200, "account 0, key 3"),
        ("key", &["my-pay-account: 9"], 200, "account 9, key 3"),
        ("key", &["my-pay-account:  9 "], 200, "account 9, key 3"),
        ("key", &["my-pay-account: 10000"], 404, "account_not_found"),
        ("key", &["my-pay-account: 09"], 400, "invalid_id"),
        ("key", &["my-pay-account: 0"], 400, "invalid_id"),
        ("key", &["my-pay-account: -9"], 400, "invalid_id"),
        ("key", &["my-pay-account: 9007199254740992"], 400, "invalid_id"),
        ("key", &["my-pay-account: 9, 10"], 400, "invalid_id"),
        ("key", &["my-pay-account: 9", "my-pay-account: 9"], 400, "repeated_field"),
        ("key", &["my_pay_account: 9"], 200, "account 0, key 3"),
        ("mine", &["my-pay-account: 7"], 200, "account 7, session 70"),
        ("mine", &["my-pay-account: 8"], 403, "account_forbidden"),
        ("mine", &["my-pay-account: x"], 400, "invalid_id"),
        ("unknown", &["my-pay-account: 7"], 401, "invalid_token"),
    ] {
        let bearer = format!("authorization: Bearer {token}");
        let headers: Vec<_> = named.iter().copied().chain([&*bearer]).collect();
        let answer = world.send(get_request("/things/private", &headers)).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
        assert!(answer.body.contains(said), "{headers:?}: {}", answer.body);
    }
}

/// What services see is the identity, and nothing that a client wrote.
#[tokio::test]
async fn the_name_of_the_account_ends_at_the_gateway() {
    let world = World::start(|_| {});
    world.issue_key("key", 3);
    let headers = ["authorization: Bearer key", "my-pay-account: 9"];
    let answer = world.send(get_request("/things/echo", &headers)).await;
    assert!(!answer.body.contains("my-pay-account"), "{}", answer.body);
    assert!(
        answer.body.contains("asker: ApiKey { id: 3 }, account_id: Some(9)"),
        "{}",
        answer.body
    );
}
