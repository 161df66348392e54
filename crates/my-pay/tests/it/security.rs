//! Who may do what: tokens, forged identities, others' belongings, and services without their
//! gateway.

use axum::{Router, body::Body};
use http_body_util::BodyExt;
use hyper::{Method, Request};
use serde_json::{Value, json};
use service::{contract::scope::Scopes, http::docs::Docs};
use tower::ServiceExt;

use crate::support::{Person, Product, Response};

/// What anybody may call.
const PUBLIC: [(&str, &str); 6] = [
    ("get", "/accounts/health/ping"),
    ("get", "/money/health/ping"),
    ("post", "/accounts/v1/accounts"),
    ("post", "/accounts/v1/auths"),
    ("post", "/accounts/v1/auths/refresh"),
    ("post", "/accounts/v1/password-resets/redemptions"),
];

/// Everything else that the services' documents list, as method and path.
fn protected_calls() -> Vec<(Method, String)> {
    let mut calls = Vec::new();
    for document in [account::openapi(), money::openapi()] {
        let document = serde_json::to_value(document).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let is_public = PUBLIC.contains(&(method, path));
                let is_declared_public = operation["security"] == json!([{}]);
                assert_eq!(is_declared_public, is_public, "{method} {path}");
                if !is_public {
                    let method = method.to_uppercase().parse().unwrap();
                    calls.push((method, path.replace("{id}", "1")));
                }
            }
        }
    }
    assert!(calls.len() >= 22, "{calls:?}");
    calls
}

/// Headers by which somebody may hope to be taken for the account.
fn forged(account_id: i64) -> Vec<(&'static str, String)> {
    let id = account_id.to_string();
    [
        "x-account-id",
        "x-user-id",
        "x_account_id",
        "x-my-pay-account-id",
        "x-my-pay-identity",
        "my-pay-identity",
        "x-authenticated-userid",
        "x-auth-request-user",
        "x-forwarded-user",
        "x-remote-user",
        "remote-user",
        "x-identity",
        "x-session-id",
        "forwarded",
        "x-original-url",
        "x-http-method-override",
    ]
    .map(|name| (name, id.clone()))
    .to_vec()
}

#[tokio::test]
async fn without_a_valid_token_nothing_answers() {
    let product = Product::start().await;
    let expired = product.person("Ann").await;
    product.advance(std::time::Duration::from_hours(1));
    let revoked = product.person("Bob").await;
    let logged_out = revoked.call(Method::DELETE, "/accounts/v1/auths").send().await;
    assert_eq!(logged_out.status, 204);
    let valid = product.person("Cho").await;

    let (all_but_last, last) = valid.token.split_at(valid.token.len() - 1);
    let never_issued = format!("{all_but_last}{}", if last == "A" { "E" } else { "A" });
    let bearer = |token: &str| format!("Bearer {token}");
    let invalid = [
        bearer(&expired.token),
        bearer(&revoked.token),
        bearer(&valid.refresh_token),
        bearer("mpa_"),
        bearer(&never_issued),
        bearer(&valid.token.to_uppercase()),
        bearer(&format!("{0} {0}", valid.token)),
        bearer(&format!("{0},{0}", valid.token)),
        bearer(&"x".repeat(4_096)),
        bearer("' OR '1'='1"),
        bearer("é"),
        "Bearer".to_owned(),
        valid.token.clone(),
        format!("Basic {}", valid.token),
        String::new(),
    ];
    for (method, path) in protected_calls() {
        let call = || product.client.call(method.clone(), &path);
        let missing = call().send().await;
        assert_eq!(missing.brief(), "401 missing_token", "{method} {path}");
        assert_eq!(missing.header("www-authenticate"), r#"Bearer realm="my-pay""#);
        for credentials in &invalid {
            let refused = call().header("authorization", credentials).send().await;
            assert_eq!(refused.brief(), "401 invalid_token", "{method} {path} {credentials}");
            let challenge = r#"Bearer realm="my-pay", error="invalid_token""#;
            assert_eq!(refused.header("www-authenticate"), challenge);
        }
        let twice = call().token(&valid.token).token(&valid.token).send().await;
        assert_eq!(twice.brief(), "401 invalid_token", "{method} {path}");
    }
    // A token in the query or in a body is not one.
    let path = format!("/money/v1/wallets?access_token={}", valid.token);
    assert_eq!(product.client.get(&path).send().await.brief(), "401 missing_token");
    assert_eq!(valid.get("/money/v1/wallets").send().await.status, 200);
    product.stop().await;
}

#[tokio::test]
async fn forged_identity_headers_change_nothing() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    for (name, value) in forged(bob.account_id) {
        let call = product.client.get("/money/v1/wallets").header(name, &value);
        assert_eq!(call.send().await.brief(), "401 missing_token", "{name}");
        for separator in ["-", "_"] {
            let name: &'static str = name.replace('-', separator).leak();
            let seen = ann.get("/money/v1/wallets").header(name, &value).send().await;
            assert_eq!(seen.body["items"][0]["accountId"], ann.account_id, "{name}");
            let seen = ann.get("/accounts/v1/auths").header(name, &value).send().await;
            assert_eq!(seen.status, 200, "{name}");
        }
    }
    // Nor do all at once, on a call that moves money.
    let mut call = ann.post("/money/v1/deposits").key("d").json(&json!({"amount": 5}));
    for (name, value) in forged(bob.account_id) {
        call = call.header(name, &value);
    }
    assert_eq!(call.send().await.status, 201);
    assert_eq!((ann.balance().await, bob.balance().await), (5, 0));
    product.stop().await;
}

/// Compares two refusals: whether the thing is somebody else's or nobody's must not be told.
fn assert_alike(others: &Response, nobodys: &Response) {
    let shown = |response: &Response| {
        let mut body = response.body_without_request_id();
        body.as_object_mut().unwrap().remove("instance");
        (response.status, body)
    };
    assert_eq!(shown(others), shown(nobodys));
}

#[tokio::test]
async fn an_account_is_for_its_owner() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let bob = product.person("Bob").await;
    let path = |id: i64| format!("/accounts/v1/accounts/{id}");
    let change = json!({"name": "Eve", "email": "eve@example.com", "isValid": false});
    let closure = json!({"currentPassword": ann.password});
    for (method, below, body) in [
        (Method::GET, "", &change),
        (Method::PUT, "", &change),
        (Method::POST, "/closure", &closure),
    ] {
        let path = |id: i64| format!("{}{below}", path(id));
        let ask = |id| ann.call(method.clone(), &path(id)).json(body).send();
        let others = ask(bob.account_id).await;
        assert_eq!(others.brief(), "404 account_not_found", "{method}");
        assert_alike(&others, &ask(9_007_199_254_740_991).await);
    }
    let seen = bob.get(&path(bob.account_id)).send().await;
    assert_eq!((&seen.body["name"], &seen.body["isValid"]), (&json!("Bob"), &json!(true)));
    product.stop().await;
}

#[tokio::test]
async fn a_wallet_and_its_history_are_for_their_owner() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(100).await;
    bob.deposit(100).await;
    let nobodys = 9_007_199_254_740_991;
    for path in ["/money/v1/wallets/", "/money/v1/transactions?walletId="] {
        let others = ann.get(&format!("{path}{}", bob.wallet_id)).send().await;
        assert_eq!(others.brief(), "404 wallet_not_found");
        assert_alike(&others, &ann.get(&format!("{path}{nobodys}")).send().await);
    }
    for by in ["deposits", "withdrawals", "transfers"] {
        let ask = |id: i64| {
            let mut body = json!({"walletId": id, "amount": 1});
            if by == "transfers" {
                body["receiverWalletId"] = json!(ann.wallet_id);
            }
            let call = ann.post(&format!("/money/v1/{by}")).key(&format!("{by} {id}"));
            call.json(&body).send()
        };
        let others = ask(bob.wallet_id).await;
        assert_eq!(others.brief(), "404 wallet_not_found", "{by}");
        assert_alike(&others, &ask(nobodys).await);
    }
    assert_eq!((ann.balance().await, bob.balance().await), (100, 100));
    let listed = ann.get("/money/v1/wallets").send().await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(1));
    let history = ann.get("/money/v1/transactions").send().await;
    assert_eq!(history.body["items"].as_array().map(Vec::len), Some(1));
    product.stop().await;
}

#[tokio::test]
async fn a_transfer_is_for_its_participants() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    let eve = product.person("Eve").await.with_wallet().await;
    let deposit = ann.move_money("deposits", "d", &json!({"amount": 100})).await;
    let send = |amount: i64| json!({"receiverWalletId": bob.wallet_id, "amount": amount});
    let transfer = ann.move_money("transfers", "t", &send(60)).await;
    let failed = ann.move_money("transfers", "f", &send(60)).await;
    let table = [
        (&deposit.body["id"], [200, 404, 404]),
        (&transfer.body["id"], [200, 200, 404]),
        // What failed never reached its receiver.
        (&failed.body["transferId"], [200, 404, 404]),
    ];
    let path = |id: &Value| format!("/money/v1/transfers/{}", id.as_str().unwrap());
    let nobodys = json!("00000000-0000-7000-8000-000000000000");
    for (id, statuses) in table {
        for (person, status) in [&ann, &bob, &eve].into_iter().zip(statuses) {
            let answer = person.get(&path(id)).send().await;
            assert_eq!(answer.status, status, "{}", answer.body);
            if status == 404 {
                assert_eq!(answer.code(), "transfer_not_found");
                assert_alike(&answer, &person.get(&path(&nobodys)).send().await);
            }
        }
    }
    for key in ["d", "t", "f"] {
        let path = format!("/money/v1/transfers?idempotencyKey={key}");
        assert_eq!(eve.get(&path).send().await.brief(), "404 transfer_not_found");
    }
    product.stop().await;
}

/// Asks a service as somebody would who has reached its port.
async fn ask(
    router: &Router,
    method: &Method,
    path: &str,
    headers: &[(&str, String)],
) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let body = json!({"amount": 1, "receiverWalletId": 1}).to_string();
    let request = request.header("content-type", "application/json").body(Body::from(body));
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_service_believes_nobody_but_the_gateway() {
    let product = Product::start().await;
    let ann: Person = product.person("Ann").await.with_wallet().await;
    let up = product.up();
    let mut with_headers = forged(ann.account_id);
    with_headers.push(("authorization", format!("Bearer {}", ann.token)));
    with_headers.push(("idempotency-key", "key".to_owned()));
    for (method, path) in protected_calls() {
        let path = path.replace("/accounts/1", &format!("/accounts/{}", ann.account_id));
        let is_account = path.starts_with("/accounts");
        let served = Docs::Served;
        let router = if is_account {
            up.account().router(served)
        } else {
            up.money().router(served, Scopes::NONE)
        };
        for headers in [&[][..], &with_headers] {
            let (status, body) = ask(&router, &method, &path, headers).await;
            assert_eq!((status, &body["code"]), (401, &json!("missing_token")), "{method} {path}");
        }
    }
    assert_eq!(ann.balance().await, 0);
    product.stop().await;
}

/// Whoever gets hold of the files gets no token and no password.
#[tokio::test]
async fn secrets_are_not_on_disk() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    // The databases, and the logs of what is not in them yet.
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(product.data_dir()).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&ann.email), "the files that were read are those with the accounts");
    for secret in [&ann.token, &ann.refresh_token, &ann.password] {
        assert!(!holds(secret) && !holds(secret.split_at(4).1));
    }
    product.stop().await;
}
