//! Each kind of declaration, with each kind of caller.

use axum::{Router, body::Body, middleware, routing::get};
use hyper::StatusCode;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{clock::Timestamp, http::finish::finish};

const END: Timestamp = Timestamp::from_micros(i64::MAX);

fn document(security: &Value) -> OpenApi {
    let mut operation = json!({ "responses": {} });
    if !security.is_null() {
        operation["security"] = security.clone();
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "t", "version": "1" },
        "paths": { "/things/{id}": { "get": operation } },
    });
    serde_json::from_value(document).unwrap()
}

/// What a caller gets of a call with this security: the status, and the missing scope.
async fn ask(security: &Value, caller: Caller, more_for_people: Scopes) -> (u16, Option<String>) {
    let access = Access::of(&document(security), more_for_people);
    let router = Router::new()
        .route("/things/{id}", get(|| async { "done" }))
        .route_layer(middleware::from_fn_with_state(access, enforce))
        .layer(middleware::from_fn(finish));
    let request = Request::get("/things/7").extension(caller).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let challenge = response.headers().get("www-authenticate").cloned();
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    if status != StatusCode::FORBIDDEN {
        return (status.as_u16(), None);
    }
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["code"], "insufficient_scope");
    let scope = problem["scope"].as_str().unwrap().to_owned();
    assert!(problem["detail"].as_str().unwrap().contains(&format!("`{scope}`")), "{problem}");
    let expected = format!(r#"Bearer realm="my-pay", error="insufficient_scope", scope="{scope}""#);
    assert_eq!(challenge.unwrap(), expected.as_str());
    (403, Some(scope))
}

fn person() -> Caller {
    Caller::Known(Identity::person(10_001, 1, END))
}

fn key(scopes: &[Scope]) -> Caller {
    Caller::Known(Identity::api_key(1, Scopes::of(scopes), END))
}

#[tokio::test]
async fn what_is_declared_is_what_is_allowed() {
    let public = json!([{}]);
    let both = json!([{ "bearer": ["wallets:read"] }, { "api_key": ["wallets:read"] }]);
    let keys = json!([{ "api_key": ["operate"] }]);
    let people = json!([{ "bearer": ["accounts:write"] }]);
    let funding = json!([{ "bearer": ["money:fund"] }, { "api_key": ["money:fund"] }]);
    let reading = json!([{ "api_key": ["wallets:read"] }, { "api_key": ["books:read"] }]);
    let all_but = |scope| Scopes::ALL.iter().filter(|one| *one != scope).collect::<Vec<_>>();
    for (security, caller, status, missing) in [
        (&public, Caller::Anonymous, 200, None),
        (&public, Caller::Refused, 200, None),
        (&both, Caller::Anonymous, 401, None),
        (&both, Caller::Refused, 401, None),
        (&both, person(), 200, None),
        (&both, key(&[Scope::WalletsRead]), 200, None),
        (&both, key(&[]), 403, Some("wallets:read")),
        (&both, key(&all_but(Scope::WalletsRead)), 403, Some("wallets:read")),
        (&keys, person(), 403, Some("operate")),
        (&keys, key(&all_but(Scope::Operate)), 403, Some("operate")),
        (&keys, key(&[Scope::Operate]), 200, None),
        (&people, person(), 200, None),
        (&people, key(Scope::ALL), 403, Some("accounts:write")),
        (&funding, person(), 403, Some("money:fund")),
        (&funding, key(&[Scope::MoneyFund]), 200, None),
        (&reading, key(&[Scope::BooksRead]), 200, None),
        (&reading, key(&[Scope::Operate]), 403, Some("wallets:read")),
    ] {
        let answer = ask(security, caller, Scopes::NONE).await;
        assert_eq!(answer, (status, missing.map(str::to_owned)), "{security} {caller:?}");
    }
}

#[tokio::test]
async fn a_service_may_give_people_more() {
    let funding = json!([{ "bearer": ["money:fund"] }, { "api_key": ["money:fund"] }]);
    let more = Scopes::of(&[Scope::MoneyFund]);
    assert_eq!(ask(&funding, person(), more).await.0, 200);
    // Not to keys, which have what they were given.
    assert_eq!(ask(&funding, key(&[]), more).await.0, 403);
}

#[test]
fn a_call_without_a_clear_declaration_is_not_served() {
    for security in [
        json!(null),
        json!([]),
        json!([{ "bearer": [] }]),
        json!([{ "bearer": ["wallets:mint"] }]),
        json!([{ "bearer": ["wallets:read", "money:send"] }]),
        json!([{ "bearer": ["wallets:read"], "api_key": ["wallets:read"] }]),
        json!([{ "cookie": ["wallets:read"] }]),
    ] {
        let made = std::panic::catch_unwind(|| Access::of(&document(&security), Scopes::NONE));
        assert!(made.is_err(), "{security}");
    }
}

/// What is not in the document is served to no caller, be it a path or a method.
#[tokio::test]
async fn a_route_beside_the_document_is_closed() {
    let access = Access::of(&document(&json!([{}])), Scopes::NONE);
    let router = Router::new()
        .route("/others", get(|| async { "done" }))
        .route("/things/{id}", get(|| async { "done" }).post(|| async { "done" }))
        .route_layer(middleware::from_fn_with_state(access, enforce));
    let ask = async |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(path).extension(key(Scope::ALL));
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    assert_eq!(ask(Method::GET, "/others").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 405), ("PUT", 405)] {
        let response = ask(method.parse().unwrap(), "/things/7").await;
        assert_eq!(response.status(), status, "{method}");
        let allow = response.headers().get("allow").map(|allow| allow.to_str().unwrap());
        assert_eq!(allow, (status == 405).then_some("GET,HEAD"), "{method}");
    }
}

#[test]
fn the_document_says_it_in_words_and_names_the_header() {
    let mut document = document(&json!([
        { "bearer": ["money:fund"] }, { "api_key": ["money:fund"] }
    ]));
    describe(&mut document);
    let json = serde_json::to_value(document).unwrap();
    let call = &json["paths"]["/things/{id}"]["get"];
    assert_eq!(
        call["description"],
        "For people with the scope `money:fund`, if the service gives it to them; API keys with \
         the scope `money:fund`."
    );
    assert_eq!(call["parameters"][0]["name"], "My-Pay-Account");
    assert_eq!(call["parameters"][0]["in"], "header");
}
