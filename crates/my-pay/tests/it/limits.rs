//! What one client may take: the size of a request, the time it takes to arrive, and how many there
//! are.

use std::time::Duration;

use expect_test::{Expect, expect};
use my_pay::config::Switch;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Product, client::Call};

/// Sends bytes as they are, and returns everything that comes back before the connection ends.
async fn exchange(product: &Product, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(product.client.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Checks the first line, the connection's end, and the code of a raw answer.
fn check_raw(answer: &str, line: &str, code: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.lines().next(), Some(line));
    assert!(head.to_ascii_lowercase().contains("\r\nconnection: close"), "{head}");
    assert!(head.contains("application/problem+json"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["code"], code);
}

#[tokio::test]
async fn a_body_must_arrive_in_time() {
    let product = Product::start_with(|config| config.gateway.body_timeout_ms = 50).await;
    let slow = b"POST /accounts/v1/auths HTTP/1.1\r\nhost: x\r\n\
        content-type: application/json\r\ncontent-length: 20\r\n\r\n{\"email\":";
    let answer = exchange(&product, slow).await;
    check_raw(&answer, "HTTP/1.1 408 Request Timeout", "request_timeout");
    product.stop().await;
}

#[tokio::test]
async fn a_head_must_arrive_in_time() {
    let product = Product::start_with(|config| config.server.head_timeout_ms = 50).await;
    let answer = exchange(&product, b"POST /accounts/v1/auths HTTP/1.1\r\nhost: x\r\n").await;
    check_raw(&answer, "HTTP/1.1 408 Request Timeout", "request_timeout");
    product.stop().await;
}

#[tokio::test]
async fn a_body_must_be_small_however_it_is_sent() {
    let product = Product::start_with(|config| config.gateway.body_bytes_max = 100).await;
    let head = "POST /accounts/v1/auths HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let declared = format!("{head}content-length: 101\r\n\r\n");
    let chunk = format!("65\r\n{}\r\n", "x".repeat(101));
    let in_chunks = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}");
    for request in [declared, in_chunks] {
        let answer = exchange(&product, request.as_bytes()).await;
        check_raw(&answer, "HTTP/1.1 413 Payload Too Large", "content_too_large");
    }
    let broken = format!("{head}transfer-encoding: chunked\r\n\r\nnonsense\r\n");
    let answer = exchange(&product, broken.as_bytes()).await;
    check_raw(&answer, "HTTP/1.1 400 Bad Request", "incomplete_body");
    product.stop().await;
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let product = Product::start().await;
    let answer = exchange(&product, b"hello\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 * 1024));
    let answer = exchange(&product, long.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    product.stop().await;
}

/// Writes how a call and the limits that it told of ended.
async fn check_limits(calls: Vec<Call>, expected: &Expect) {
    let mut text = String::new();
    for call in calls {
        let answer = call.send().await;
        let (brief, left) = (answer.brief(), answer.header("ratelimit"));
        text += &format!("{brief} | {left} | {}\n", answer.header("ratelimit-policy"));
    }
    expected.assert_eq(&text);
}

#[tokio::test]
async fn an_address_may_ask_so_often_and_no_more() {
    let product = Product::start_with(|config| {
        config.rate_limit = Switch::On;
        config.gateway.address_requests_per_second = 2;
        config.gateway.address_requests_burst = 3;
    })
    .await;
    let ping = || product.client.get("/money/health/ping");
    let calls = vec![ping(), product.client.get("/nothing"), ping(), ping(), ping()];
    let expected = expect![[r#"
        200 | "address";r=2;t=1 | "address";q=3;w=2
        404 not_found | "address";r=1;t=1 | "address";q=3;w=2
        200 | "address";r=0;t=1 | "address";q=3;w=2
        429 rate_limited | "address";r=0;t=1 | "address";q=3;w=2
        429 rate_limited | "address";r=0;t=1 | "address";q=3;w=2
    "#]];
    check_limits(calls, &expected).await;
    ping().send().await.check(&expect![[r#"
        429
        ratelimit: "address";r=0;t=1
        ratelimit-policy: "address";q=3;w=2
        retry-after: 1
        {
          "code": "rate_limited",
          "detail": "Too many requests from this address.",
          "instance": "/money/health/ping",
          "requestId": "<uuid>",
          "status": 429,
          "title": "Too many requests",
          "type": "urn:my-pay:problem:rate_limited"
        }
    "#]]);
    // Whoever looks after the process is never turned away.
    assert_eq!(product.client.get("/livez").send().await.status, 200);
    assert_eq!(product.client.get("/readyz").send().await.status, 200);
    product.advance(Duration::from_secs(1));
    let expected = expect![[r#"
        200 | "address";r=1;t=1 | "address";q=3;w=2
        200 | "address";r=0;t=1 | "address";q=3;w=2
        429 rate_limited | "address";r=0;t=1 | "address";q=3;w=2
    "#]];
    check_limits(vec![ping(), ping(), ping()], &expected).await;
    product.stop().await;
}

#[tokio::test]
async fn a_session_may_ask_so_often_and_no_more() {
    let product = Product::start_with(|config| {
        config.rate_limit = Switch::On;
        config.gateway.token_requests_per_second = 1;
        config.gateway.token_requests_burst = 2;
    })
    .await;
    let ann = product.person("Ann").await;
    let bob = product.person("Bob").await;
    let list = || ann.get("/money/v1/wallets");
    let expected = expect![[r#"
        200 | "address";r=395;t=1, "token";r=1;t=1 | "address";q=400;w=2, "token";q=2;w=2
        200 | "address";r=394;t=1, "token";r=0;t=1 | "address";q=400;w=2, "token";q=2;w=2
        429 rate_limited | "address";r=393;t=1, "token";r=0;t=1 | "address";q=400;w=2, "token";q=2;w=2
    "#]];
    check_limits(vec![list(), list(), list()], &expected).await;
    list().send().await.check(&expect![[r#"
        429
        ratelimit: "address";r=392;t=1, "token";r=0;t=1
        ratelimit-policy: "address";q=400;w=2, "token";q=2;w=2
        retry-after: 1
        {
          "code": "rate_limited",
          "detail": "Too many requests with this access token.",
          "instance": "/money/v1/wallets",
          "requestId": "<uuid>",
          "status": 429,
          "title": "Too many requests",
          "type": "urn:my-pay:problem:rate_limited"
        }
    "#]]);
    // Refreshed tokens are the same session, and somebody else's is another.
    let body = json!({"refreshToken": ann.refresh_token});
    let refreshed = product.client.post("/accounts/v1/auths/refresh").json(&body).send().await;
    let token = refreshed.body["accessToken"].as_str().unwrap();
    let refused = product.client.get("/money/v1/wallets").token(token).send().await;
    assert_eq!(refused.brief(), "429 rate_limited");
    assert_eq!(bob.get("/money/v1/wallets").send().await.status, 200);
    product.advance(Duration::from_secs(1));
    let answer = product.client.get("/money/v1/wallets").token(token).send().await;
    assert_eq!(answer.status, 200);
    product.stop().await;
}

#[tokio::test]
async fn without_limits_nothing_is_told_of_them() {
    let product = Product::start().await;
    let answer = product.client.get("/money/health/ping").send().await;
    assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), ("", ""));
    product.stop().await;
}
