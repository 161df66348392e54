//! The edge: unknown paths and methods, request ids, health and CORS. Sizes, times and rates are in
//! limits.rs.

use expect_test::expect;
use hyper::Method;

use crate::support::{Product, client::Call};

#[tokio::test]
async fn what_is_nowhere_is_not_found() {
    let product = Product::start().await;
    for path in [
        "/",
        "/money",
        "/moneyx/v1/wallets",
        "/money/v2/wallets",
        "/money/v1/wallets/",
        "/money/v1/wallets/1/balance",
        "/money//v1/wallets",
        "/money/v1/../v1/wallets",
        "/money/v1/%2e%2e/wallets",
        "/money/v1%2fwallets",
        "/MONEY/v1/wallets",
        "/accounts/v1",
        "/v1/accounts",
        "/metrics",
    ] {
        let refused = product.client.get(path).send().await;
        assert_eq!(refused.brief(), "404 not_found", "{path}");
    }
    product.client.post("/money/v1/nothing").send().await.check(&expect![[r#"
        404
        {
          "code": "not_found",
          "detail": "There is nothing at this path",
          "instance": "/money/v1/nothing",
          "requestId": "<uuid>",
          "status": 404,
          "title": "There is nothing at this path",
          "type": "urn:my-pay:problem:not_found"
        }
    "#]]);
    product.stop().await;
}

#[tokio::test]
async fn a_path_says_which_methods_it_has() {
    let product = Product::start().await;
    let all = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    let some = [Method::OPTIONS, Method::TRACE];
    let table = [
        ("/livez", "GET,HEAD"),
        ("/readyz", "GET,HEAD"),
        ("/accounts/health/ping", "GET,HEAD"),
        ("/accounts/v1/accounts", "POST"),
        ("/accounts/v1/accounts/10001", "GET,HEAD,PUT"),
        ("/accounts/v1/accounts/10001/closure", "POST"),
        ("/accounts/v1/auths", "DELETE,GET,HEAD,POST"),
        ("/accounts/v1/auths/refresh", "POST"),
        ("/accounts/v1/auths/current", "DELETE"),
        ("/money/health/ping", "GET,HEAD"),
        ("/money/v1/wallets", "GET,HEAD,POST"),
        ("/money/v1/wallets/1", "GET,HEAD"),
        ("/money/v1/deposits", "POST"),
        ("/money/v1/withdrawals", "POST"),
        ("/money/v1/transfers", "GET,HEAD,POST"),
        ("/money/v1/transfers/x", "GET,HEAD"),
        ("/money/v1/transactions", "GET,HEAD"),
    ];
    for (path, allowed) in table {
        for method in all.iter().chain(&some) {
            if allowed.split(',').any(|name| name == method.as_str()) {
                continue;
            }
            let refused = product.client.call(method.clone(), path).send().await;
            assert_eq!(refused.brief(), "405 method_not_allowed", "{method} {path}");
            let mut allow: Vec<_> = refused.header("allow").split(',').collect();
            allow.sort_unstable();
            assert_eq!(allow.join(","), allowed, "{method} {path}");
        }
    }
    let refused = product.client.call(Method::PATCH, "/money/v1/wallets/1").send().await;
    refused.check(&expect![[r#"
        405
        allow: GET,HEAD
        {
          "code": "method_not_allowed",
          "detail": "The method is not allowed at this path",
          "instance": "/money/v1/wallets/1",
          "requestId": "<uuid>",
          "status": 405,
          "title": "The method is not allowed at this path",
          "type": "urn:my-pay:problem:method_not_allowed"
        }
    "#]]);
    product.stop().await;
}

#[tokio::test]
async fn health_and_pings_need_no_token() {
    let product = Product::start().await;
    product.client.get("/livez").send().await.check(&expect![[r#"
        200
        "ok\n"
    "#]]);
    product.client.get("/readyz").send().await.check(&expect![[r#"
        200
        {
          "status": "ready"
        }
    "#]]);
    for service in ["account", "money"] {
        let prefix = if service == "account" { "accounts" } else { service };
        let path = format!("/{prefix}/health/ping");
        for call in [product.client.get(&path), product.client.get(&path).token("nonsense")] {
            let pong = call.send().await;
            assert_eq!(
                (pong.status, pong.header("content-type")),
                (200, "text/plain; charset=utf-8")
            );
            assert_eq!(pong.body, "ok\n");
        }
        let head = product.client.call(Method::HEAD, &path).send().await;
        assert_eq!((head.status, head.body.is_null()), (200, true));
    }
    product.stop().await;
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let product = Product::start().await;
    let call = |path: &str| product.client.get(path);
    let mut made = Vec::new();
    for path in ["/livez", "/money/health/ping", "/money/v1/wallets", "/nothing"] {
        let kept = call(path).header("x-request-id", "order-7.A_b").send().await;
        assert_eq!(kept.header("x-request-id"), "order-7.A_b", "{path}");
        let too_long = "x".repeat(65);
        for bad in ["with space", "semi;colon", "", &too_long] {
            let answer = call(path).header("x-request-id", bad).send().await;
            made.push(answer.header("x-request-id").to_owned());
        }
        made.push(call(path).send().await.header("x-request-id").to_owned());
    }
    assert!(made.iter().all(|id| id.len() == 36), "{made:?}");
    let count = made.len();
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), count, "made ids are unique");
    // A problem repeats it; the specification's checks look at every one.
    let refused = call("/nothing").header("x-request-id", "mine").send().await;
    assert_eq!(refused.body["requestId"], "mine");
    product.stop().await;
}

const ORIGIN: &str = "https://app.example.com";

fn preflight(product: &Product, origin: &str) -> Call {
    let call = product.client.call(Method::OPTIONS, "/money/v1/transfers");
    call.header("origin", origin).header("access-control-request-method", "POST").header(
        "access-control-request-headers",
        "authorization,content-type,idempotency-key,traceparent",
    )
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_out_by_default() {
    let product = Product::start().await;
    assert_eq!(preflight(&product, ORIGIN).send().await.brief(), "405 method_not_allowed");
    let answer = product.client.get("/livez").header("origin", ORIGIN).send().await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    product.stop().await;
}

#[tokio::test]
async fn pages_of_configured_origins_may_call() {
    let product =
        Product::start_with(|config| config.gateway.cors_origins = vec![ORIGIN.to_owned()]).await;
    let answer = preflight(&product, ORIGIN).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(answer.header("access-control-allow-methods"), "GET,POST,PUT,DELETE");
    let allowed = "authorization,content-type,idempotency-key,traceparent,tracestate,x-request-id";
    assert_eq!(answer.header("access-control-allow-headers"), allowed);
    assert_eq!(answer.header("access-control-max-age"), "3600");
    assert_eq!(answer.header("access-control-allow-credentials"), "");

    // A problem is for the page to read, too.
    let call = product.client.get("/money/v1/wallets").header("origin", ORIGIN);
    let refused = call.send().await;
    assert_eq!(refused.brief(), "401 missing_token");
    assert_eq!(refused.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(
        refused.header("access-control-expose-headers"),
        "idempotency-replayed,retry-after,ratelimit,ratelimit-policy,x-request-id,location,\
         www-authenticate"
    );

    let elsewhere = preflight(&product, "https://evil.example.com").send().await;
    assert_eq!(elsewhere.header("access-control-allow-origin"), "");
    product.stop().await;
}
