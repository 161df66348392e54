//! Bad input of every kind, on every call that takes any: a status, a code, and each bad field of
//! it.

mod accounts;
mod money;
mod parameters;
mod queries;
mod shown;

use expect_test::{Expect, expect};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Person, Product, client::Call};

/// A call that takes a body, and a body that it would accept.
struct Target {
    method: Method,
    path: String,
    body: Value,
}

/// All of them.
fn targets(ann: &Person) -> Vec<Target> {
    let target = |method, path: &str, body| Target { method, path: path.to_owned(), body };
    let account = format!("/accounts/v1/accounts/{}", ann.account_id);
    let person = json!({"name": "Bob", "email": "bob@example.com", "password": "correct horse"});
    let changed = json!({"name": "Ann", "email": ann.email, "isValid": true});
    let closure = json!({"currentPassword": "not the password"});
    let log_in = json!({"email": ann.email, "password": ann.password});
    let send = json!({"receiverWalletId": 1, "amount": 1});
    vec![
        target(Method::POST, "/accounts/v1/accounts", person),
        target(Method::PUT, &account, changed),
        target(Method::POST, &format!("{account}/closure"), closure),
        target(Method::POST, "/accounts/v1/auths", log_in),
        target(Method::POST, "/accounts/v1/auths/refresh", json!({"refreshToken": "mpr_x"})),
        target(Method::POST, "/money/v1/wallets", json!({"currency": "KRW"})),
        target(Method::POST, "/money/v1/deposits", json!({"amount": 1})),
        target(Method::POST, "/money/v1/withdrawals", json!({"amount": 1})),
        target(Method::POST, "/money/v1/transfers", send),
    ]
}

impl Target {
    fn call(&self, ann: &Person) -> Call {
        ann.call(self.method.clone(), &self.path).key("key")
    }
}

async fn ann_with_wallet(product: &Product) -> Person {
    product.person("Ann").await.with_wallet().await
}

/// Sends each body, and writes what it is answered below it.
async fn check(method: &Method, person: &Person, path: &str, bodies: &[&str], expected: &Expect) {
    let mut text = String::new();
    for body in bodies {
        let call = person.call(method.clone(), path).key("key");
        let call = call.header("content-type", "application/json").body((*body).to_owned());
        text += &format!("{body}\n    {}\n", call.send().await.brief());
    }
    expected.assert_eq(&text);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_whole() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let nested = format!(r#"{{"a": {}}}"#, "[".repeat(1_000));
    let bodies: [&[u8]; 15] = [
        b"",
        b" ",
        b"[1",
        b"null null",
        b"{",
        br#"{"amount": 1"#,
        b"{} {}",
        b"{'amount': 1}",
        br#"{"amount": 1,}"#,
        br#"{"amount": NaN}"#,
        br#"{"amount": 01}"#,
        br#"{/* one */ "amount": 1}"#,
        b"{\"summary\": \"\xff\"}",
        b"\xef\xbb\xbf{}",
        nested.as_bytes(),
    ];
    for target in targets(&ann) {
        for body in bodies {
            let call = target.call(&ann).header("content-type", "application/json");
            let refused = call.body(body.to_vec()).send().await;
            let body = String::from_utf8_lossy(body);
            assert_eq!(refused.brief(), "400 malformed_json", "{} {body}", target.path);
        }
    }
    let call = ann.post("/money/v1/deposits").key("key").header("content-type", "application/json");
    call.body("{\"summary\": \"\u{e9}\", \"amount\": ").send().await.check(&expect![[r#"
        400
        {
          "code": "malformed_json",
          "detail": "The body cannot be read: EOF while parsing a value at line 1 column 28.",
          "instance": "/money/v1/deposits",
          "requestId": "<uuid>",
          "status": 400,
          "title": "The body is not valid JSON",
          "type": "urn:my-pay:problem:malformed_json"
        }
    "#]]);
    assert_eq!(ann.balance().await, 0);
    product.stop().await;
}

#[tokio::test]
async fn a_body_that_is_json_of_another_type_is_told_so() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let bodies = ["null", " null\n", "[1]", "[]", r#""text""#, "1", "-1e400", "true", &deep];
    for target in targets(&ann) {
        for body in bodies {
            let call = target.call(&ann).header("content-type", "application/json");
            let refused = call.body(body.to_owned()).send().await;
            assert_eq!(refused.brief(), "400 not_an_object", "{} {body}", target.path);
        }
    }
    for (body, detail) in [
        ("null", "The body must be a JSON object, and is null."),
        ("[1]", "The body must be a JSON object, and is an array."),
        ("1e400", "The body must be a JSON object, and is a number."),
    ] {
        let call = ann.post("/money/v1/wallets").header("content-type", "application/json");
        assert_eq!(call.body(body).send().await.body["detail"], detail);
    }
    product.stop().await;
}

#[tokio::test]
async fn a_field_is_given_once_and_fields_are_few() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let many = (0..33).map(|n| format!(r#""f{n}": 1"#)).collect::<Vec<_>>().join(",");
    let many = format!("{{{many}}}");
    let bodies = [
        r#"{"amount": 1, "amount": 1}"#,
        r#"{"amount": 1, "\u0061mount": 2, "amount": 3}"#,
        r#"{"amount": "x", "amount": 1, "memo": 1, "memo": {"amount": 1}}"#,
        r#"{"amount": 1, "summary": {"amount": 1, "amount": 1}}"#,
        r#"{"amount": {"value": 1}}"#,
        r#"{"amount": [1], "summary": ["a"], "walletId": false}"#,
        r#"{"amount": 1e400, "summary": 1e400, "walletId": -1e-400}"#,
    ];
    let expected = expect![[r#"
        {"amount": 1, "amount": 1}
            400 invalid_request amount:repeated_field
        {"amount": 1, "\u0061mount": 2, "amount": 3}
            400 invalid_request amount:repeated_field
        {"amount": "x", "amount": 1, "memo": 1, "memo": {"amount": 1}}
            400 invalid_request amount:wrong_type memo:unknown_field amount:repeated_field memo:repeated_field
        {"amount": 1, "summary": {"amount": 1, "amount": 1}}
            400 invalid_request summary:wrong_type
        {"amount": {"value": 1}}
            400 invalid_request amount:wrong_type
        {"amount": [1], "summary": ["a"], "walletId": false}
            400 invalid_request walletId:wrong_type amount:wrong_type summary:wrong_type
        {"amount": 1e400, "summary": 1e400, "walletId": -1e-400}
            400 invalid_request walletId:not_an_integer amount:not_an_integer summary:wrong_type
    "#]];
    check(&Method::POST, &ann, "/money/v1/deposits", &bodies, &expected).await;
    for target in targets(&ann) {
        let call = target.call(&ann).header("content-type", "application/json");
        let refused = call.body(many.clone()).send().await;
        assert_eq!(refused.brief(), "400 invalid_request", "{}", target.path);
        assert_eq!(refused.body["detail"], "The request has more than 32 fields.");
    }
    assert_eq!(ann.balance().await, 0);
    product.stop().await;
}

#[tokio::test]
async fn a_body_of_another_type_or_size_is_refused() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    for target in targets(&ann) {
        let body = target.body.to_string();
        let untyped = target.call(&ann).body(body.clone()).send().await;
        assert_eq!(untyped.brief(), "415 unsupported_media_type", "{}", target.path);
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "application/problem+json",
            "",
        ] {
            let call = target.call(&ann).header("content-type", content_type);
            let refused = call.body(body.clone()).send().await;
            let shown = format!("{} {content_type}", target.path);
            assert_eq!(refused.brief(), "415 unsupported_media_type", "{shown}");
        }
        let twice = target.call(&ann).header("content-type", "application/json").json(&target.body);
        assert_eq!(twice.send().await.brief(), "415 unsupported_media_type", "{}", target.path);

        let too_large = format!("{body}{}", " ".repeat(64 * 1024));
        let call = target.call(&ann).header("content-type", "application/json").body(too_large);
        assert_eq!(call.send().await.brief(), "413 content_too_large", "{}", target.path);
    }
    let call = ann.post("/money/v1/deposits").key("key").header("content-type", "text/plain");
    call.body("{\"amount\": 1}").send().await.check(&expect![[r#"
        415
        {
          "code": "unsupported_media_type",
          "detail": "Send `Content-Type: application/json`.",
          "instance": "/money/v1/deposits",
          "requestId": "<uuid>",
          "status": 415,
          "title": "The body must be application/json",
          "type": "urn:my-pay:problem:unsupported_media_type"
        }
    "#]]);
    // How JSON may be called, and as much of it as is allowed.
    for content_type in ["APPLICATION/JSON", "application/json;charset=UTF-8"] {
        let call = ann.post("/money/v1/deposits").key("key").header("content-type", content_type);
        let body = r#"{"amount": 1}"#;
        let body = format!("{body}{}", " ".repeat(64 * 1024 - body.len()));
        assert_eq!(call.body(body).send().await.status, 201, "{content_type}");
    }
    assert_eq!(ann.balance().await, 1);
    product.stop().await;
}

#[tokio::test]
async fn bad_fields_are_named_and_explained_all_at_once() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let body = json!({"amount": 1.5, "summary": "a\u{0}", "receiverWalletId": "1", "memo": ""});
    ann.move_money("transfers", "key", &body).await.check(&expect![[r#"
        400
        {
          "code": "invalid_request",
          "detail": "4 fields are invalid: see `errors`.",
          "errors": [
            {
              "code": "wrong_type",
              "field": "receiverWalletId",
              "message": "must be a number, without quotes"
            },
            {
              "code": "not_an_integer",
              "field": "amount",
              "message": "must be a whole number, without fraction or exponent"
            },
            {
              "code": "control_character",
              "field": "summary",
              "message": "must not contain control characters"
            },
            {
              "code": "unknown_field",
              "field": "memo",
              "message": "is not a field of this request"
            }
          ],
          "instance": "/money/v1/transfers",
          "requestId": "<uuid>",
          "status": 400,
          "title": "The request has invalid fields",
          "type": "urn:my-pay:problem:invalid_request"
        }
    "#]]);
    product.stop().await;
}
