//! Bad input of every kind, on every call that takes any: a status, a code, and each bad field of it.

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
    call.body("{\"summary\": \"\u{e9}\", \"amount\": ").send().await.check(&expect![[r""]]);
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
    call.body("{\"amount\": 1}").send().await.check(&expect![[r""]]);
    // How JSON may be called, and as much of it as is allowed.
    for content_type in ["APPLICATION/JSON", "application/json;charset=UTF-8"] {
        let call = ann.post("/money/v1/deposits").key("key").header("content-type", content_type);
        let body = format!("{:<1$}", r#"{"amount": 1}"#, 64 * 1024);
        assert_eq!(call.body(body).send().await.status, 201, "{content_type}");
    }
    assert_eq!(ann.balance().await, 1);
    product.stop().await;
}

/// Sends each body, and writes what it is answered below it.
async fn check(method: &Method, person: &Person, path: &str, bodies: &[&str], expected: Expect) {
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
    check(&Method::POST, &ann, path, &bodies, expect![[r""]]).await;

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
    check(&Method::PUT, &ann, &path, &bodies, expect![[r""]]).await;
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
    check(&Method::POST, &ann, "/accounts/v1/auths", &bodies, expect![[r""]]).await;
    let bodies = [
        "{}",
        r#"{"refreshToken": null}"#,
        r#"{"refreshToken": 7}"#,
        r#"{"refreshToken": ""}"#,
        r#"{"refreshToken": "mpr_\n"}"#,
        r#"{"refreshToken": "mpr_x", "accessToken": "mpa_x"}"#,
        r#"{"refresh_token": "mpr_x"}"#,
    ];
    check(&Method::POST, &ann, "/accounts/v1/auths/refresh", &bodies, expect![[r""]]).await;
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
    check(&Method::POST, &ann, "/money/v1/wallets", &bodies, expect![[r""]]).await;
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
    let expected = expect![[r""]];
    check(&Method::POST, &ann, "/money/v1/deposits", &bodies, expected).await;
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
    check(&Method::POST, &ann, "/money/v1/transfers", &bodies, expect![[r""]]).await;
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
    missing.check(&expect![[r""]]);
    assert_eq!(ann.balance().await, 0);
    product.stop().await;
}

#[tokio::test]
async fn every_parameter_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let bad_ids = ["0", "-1", "+1", "1.0", "01x", "abc", "1e3", "%20", "9007199254740992", "%C3%A9"];
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
    expect![[r""]].assert_eq(&text);
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
    ann.move_money("transfers", "key", &body).await.check(&expect![[r""]]);
    product.stop().await;
}
