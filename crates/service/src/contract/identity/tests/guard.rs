//! What gets through to a service's routes, and as what.

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    middleware,
    response::Response,
    routing::{any, get},
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::http::{finish::finish, request_id::RequestId};

fn service() -> Router {
    let say = |caller: Option<Extension<Caller>>,
               request_id: Option<Extension<RequestId>>,
               request: axum::extract::Request| async move {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert!(!parts.headers.contains_key(X_MY_PAY_IDENTITY), "taken out");
        let caller = caller.map(|Extension(caller)| caller);
        let request_id = request_id.map(|Extension(id)| id.as_str().to_owned());
        format!("{caller:?} {:?} {}", request_id.unwrap_or_default(), body.len())
    };
    Router::new()
        .route("/money/v1/transfers", any(say))
        .route("/money/v1/open", any(say))
        .route("/money/health/ping", any(say))
        .route("/money/docs/{*page}", any(say))
        .route("/livez", get(say))
        .layer(middleware::from_fn(finish))
}

fn guarded() -> Router {
    let verifier = Verifier::new(keys(&[("a", SECRET)]), Party::Money, Clock::held(NOW));
    guard(service(), verifier, "/money")
}

async fn send(router: Router, parts: Parts, body: impl Into<Body>) -> (u16, String, Response<()>) {
    let request = Request::from_parts(parts, body.into());
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let status = parts.status.as_u16();
    (status, String::from_utf8(body.to_vec()).unwrap(), Response::from_parts(parts, ()))
}

fn get_parts(path: &str) -> Parts {
    Request::get(path).body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn what_is_signed_arrives_as_the_extension() {
    for (subject, shown) in [
        (
            known(),
            "Some(Known(Identity { asker: Person { account_id: 10007, session_id: 8 }, \
             account_id: Some(10007), scopes: Scopes(accounts:read accounts:write wallets:read \
             wallets:write money:send), expires_at: Timestamp(1234567890123456) })) \
             \"order-7\" 12",
        ),
        (Subject::Caller(Caller::Anonymous), "Some(Anonymous) \"order-7\" 12"),
        (Subject::Caller(Caller::Refused), "Some(Refused) \"order-7\" 12"),
    ] {
        let mut world = World::signed(subject);
        // What a client may not choose although it is not part of the digest.
        world.request.headers.insert("x-request-id", HeaderValue::from_static("another"));
        world.request.uri = "/money/v1/transfers?dry=1".parse().unwrap();
        let (status, text, _) = send(guarded(), world.request, BODY).await;
        assert_eq!((status, text.as_str()), (200, shown));
    }
}

#[tokio::test]
async fn nothing_else_gets_anywhere() {
    let (status, text, response) = send(guarded(), get_parts("/money/v1/open"), "").await;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &document["code"]), (401, &"untrusted_identity".into()));
    assert_eq!(document["detail"], "This service is reached through the gateway only.");
    assert!(is_refusal(response.status(), response.headers()), "the gateway can tell");
    // Which paths exist is not for them to learn either.
    let (status, unknown, _) = send(guarded(), get_parts("/money/v1/unknown"), "").await;
    assert_eq!((status, unknown.contains("untrusted_identity")), (401, true));

    let mut other_path = World::signed(known());
    other_path.request.uri = "/money/v1/open".parse().unwrap();
    let mut other_body = World::signed(known());
    other_body.body = b"{}".to_vec();
    let of_a_service = World::signed(Subject::Service);
    for world in [other_path, other_body, of_a_service] {
        let (status, same, _) = send(guarded(), world.request, world.body).await;
        let same: serde_json::Value = serde_json::from_str(&same).unwrap();
        assert_eq!((status, &same["code"]), (401, &document["code"]), "no hint about the reason");
        assert_eq!(same["detail"], document["detail"]);
    }
}

/// A holder of a key that is not the gateway may not speak for callers.
#[tokio::test]
async fn only_the_gateway_speaks_for_callers() {
    let mut world = World::signed(known());
    world.set_claims(r#""iss":"gateway""#, r#""iss":"account""#);
    assert_eq!(send(guarded(), world.request, BODY).await.0, 401);
}

#[tokio::test]
async fn health_and_documentation_are_open_and_believe_nothing() {
    for path in ["/livez", "/money/health/ping", "/money/docs/index.html", "/money/docs/../v1/open"]
    {
        let mut parts = get_parts(path);
        let forged = HeaderValue::from_static("forged");
        parts.headers.insert(X_MY_PAY_IDENTITY, forged);
        let (status, text, _) = send(guarded(), parts, "").await;
        assert_eq!((status, text.starts_with("None ")), (200, true), "{path} {text}");
    }
    for path in ["/money/docsx", "/money/health/ping/x", "/accounts/docs/index.html", "/livez/"] {
        assert_eq!(send(guarded(), get_parts(path), "").await.0, 401, "{path}");
    }
}

/// The signature comes before the body: whoever has none cannot make the service wait or store.
#[tokio::test]
async fn no_body_is_read_for_a_stranger() {
    let never = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<hyper::body::Frame<Bytes>, std::convert::Infallible>,
    >());
    let answer = send(guarded(), request(), Body::new(never));
    let (status, ..) = tokio::time::timeout(Duration::from_secs(5), answer).await.expect("at once");
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let body = vec![b' '; 64 * 1024 + 1];
    let mut parts = request();
    let signer = Signer::new(keys(&[("a", SECRET)]), Party::Gateway, Clock::held(NOW));
    let identity = signer.sign(known(), Party::Money, &parts, &body);
    parts.headers.insert(X_MY_PAY_IDENTITY, identity);
    assert_eq!(send(guarded(), parts, body).await.0, 413);
}
