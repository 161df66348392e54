//! What passes through, what does not, and what every answer has.

use std::sync::atomic::Ordering;

use axum::http::Method;
use expect_test::expect;

use crate::support::{World, get_request, request};

#[tokio::test]
async fn a_request_passes_unchanged_and_its_answer_is_marked() {
    let world = World::start(|_| {});
    let sent = get_request("/things/echo/7?a=b%20c&d", &["host: a", "x-request-id: mine"]);
    let expected = expect![[r"
        200 OK
        cache-control: no-store
        content-length: 81
        content-type: text/plain; charset=utf-8
        x-content-type-options: nosniff
        x-request-id: mine

        GET /things/echo/7?a=b%20c&d
        host: a
        x-request-id: mine
        0 bytes, Anonymous, mine
    "]];
    world.check(sent, &expected).await;
}

#[tokio::test]
async fn a_bad_request_id_is_replaced_everywhere() {
    let world = World::start(|_| {});
    let sent = get_request("/things/echo", &["x-request-id: not mine"]);
    let expected = expect![[r"
        200 OK
        cache-control: no-store
        content-length: 125
        content-type: text/plain; charset=utf-8
        x-content-type-options: nosniff
        x-request-id: MADE

        GET /things/echo
        x-request-id: MADE
        0 bytes, Anonymous, MADE
    "]];
    world.check(sent, &expected).await;
}

#[tokio::test]
async fn an_absolute_uri_arrives_as_its_path() {
    let world = World::start(|_| {});
    let answer = world.send(get_request("http://elsewhere:1/things/echo?a=b", &[])).await;
    assert!(answer.body.starts_with("GET /things/echo?a=b\n"), "{}", answer.body);
}

#[tokio::test]
async fn forged_and_connection_headers_arrive_stripped() {
    let world = World::start(|_| {});
    let sent = get_request(
        "/things/echo",
        &[
            "host: a",
            "authorization: Bearer unknown",
            "connection: x-named, close",
            "x-named: 1",
            "te: trailers",
            "x-my-pay-account-id: 7",
            "my-pay-identity: 7",
            "X-Account-Id: 7",
            "x_user_id: 7",
            "x-authenticated-user: 7",
            "x-forwarded-user: 7",
            "forwarded: for=192.0.2.1",
            "idempotency-key: 7",
        ],
    );
    let expected = expect![[r"
        200 OK
        cache-control: no-store
        content-length: 150
        content-type: text/plain; charset=utf-8
        x-content-type-options: nosniff
        x-request-id: MADE

        GET /things/echo
        host: a
        x-request-id: MADE
        idempotency-key: 7
        0 bytes, Refused, MADE
    "]];
    world.check(sent, &expected).await;
}

#[tokio::test]
async fn a_caller_that_is_there_already_is_replaced() {
    use service::contract::identity::{Caller, Identity};
    let world = World::start(|_| {});
    let expires_at = world.clock.now();
    let forged = Caller::Known(Identity::person(7, 7, expires_at));
    let mut sent = get_request("/things/echo", &[]);
    sent.extensions_mut().insert(forged);
    assert!(world.send(sent).await.body.contains("Anonymous"));
}

#[tokio::test]
async fn headers_of_the_services_connection_do_not_come_back() {
    let world = World::start(|_| {});
    let expected = expect![[r"
        200 OK
        cache-control: max-age=60
        content-length: 0
        content-type: text/plain; charset=utf-8
        x-content-type-options: nosniff
        x-public: 1
        x-request-id: MADE


    "]];
    world.check(get_request("/things/connection", &[]), &expected).await;
}

#[tokio::test]
async fn a_path_without_a_route_is_not_found() {
    let world = World::start(|_| {});
    let expected = expect![[r#"
        404 Not Found
        cache-control: no-store
        content-type: application/problem+json
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:not_found",
        "title":"There is nothing at this path",
        "status":404,
        "detail":"There is nothing at this path",
        "instance":"/thingsandmore",
        "code":"not_found",
        "requestId":"MADE"}
    "#]];
    world.check(get_request("/thingsandmore", &[]), &expected).await;
    for uri in ["/", "/thing", "/Things/echo", "//things/echo", "/livez/", "/things/../things/echo"]
    {
        let answer = world.send(get_request(uri, &[])).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "not_found"), "{uri}");
    }
}

#[tokio::test]
async fn a_path_with_two_readings_says_so() {
    let world = World::start(|_| {});
    let expected = expect![[r#"
        404 Not Found
        cache-control: no-store
        content-type: application/problem+json
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:not_found",
        "title":"There is nothing at this path",
        "status":404,
        "detail":"The path has an empty, `.` or `..` segment, or an escape that hides one.",
        "instance":"/things/%2e%2e/echo",
        "code":"not_found",
        "requestId":"MADE"}
    "#]];
    world.check(get_request("/things/%2e%2e/echo", &[]), &expected).await;
}

#[tokio::test]
async fn odd_forms_of_the_target_are_not_found() {
    let world = World::start(|_| {});
    for (method, uri) in [(Method::OPTIONS, "*"), (Method::CONNECT, "things:443")] {
        let answer = world.send(request(method, uri, &[])).await;
        assert_eq!(answer.status.as_u16(), 404, "{uri}");
    }
}

#[tokio::test]
async fn a_service_answers_for_what_is_below_its_prefix() {
    let world = World::start(|_| {});
    let answer = world.send(get_request("/things/unknown", &[])).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "not_found"));
    let answer = world.send(request(Method::PUT, "/things/private", &[])).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET,HEAD")));
}

#[tokio::test]
async fn a_live_gateway_says_so() {
    let world = World::start(|_| {});
    let expected = expect![[r"
        200 OK
        cache-control: no-store
        content-type: text/plain; charset=utf-8
        x-content-type-options: nosniff
        x-request-id: MADE

        ok
    "]];
    world.check(get_request("/livez", &[]), &expected).await;
    assert_eq!(world.send(request(Method::HEAD, "/livez", &[])).await.status, 200);
    let expected = expect![[r#"
        405 Method Not Allowed
        allow: GET,HEAD
        cache-control: no-store
        content-type: application/problem+json
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:method_not_allowed",
        "title":"The method is not allowed at this path",
        "status":405,
        "detail":"The method is not allowed at this path",
        "instance":"/livez",
        "code":"method_not_allowed",
        "requestId":"MADE"}
    "#]];
    world.check(request(Method::POST, "/livez", &[]), &expected).await;
}

#[tokio::test]
async fn readiness_is_that_of_every_upstream_and_looked_into_once_a_second() {
    let world = World::start(|_| {});
    let expected = expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        x-content-type-options: nosniff
        x-request-id: MADE

        {"status":"ready"}
    "#]];
    world.check(get_request("/readyz", &[]), &expected).await;
    world.behind.is_ready.store(false, Ordering::SeqCst);
    assert_eq!(world.send(get_request("/readyz", &[])).await.status, 200);
    world.clock.advance(std::time::Duration::from_secs(1));
    let expected = expect![[r#"
        503 Service Unavailable
        cache-control: no-store
        content-type: application/json
        x-content-type-options: nosniff
        x-request-id: MADE

        {"status":"not ready"}
    "#]];
    world.check(get_request("/readyz", &[]), &expected).await;
    assert_eq!(world.behind.checks.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_panic_is_one_answer_and_the_gateway_lives_on() {
    let world = World::start(|_| {});
    let expected = expect![[r#"
        500 Internal Server Error
        cache-control: no-store
        content-type: application/problem+json
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:internal_error",
        "title":"Something went wrong on our side",
        "status":500,
        "detail":"Something went wrong on our side",
        "instance":"/things/panic",
        "code":"internal_error",
        "requestId":"MADE"}
    "#]];
    world.check(get_request("/things/panic", &[]), &expected).await;
    assert_eq!(world.send(get_request("/things/echo", &[])).await.status, 200);
}

#[tokio::test]
async fn a_service_that_is_gone_is_unavailable_and_one_that_breaks_off_has_failed() {
    let world = World::start(|_| {});
    let answer = world.send(get_request("/gone", &[])).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "unavailable"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let expected = expect![[r#"
        502 Bad Gateway
        cache-control: no-store
        content-type: application/problem+json
        x-content-type-options: nosniff
        x-request-id: MADE

        {"type":"urn:my-pay:problem:upstream_failed",
        "title":"A service behind the gateway failed",
        "status":502,
        "detail":"The outcome is unknown. Read what it was to change before you send it again.",
        "instance":"/gone/failed",
        "code":"upstream_failed",
        "requestId":"MADE"}
    "#]];
    world.check(request(Method::POST, "/gone/failed", &[]), &expected).await;
}

const FROM_A_PAGE: [&str; 3] = [
    "origin: https://app.example.com",
    "access-control-request-method: POST",
    "access-control-request-headers: authorization,content-type,idempotency-key",
];

#[tokio::test]
async fn a_preflight_is_answered_for_configured_origins() {
    let world = World::start(|config| config.cors_origins = vec!["https://app.example.com".into()]);
    let sent = request(Method::OPTIONS, "/things/echo", &FROM_A_PAGE);
    let expected = expect![[r#"
        200 OK
        access-control-allow-headers: authorization,content-type,idempotency-key,traceparent,tracestate,x-request-id
        access-control-allow-methods: GET,POST,PUT,DELETE
        access-control-allow-origin: https://app.example.com
        access-control-max-age: 3600
        cache-control: no-store
        vary: origin
        x-content-type-options: nosniff
        x-request-id: MADE


    "#]];
    world.check(sent, &expected).await;
    let answer = world.send(get_request("/nowhere", &FROM_A_PAGE[..1])).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    let exposed = [
        "idempotency-replayed",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "x-request-id",
        "location",
        "www-authenticate",
    ];
    assert_eq!(answer.header("access-control-expose-headers"), Some(&*exposed.join(",")));
    let sent = get_request("/things/echo", &["origin: https://elsewhere.example"]);
    assert_eq!(world.send(sent).await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn any_origin_may_be_allowed() {
    let world = World::start(|config| config.cors_origins = vec!["*".into()]);
    let answer = world.send(get_request("/things/echo", &FROM_A_PAGE[..1])).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn without_origins_a_preflight_is_the_services_business() {
    let world = World::start(|_| {});
    let answer = world.send(request(Method::OPTIONS, "/things/private", &FROM_A_PAGE)).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
