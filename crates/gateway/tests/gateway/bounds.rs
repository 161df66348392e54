//! The bounds of size, number and time. Those of a body are also tested where they matter, over
//! real connections.

use std::time::Duration;

use axum::{body::Body, extract::Request, http::Method};
use expect_test::expect;

use crate::support::{World, get_request, request};

fn post(bytes: usize) -> Request {
    Request::post("/things/echo").body(Body::from("x".repeat(bytes))).unwrap()
}

#[tokio::test]
async fn a_body_arrives_whole_up_to_the_limit() {
    let world = World::start(|config| config.body_bytes_max = 1000);
    for bytes in [0, 1, 999, 1000] {
        let answer = world.send(post(bytes)).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains(&format!("\n{bytes} bytes, ")), "{}", answer.body);
    }
    let expected = expect![[r#"
        413 Payload Too Large
        cache-control: no-store
        connection: close
        content-type: application/problem+json
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:content_too_large",
        "title":"The body is too large",
        "status":413,
        "detail":"The body may have at most 1000 bytes.",
        "instance":"/things/echo",
        "code":"content_too_large",
        "requestId":"MADE"}
    "#]];
    world.check(post(1001), &expected).await;
}

#[tokio::test]
async fn requests_in_flight_are_bounded() {
    let world = World::start(|config| config.requests_in_flight_max = 2);
    let first = tokio::spawn({
        let (one, two) = (world.gateway.clone(), world.gateway.clone());
        async move {
            use tower::ServiceExt;
            tokio::join!(
                one.oneshot(get_request("/things/gate", &[])),
                two.oneshot(get_request("/things/gate", &[])),
            )
        }
    });
    // Both are in flight once one more is refused.
    let refused = async {
        loop {
            let request = get_request("/things/gone-or-full", &[]);
            let answer = world.send(request).await;
            if answer.status == 503 {
                break answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    expect![[r#"
        503 Service Unavailable
        cache-control: no-store
        content-type: application/problem+json
        retry-after: 1
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:unavailable",
        "title":"The service cannot answer now",
        "status":503,
        "detail":"Too many requests are in flight. Nothing was done: try again.",
        "instance":"/things/gone-or-full",
        "code":"unavailable",
        "requestId":"MADE"}
    "#]]
    .assert_eq(&refused.to_string());
    world.behind.gate.add_permits(2);
    let (Ok(one), Ok(two)) = first.await.unwrap();
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (200, 200));
    assert_eq!(world.send(get_request("/things/echo", &[])).await.status, 200);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up() {
    let world = World::start(|config| {
        config.upstream_timeout = Duration::from_millis(10);
        config.requests_in_flight_max = 1;
    });
    let expected = expect![[r#"
        504 Gateway Timeout
        cache-control: no-store
        content-type: application/problem+json
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:upstream_timeout",
        "title":"A service behind the gateway did not answer in time",
        "status":504,
        "detail":"The outcome is unknown. Read what it was to change before you send it again.",
        "instance":"/things/never",
        "code":"upstream_timeout",
        "requestId":"MADE"}
    "#]];
    world.check(request(Method::POST, "/things/never", &[]), &expected).await;
    let keyed = request(Method::POST, "/things/never", &["idempotency-key: 7"]);
    let keyed = world.send(keyed).await;
    assert!(keyed.body.contains("again with the same Idempotency-Key."), "{}", keyed.body);
    let safe = world.send(get_request("/things/never", &[])).await;
    assert!(safe.body.contains("Nothing was changed: try again."), "{}", safe.body);
    assert_eq!(world.send(get_request("/things/echo", &[])).await.status, 200);
}
