//! Bad input of every kind, on every call that takes any: a status, a code, and each bad field of
//! it.

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
    let log_in = json!({"email": ann.email, "password": ann.password});
    let send = json!({"receiverWalletId": 1, "amount": 1});
    vec![
        target(Method::POST, "/accounts/v1/accounts", person),
        target(Method::PUT, &account, changed),
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

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_whole() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let nested = format!(r#"{{"a": {}}}"#, "[".repeat(1_000));
    let many = (0..33).map(|n| format!(r#""f{n}": 1"#)).collect::<Vec<_>>().join(",");
    let many = format!("{{{many}}}");
    let bodies: [&[u8]; 18] = [
        b"",
        b" ",
        b"null",
        b"[1]",
        br#""text""#,
        b"{",
        br#"{"amount": 1"#,
        b"{} {}",
        b"{'amount': 1}",
        br#"{"amount": 1,}"#,
        br#"{"amount": NaN}"#,
        br#"{"amount": 01}"#,
        br#"{/* one */ "amount": 1}"#,
        br#"{"amount": 1, "amount": 1}"#,
        b"{\"summary\": \"\xff\"}",
        b"\xef\xbb\xbf{}",
        nested.as_bytes(),
        many.as_bytes(),
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
async fn every_field_of_an_account_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let path = "/accounts/v1/accounts";
    let bodies = [
        "{}",
        r#"{"name": null, "email": null, "password": null}"#,
        r#"{"name": 1, "email": true, "password": {}}"#,
        r#"{"name": "", "email": "", "password": ""}"#,
        r#"{"name": "  ", "email": "a@b.co", "password": "correct horse"}"#,
        r#"{"name": "A\u0000", "email": "a\u0001@b.co", "password": "correct\nhorse"}"#,
        r#"{"name": "A\u202e", "email": "a@b.co", "password": "correct horse"}"#,
        r#"{"name": "A\ud800", "email": "a@b.co", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "a", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "not an email", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "a@localhost", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "A <a@b.co>", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "a@b.co", "password": "7 chars"}"#,
        r#"{"name": "A", "email": "a@b.co", "password": "PassWord"}"#,
        r#"{"name": "A", "email": "ada@b.co", "password": "ADA@b.co"}"#,
        r#"{"name": "Ada Lovelace", "email": "a@b.co", "password": "ada lovelace"}"#,
        r#"{"name": "A", "email": "a@b.co", "password": "correct horse", "id": 1, "isValid": true}"#,
        r#"{"Name": "A", "email": "a@b.co", "password": "correct horse"}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request name:required email:required password:required
        {"name": null, "email": null, "password": null}
            400 invalid_request name:required email:required password:required
        {"name": 1, "email": true, "password": {}}
            400 invalid_request name:wrong_type email:wrong_type password:wrong_type
        {"name": "", "email": "", "password": ""}
            400 invalid_request name:too_short email:too_short password:too_short
        {"name": "  ", "email": "a@b.co", "password": "correct horse"}
            400 invalid_request name:too_short
        {"name": "A\u0000", "email": "a\u0001@b.co", "password": "correct\nhorse"}
            400 invalid_request name:control_character email:control_character password:control_character
        {"name": "A\u202e", "email": "a@b.co", "password": "correct horse"}
            400 invalid_request name:control_character
        {"name": "A\ud800", "email": "a@b.co", "password": "correct horse"}
            400 invalid_request name:invalid_text
        {"name": "A", "email": "a", "password": "correct horse"}
            400 invalid_request email:too_short
        {"name": "A", "email": "not an email", "password": "correct horse"}
            400 invalid_request email:invalid_email
        {"name": "A", "email": "a@localhost", "password": "correct horse"}
            400 invalid_request email:invalid_email
        {"name": "A", "email": "A <a@b.co>", "password": "correct horse"}
            400 invalid_request email:invalid_email
        {"name": "A", "email": "a@b.co", "password": "7 chars"}
            400 invalid_request password:too_short
        {"name": "A", "email": "a@b.co", "password": "PassWord"}
            400 invalid_request password:too_common
        {"name": "A", "email": "ada@b.co", "password": "ADA@b.co"}
            400 invalid_request password:equals_email
        {"name": "Ada Lovelace", "email": "a@b.co", "password": "ada lovelace"}
            400 invalid_request password:equals_name
        {"name": "A", "email": "a@b.co", "password": "correct horse", "id": 1, "isValid": true}
            400 invalid_request id:unknown_field isValid:unknown_field
        {"Name": "A", "email": "a@b.co", "password": "correct horse"}
            400 invalid_request name:required Name:unknown_field
    "#]];
    check(&Method::POST, &ann, path, &bodies, &expected).await;

    let long = |name: usize, email: usize, password: usize| {
        json!({
            "name": "é".repeat(name),
            "email": format!("{}@b.co", "é".repeat(email - 5)),
            "password": "é".repeat(password),
        })
    };
    let refused = ann.post(path).json(&long(101, 255, 129)).send().await;
    let expected = "400 invalid_request name:too_long email:too_long password:too_long";
    assert_eq!(refused.brief(), expected);

    let path = format!("{path}/{}", ann.account_id);
    let bodies = [
        "{}",
        r#"{"name": 1, "email": 1, "isValid": 1}"#,
        r#"{"name": "", "email": "x", "isValid": "true"}"#,
        r#"{"name": "A\u0007", "email": "a@b", "isValid": null}"#,
        r#"{"name": "A", "email": "a@b.co", "isValid": true, "password": "correct horse"}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request name:required email:required isValid:required
        {"name": 1, "email": 1, "isValid": 1}
            400 invalid_request name:wrong_type email:wrong_type isValid:wrong_type
        {"name": "", "email": "x", "isValid": "true"}
            400 invalid_request name:too_short email:too_short isValid:wrong_type
        {"name": "A\u0007", "email": "a@b", "isValid": null}
            400 invalid_request name:control_character email:invalid_email isValid:required
        {"name": "A", "email": "a@b.co", "isValid": true, "password": "correct horse"}
            400 invalid_request password:unknown_field
    "#]];
    check(&Method::PUT, &ann, &path, &bodies, &expected).await;
    product.stop().await;
}

#[tokio::test]
async fn every_field_of_a_login_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let bodies = [
        "{}",
        r#"{"email": 1, "password": 1}"#,
        r#"{"email": "", "password": ""}"#,
        r#"{"email": "a\u0000", "password": "\u0000"}"#,
        r#"{"email": "a@b.co", "password": "correct horse", "remember": true}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request email:required password:required
        {"email": 1, "password": 1}
            400 invalid_request email:wrong_type password:wrong_type
        {"email": "", "password": ""}
            400 invalid_request email:too_short password:too_short
        {"email": "a\u0000", "password": "\u0000"}
            400 invalid_request email:control_character password:control_character
        {"email": "a@b.co", "password": "correct horse", "remember": true}
            400 invalid_request remember:unknown_field
    "#]];
    check(&Method::POST, &ann, "/accounts/v1/auths", &bodies, &expected).await;
    let bodies = [
        "{}",
        r#"{"refreshToken": null}"#,
        r#"{"refreshToken": 7}"#,
        r#"{"refreshToken": ""}"#,
        r#"{"refreshToken": "mpr_\n"}"#,
        r#"{"refreshToken": "mpr_x", "accessToken": "mpa_x"}"#,
        r#"{"refresh_token": "mpr_x"}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request refreshToken:required
        {"refreshToken": null}
            400 invalid_request refreshToken:required
        {"refreshToken": 7}
            400 invalid_request refreshToken:wrong_type
        {"refreshToken": ""}
            400 invalid_request refreshToken:too_short
        {"refreshToken": "mpr_\n"}
            400 invalid_request refreshToken:control_character
        {"refreshToken": "mpr_x", "accessToken": "mpa_x"}
            400 invalid_request accessToken:unknown_field
        {"refresh_token": "mpr_x"}
            400 invalid_request refreshToken:required refresh_token:unknown_field
    "#]];
    check(&Method::POST, &ann, "/accounts/v1/auths/refresh", &bodies, &expected).await;
    let long = json!({"email": "é".repeat(255), "password": "é".repeat(129)});
    let refused = ann.post("/accounts/v1/auths").json(&long).send().await;
    assert_eq!(refused.brief(), "400 invalid_request email:too_long password:too_long");
    let long = json!({"refreshToken": "é".repeat(129)});
    let refused = ann.post("/accounts/v1/auths/refresh").json(&long).send().await;
    assert_eq!(refused.brief(), "400 invalid_request refreshToken:too_long");
    product.stop().await;
}

#[tokio::test]
async fn every_field_of_a_wallet_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let bodies = [
        r#"{"currency": 410}"#,
        r#"{"currency": ""}"#,
        r#"{"currency": "won"}"#,
        r#"{"currency": "krw"}"#,
        r#"{"currency": "XXX"}"#,
        r#"{"currency": "KRWX"}"#,
        r#"{"currency": "₩₩₩"}"#,
        r#"{"currency": "K\u0000W"}"#,
        r#"{"currency": "KRW", "balance": 1000000}"#,
        r#"{"accountId": 10002}"#,
    ];
    let expected = expect![[r#"
        {"currency": 410}
            400 invalid_request currency:wrong_type
        {"currency": ""}
            400 invalid_request currency:too_short
        {"currency": "won"}
            400 invalid_request currency:unknown_currency
        {"currency": "krw"}
            400 invalid_request currency:unknown_currency
        {"currency": "XXX"}
            400 invalid_request currency:unknown_currency
        {"currency": "KRWX"}
            400 invalid_request currency:too_long
        {"currency": "₩₩₩"}
            400 invalid_request currency:unknown_currency
        {"currency": "K\u0000W"}
            400 invalid_request currency:control_character
        {"currency": "KRW", "balance": 1000000}
            400 invalid_request balance:unknown_field
        {"accountId": 10002}
            400 invalid_request accountId:unknown_field
    "#]];
    check(&Method::POST, &ann, "/money/v1/wallets", &bodies, &expected).await;
    product.stop().await;
}

#[tokio::test]
async fn every_field_of_a_movement_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let bodies = [
        "{}",
        r#"{"amount": null}"#,
        r#"{"amount": 0}"#,
        r#"{"amount": -1}"#,
        r#"{"amount": -0}"#,
        r#"{"amount": 1.0}"#,
        r#"{"amount": 1.5}"#,
        r#"{"amount": 1e3}"#,
        r#"{"amount": 1E400}"#,
        r#"{"amount": "1"}"#,
        r#"{"amount": true}"#,
        r#"{"amount": [1]}"#,
        r#"{"amount": 9007199254740992}"#,
        r#"{"amount": 9223372036854775808}"#,
        r#"{"amount": 99999999999999999999999999999999}"#,
        r#"{"amount": 1, "summary": ""}"#,
        r#"{"amount": 1, "summary": 1}"#,
        r#"{"amount": 1, "summary": "a\u0000b"}"#,
        r#"{"amount": 1, "summary": "a\u202eb"}"#,
        r#"{"amount": 1, "summary": "\udc00"}"#,
        r#"{"amount": 1, "walletId": 0}"#,
        r#"{"amount": 1, "walletId": "1"}"#,
        r#"{"amount": 1, "walletId": 1.0}"#,
        r#"{"amount": 1, "walletId": 9007199254740992}"#,
        r#"{"amount": 1, "currency": "KRW", "balance": 1, "Summary": "x"}"#,
        r#"{"amount": "x", "summary": 1, "walletId": -1, "status": "completed"}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request amount:required
        {"amount": null}
            400 invalid_request amount:required
        {"amount": 0}
            400 invalid_request amount:out_of_range
        {"amount": -1}
            400 invalid_request amount:out_of_range
        {"amount": -0}
            400 invalid_request amount:out_of_range
        {"amount": 1.0}
            400 invalid_request amount:not_an_integer
        {"amount": 1.5}
            400 invalid_request amount:not_an_integer
        {"amount": 1e3}
            400 invalid_request amount:not_an_integer
        {"amount": 1E400}
            400 invalid_request amount:not_an_integer
        {"amount": "1"}
            400 invalid_request amount:wrong_type
        {"amount": true}
            400 invalid_request amount:wrong_type
        {"amount": [1]}
            400 invalid_request amount:wrong_type
        {"amount": 9007199254740992}
            400 invalid_request amount:out_of_range
        {"amount": 9223372036854775808}
            400 invalid_request amount:out_of_range
        {"amount": 99999999999999999999999999999999}
            400 invalid_request amount:out_of_range
        {"amount": 1, "summary": ""}
            400 invalid_request summary:too_short
        {"amount": 1, "summary": 1}
            400 invalid_request summary:wrong_type
        {"amount": 1, "summary": "a\u0000b"}
            400 invalid_request summary:control_character
        {"amount": 1, "summary": "a\u202eb"}
            400 invalid_request summary:control_character
        {"amount": 1, "summary": "\udc00"}
            400 invalid_request summary:invalid_text
        {"amount": 1, "walletId": 0}
            400 invalid_request walletId:out_of_range
        {"amount": 1, "walletId": "1"}
            400 invalid_request walletId:wrong_type
        {"amount": 1, "walletId": 1.0}
            400 invalid_request walletId:not_an_integer
        {"amount": 1, "walletId": 9007199254740992}
            400 invalid_request walletId:out_of_range
        {"amount": 1, "currency": "KRW", "balance": 1, "Summary": "x"}
            400 invalid_request currency:unknown_field balance:unknown_field Summary:unknown_field
        {"amount": "x", "summary": 1, "walletId": -1, "status": "completed"}
            400 invalid_request walletId:out_of_range amount:wrong_type summary:wrong_type status:unknown_field
    "#]];
    check(&Method::POST, &ann, "/money/v1/deposits", &bodies, &expected).await;
    // The others read the same fields in the same way.
    for by in ["withdrawals", "transfers"] {
        for body in bodies {
            let send = |by: &str, body: &str| {
                let call = ann.post(&format!("/money/v1/{by}")).key("key");
                call.header("content-type", "application/json").body(body.to_owned()).send()
            };
            let deposit = send("deposits", body).await;
            let rest = body.strip_prefix('{').unwrap();
            let comma = if rest == "}" { "" } else { "," };
            let body = match by {
                "transfers" => format!(r#"{{"receiverWalletId": 1{comma}{rest}"#),
                _ => body.to_owned(),
            };
            assert_eq!(send(by, &body).await.brief(), deposit.brief(), "{by} {body}");
        }
    }
    let bodies = [
        r#"{"amount": 1}"#,
        r#"{"amount": 1, "receiverWalletId": null}"#,
        r#"{"amount": 1, "receiverWalletId": 0}"#,
        r#"{"amount": 1, "receiverWalletId": -7}"#,
        r#"{"amount": 1, "receiverWalletId": 1.5}"#,
        r#"{"amount": 1, "receiverWalletId": "1"}"#,
        r#"{"amount": 1, "receiverWalletId": 9007199254740992}"#,
        r#"{"receiverWalletId": "x", "walletId": "x", "amount": "x", "summary": 1, "x": 1}"#,
    ];
    let expected = expect![[r#"
        {"amount": 1}
            400 invalid_request receiverWalletId:required
        {"amount": 1, "receiverWalletId": null}
            400 invalid_request receiverWalletId:required
        {"amount": 1, "receiverWalletId": 0}
            400 invalid_request receiverWalletId:out_of_range
        {"amount": 1, "receiverWalletId": -7}
            400 invalid_request receiverWalletId:out_of_range
        {"amount": 1, "receiverWalletId": 1.5}
            400 invalid_request receiverWalletId:not_an_integer
        {"amount": 1, "receiverWalletId": "1"}
            400 invalid_request receiverWalletId:wrong_type
        {"amount": 1, "receiverWalletId": 9007199254740992}
            400 invalid_request receiverWalletId:out_of_range
        {"receiverWalletId": "x", "walletId": "x", "amount": "x", "summary": 1, "x": 1}
            400 invalid_request receiverWalletId:wrong_type walletId:wrong_type amount:wrong_type summary:wrong_type x:unknown_field
    "#]];
    check(&Method::POST, &ann, "/money/v1/transfers", &bodies, &expected).await;
    let long = json!({"amount": 1, "summary": "é".repeat(201)});
    let refused = ann.move_money("deposits", "key", &long).await;
    assert_eq!(refused.brief(), "400 invalid_request summary:too_long");
    let longest = json!({"amount": 1, "summary": "é".repeat(200)});
    assert_eq!(ann.move_money("deposits", "key", &longest).await.status, 201);
    assert_eq!(ann.balance().await, 1);
    product.stop().await;
}

#[tokio::test]
async fn every_call_that_moves_money_needs_a_key_that_is_one() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let bob = ann_with_wallet(&product).await;
    let body = json!({"amount": 1, "receiverWalletId": bob.wallet_id});
    let body_of = |by: &str| if by == "transfers" { body.clone() } else { json!({"amount": 1}) };
    for by in ["deposits", "withdrawals", "transfers"] {
        let path = format!("/money/v1/{by}");
        let missing = ann.post(&path).json(&body_of(by)).send().await;
        assert_eq!(missing.brief(), "400 idempotency_key_missing");
        let twice = ann.post(&path).key("a").key("b").json(&body_of(by)).send().await;
        assert_eq!(twice.brief(), "400 invalid_request Idempotency-Key:repeated");
        for (key, code) in [
            ("", "invalid_length"),
            (r#""""#, "invalid_length"),
            (&"k".repeat(129), "invalid_length"),
            (&format!(r#""{}""#, "k".repeat(129)), "invalid_length"),
            ("a\tb", "invalid_character"),
            ("열쇠", "invalid_character"),
            (r#"""#, "invalid_quoting"),
            (r#""open"#, "invalid_quoting"),
            (r#""a"b""#, "invalid_quoting"),
            (r#""a\b""#, "invalid_quoting"),
        ] {
            let refused = ann.move_money(by, key, &body_of(by)).await;
            let expected = format!("400 invalid_request Idempotency-Key:{code}");
            assert_eq!(refused.brief(), expected, "{key}");
        }
    }
    let missing = ann.post("/money/v1/deposits").json(&json!({"amount": 1})).send().await;
    missing.check(&expect![[r#"
        400
        {
          "code": "idempotency_key_missing",
          "detail": "Send an `Idempotency-Key` header of your choice, one for each movement of money.",
          "instance": "/money/v1/deposits",
          "requestId": "<uuid>",
          "status": 400,
          "title": "The Idempotency-Key header is required",
          "type": "urn:my-pay:problem:idempotency_key_missing"
        }
    "#]]);
    assert_eq!(ann.balance().await, 0);
    product.stop().await;
}

#[tokio::test]
async fn every_parameter_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let bad_ids =
        ["0", "-1", "+1", "1.0", "01x", "abc", "1e3", "%20", "9007199254740992", "%C3%A9"];
    for id in bad_ids.into_iter().chain(["99999999999999999999999999"]) {
        let account = format!("/accounts/v1/accounts/{id}");
        let body = json!({"name": "Ann", "email": ann.email, "isValid": true});
        for call in [
            ann.get(&account),
            ann.call(Method::PUT, &account).json(&body),
            ann.call(Method::DELETE, &account),
            ann.get(&format!("/money/v1/wallets/{id}")),
            ann.get(&format!("/money/v1/transfers/{id}")),
            ann.get("/money/v1/transfers/00000000-0000-0000-0000-00000000000g"),
        ] {
            assert_eq!(call.send().await.brief(), "400 invalid_request id:invalid_id", "{id}");
        }
    }
    let mut text = String::new();
    for query in [
        "transactions?limit=0",
        "transactions?limit=201",
        "transactions?limit=-1",
        "transactions?limit=1.5",
        "transactions?limit=",
        "transactions?limit=99999999999999999999",
        "transactions?walletId=0",
        "transactions?walletId=x",
        "transactions?cursor=",
        "transactions?cursor=x",
        "transactions?cursor=-1",
        "transactions?cursor=111111111111111111111111111111111",
        "transactions?from=yesterday",
        "transactions?from=2027-01-15",
        "transactions?from=2027-01-15T08:00:00",
        "transactions?from=2027-02-30T08:00:00Z",
        "transactions?to=1800000000",
        "transactions?to=",
        "transactions?limit=x&walletId=x&cursor=x&from=x&to=x&page=2",
        "transactions?Limit=1",
        "transactions?limit=1&limit=2",
        "transactions?cursor=%ff",
        "transactions?cursor=%zz",
        "transfers",
        "transfers?idempotencyKey=",
        "transfers?idempotencyKey=a%00b",
        "transfers?idempotencyKey=a&idempotencyKey=b",
        "transfers?idempotencyKey=a&status=failed",
        "transfers?idempotency_key=a",
    ] {
        let refused = ann.get(&format!("/money/v1/{query}")).send().await;
        text += &format!("{query}\n    {}\n", refused.brief());
    }
    let expected = expect![[r#"
        transactions?limit=0
            400 invalid_request limit:out_of_range
        transactions?limit=201
            400 invalid_request limit:out_of_range
        transactions?limit=-1
            400 invalid_request limit:out_of_range
        transactions?limit=1.5
            400 invalid_request limit:not_an_integer
        transactions?limit=
            400 invalid_request limit:not_an_integer
        transactions?limit=99999999999999999999
            400 invalid_request limit:out_of_range
        transactions?walletId=0
            400 invalid_request walletId:out_of_range
        transactions?walletId=x
            400 invalid_request walletId:not_an_integer
        transactions?cursor=
            400 invalid_request cursor:too_short
        transactions?cursor=x
            400 invalid_request cursor:invalid_cursor
        transactions?cursor=-1
            400 invalid_request cursor:invalid_cursor
        transactions?cursor=111111111111111111111111111111111
            400 invalid_request cursor:too_long
        transactions?from=yesterday
            400 invalid_request from:invalid_time
        transactions?from=2027-01-15
            400 invalid_request from:invalid_time
        transactions?from=2027-01-15T08:00:00
            400 invalid_request from:invalid_time
        transactions?from=2027-02-30T08:00:00Z
            400 invalid_request from:invalid_time
        transactions?to=1800000000
            400 invalid_request to:invalid_time
        transactions?to=
            400 invalid_request to:too_short
        transactions?limit=x&walletId=x&cursor=x&from=x&to=x&page=2
            400 invalid_request walletId:not_an_integer limit:not_an_integer from:invalid_time to:invalid_time cursor:invalid_cursor page:unknown_field
        transactions?Limit=1
            400 invalid_request Limit:unknown_field
        transactions?limit=1&limit=2
            400 invalid_request query:repeated_parameter
        transactions?cursor=%ff
            400 invalid_request query:invalid_encoding
        transactions?cursor=%zz
            400 invalid_request query:invalid_encoding
        transfers
            400 invalid_request idempotencyKey:required
        transfers?idempotencyKey=
            400 invalid_request idempotencyKey:too_short
        transfers?idempotencyKey=a%00b
            400 invalid_request idempotencyKey:control_character
        transfers?idempotencyKey=a&idempotencyKey=b
            400 invalid_request query:repeated_parameter
        transfers?idempotencyKey=a&status=failed
            400 invalid_request status:unknown_field
        transfers?idempotency_key=a
            400 invalid_request idempotencyKey:required idempotency_key:unknown_field
    "#]];
    expected.assert_eq(&text);
    let too_long = format!("/money/v1/transfers?idempotencyKey={}", "k".repeat(129));
    let refused = ann.get(&too_long).send().await;
    assert_eq!(refused.brief(), "400 invalid_request idempotencyKey:too_long");
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
