//! Who may not do what.

use axum::body::Body;
use http::{Method, Request, header::CONTENT_TYPE};
use serde_json::{Value, json};
use service::contract::{
    identity::{Caller, Identity},
    introspection::{Introspection as _, TokenDigest},
};

use crate::harness::{Harness, PASSWORD};

/// Every call that needs a token, with a body that would be accepted.
fn private_calls(id: i64) -> [(Method, String, Option<Value>); 6] {
    let account = format!("/accounts/v1/accounts/{id}");
    [
        (Method::GET, account.clone(), None),
        (Method::PUT, account.clone(), Some(change())),
        (Method::POST, format!("{account}/closure"), Some(closure())),
        (Method::GET, "/accounts/v1/auths".to_owned(), None),
        (Method::DELETE, "/accounts/v1/auths/current".to_owned(), None),
        (Method::DELETE, "/accounts/v1/auths".to_owned(), None),
    ]
}

fn change() -> Value {
    json!({ "name": "Eve", "email": "eve@example.com", "isValid": false })
}

fn closure() -> Value {
    json!({ "currentPassword": PASSWORD })
}

#[tokio::test]
async fn a_call_without_a_valid_token_does_nothing() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let forged = format!("mpa_{}", "A".repeat(43));
    for (method, path, body) in private_calls(id) {
        let answer = harness.call(method.clone(), &path, None, body.clone()).await;
        assert_eq!(answer.code(), (401, "missing_token".to_owned()), "{method} {path}");
        assert_eq!(answer.headers["www-authenticate"], r#"Bearer realm="my-pay""#);
        let answer = harness.call(method.clone(), &path, Some(&forged), body).await;
        assert_eq!(answer.code(), (401, "invalid_token".to_owned()), "{method} {path}");
    }
    assert!(harness.is_valid(&token).await);
}

/// Straight to the service, past the gateway: nothing that a client can send makes it somebody.
#[tokio::test]
async fn headers_do_not_make_a_caller() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    for (method, path, body) in private_calls(id) {
        let request = Request::builder()
            .method(&method)
            .uri(&path)
            .header(CONTENT_TYPE, "application/json")
            .header("authorization", format!("Bearer {token}"))
            .header("x-account-id", id.to_string())
            .header("x-user-id", id.to_string())
            .header("x-identity", format!("{{\"accountId\":{id}}}"));
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let answer = harness.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.code(), (401, "missing_token".to_owned()), "{method} {path}");
    }
    assert!(harness.is_valid(&token).await);
}

#[tokio::test]
async fn anothers_account_looks_like_none() {
    let harness = Harness::new();
    harness.register("ada").await;
    let bob = harness.register("bob").await;
    let ada = harness.log_in("ada").await.access;
    let bob_token = harness.log_in("bob").await.access;
    for (method, below, body) in [
        (Method::GET, "", None),
        (Method::PUT, "", Some(change())),
        (Method::POST, "/closure", Some(closure())),
    ] {
        let call = async |id: &str| {
            let path = format!("/accounts/v1/accounts/{id}{below}");
            let body = body.clone();
            harness.call(method.clone(), &path, Some(&ada), body).await
        };
        let anothers = call(&bob.to_string()).await;
        let nobodys = call("9007199254740991").await;
        assert_eq!(anothers.code(), (404, "account_not_found".to_owned()), "{method}");
        let instance = |id: i64| format!("/accounts/v1/accounts/{id}{below}");
        let alike = anothers.text.replace(&instance(bob), &instance((1 << 53) - 1));
        assert_eq!(alike, nobodys.text);
        for no_id in ["0", "-1", "x", "1.0", "9007199254740992", "%ff", "%31%30%30%30%31x"] {
            let answer = call(no_id).await;
            assert_eq!(answer.code(), (400, "invalid_request".to_owned()), "{method} {no_id}");
        }
    }
    assert!(harness.is_valid(&bob_token).await);
    assert_eq!(harness.try_log_in("bob", PASSWORD).await.status, 201);
}

/// The gateway caches identities for a moment. What comes in on one that has ended must not undo
/// what ended it.
#[tokio::test]
async fn a_stale_identity_cannot_lift_a_suspension() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let digest = TokenDigest::of(&token);
    let stale: Identity = harness.service.introspect(digest).await.unwrap().unwrap();
    let path = format!("/accounts/v1/accounts/{id}");
    let suspend = json!({ "name": "Ada", "email": "ada@example.com", "isValid": false });
    assert_eq!(harness.put(&path, Some(&token), suspend).await.status, 200);

    let call = async |method: Method, below: &str, body: String| {
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}{below}"))
            .header(CONTENT_TYPE, "application/json")
            .extension(Caller::Known(stale));
        harness.send(request.body(Body::from(body)).unwrap()).await
    };
    let enable = json!({ "name": "Ada", "email": "ada@example.com", "isValid": true });
    let disabled = (403, "account_disabled".to_owned());
    assert_eq!(call(Method::PUT, "", enable.to_string()).await.code(), disabled);
    assert_eq!(call(Method::POST, "/closure", closure().to_string()).await.code(), disabled);
    assert_eq!(call(Method::GET, "", String::new()).await.json()["isValid"], json!(false));
}

/// No answer, and no file, shows a token or a password to whoever reads it later.
#[tokio::test]
async fn secrets_are_stored_as_hashes_only() {
    let harness = Harness::new();
    harness.register("ada").await;
    let tokens = harness.log_in("ada").await;
    let folder = harness.database.parent().unwrap();
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        seen += bytes.len();
        for secret in [&tokens.access[4..], &tokens.refresh[4..], PASSWORD] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret is in the database");
        }
    }
    assert!(seen > 0);
}
