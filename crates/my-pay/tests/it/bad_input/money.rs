//! The fields of wallets and movements of money, and the header `Idempotency-Key`.

use expect_test::expect;
use hyper::Method;
use serde_json::json;

use super::{ann_with_wallet, check};
use crate::support::Product;

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
            400 invalid_request currency:unknown_currency
        {"currency": "won"}
            400 invalid_request currency:unknown_currency
        {"currency": "krw"}
            400 invalid_request currency:unknown_currency
        {"currency": "XXX"}
            400 invalid_request currency:unknown_currency
        {"currency": "KRWX"}
            400 invalid_request currency:unknown_currency
        {"currency": "₩₩₩"}
            400 invalid_request currency:unknown_currency
        {"currency": "K\u0000W"}
            400 invalid_request currency:unknown_currency
        {"currency": "KRW", "balance": 1000000}
            400 invalid_request balance:unknown_field
        {"accountId": 10002}
            400 invalid_request accountId:unknown_field
    "#]];
    check(&Method::POST, &ann, "/money/v1/wallets", &bodies, &expected).await;
    product.stop().await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
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
            400 invalid_request summary:direction_control
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
