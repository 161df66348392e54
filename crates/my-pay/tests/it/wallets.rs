//! Opening wallets and reading them.

use std::time::Duration;

use expect_test::expect;
use serde_json::json;

use crate::support::Product;

const WALLETS: &str = "/money/v1/wallets";

#[tokio::test]
async fn a_wallet_is_in_won_unless_asked_otherwise() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let opened = ann.post(WALLETS).json(&json!({})).send().await;
    opened.check(&expect![[r#"
        201
        location: /money/v1/wallets/1
        {
          "accountId": 10001,
          "balance": 0,
          "createdAt": "2027-01-15T08:00:00.000000Z",
          "currency": "KRW",
          "id": 1,
          "status": "active",
          "updatedAt": "2027-01-15T08:00:00.000000Z"
        }
    "#]]);
    let read = ann.get(opened.header("location")).send().await;
    assert_eq!((read.status, &read.body), (200, &opened.body));
    let bob = product.person("Bob").await;
    let opened = bob.post(WALLETS).json(&json!({"currency": null})).send().await;
    assert_eq!((opened.status, &opened.body["currency"]), (201, &json!("KRW")));
    product.stop().await;
}

#[tokio::test]
async fn an_account_has_one_wallet_a_currency() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    ann.get(WALLETS).send().await.check(&expect![[r#"
        200
        {
          "items": []
        }
    "#]]);
    let mut opened = Vec::new();
    for currency in ["KRW", "USD", "EUR"] {
        let wallet = ann.post(WALLETS).json(&json!({"currency": currency})).send().await;
        assert_eq!((wallet.status, &wallet.body["currency"]), (201, &json!(currency)));
        opened.push(wallet.body);
    }
    ann.post(WALLETS).json(&json!({"currency": "USD"})).send().await.check(&expect![[r#"
        409
        {
          "code": "wallet_exists",
          "detail": "The account has a wallet in this currency",
          "instance": "/money/v1/wallets",
          "requestId": "<uuid>",
          "status": 409,
          "title": "The account has a wallet in this currency",
          "type": "urn:my-pay:problem:wallet_exists"
        }
    "#]]);
    let listed = ann.get(WALLETS).send().await;
    assert_eq!((listed.status, &listed.body), (200, &json!({"items": opened})));
    product.stop().await;
}

#[tokio::test]
async fn a_wallet_shows_what_moved() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    product.let_pass(Duration::from_mins(1));
    ann.deposit(3_000).await;
    let path = format!("{WALLETS}/{}", ann.wallet_id);
    ann.get(&path).send().await.check(&expect![[r#"
        200
        {
          "accountId": 10001,
          "balance": 3000,
          "createdAt": "2027-01-15T08:00:00.000000Z",
          "currency": "KRW",
          "id": 1,
          "status": "active",
          "updatedAt": "2027-01-15T08:01:00.000000Z"
        }
    "#]]);
    product.stop().await;
}

#[tokio::test]
async fn a_wallet_that_is_not_there_is_not_found() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let path = format!("{WALLETS}/9007199254740991");
    ann.get(&path).send().await.check(&expect![[r#"
        404
        {
          "code": "wallet_not_found",
          "detail": "There is no such wallet of this account",
          "instance": "/money/v1/wallets/9007199254740991",
          "requestId": "<uuid>",
          "status": 404,
          "title": "There is no such wallet of this account",
          "type": "urn:my-pay:problem:wallet_not_found"
        }
    "#]]);
    // The system's wallets, on the other side of deposits and withdrawals, are nobody's either.
    ann.deposit(1).await;
    for id in (1..=ann.wallet_id + 10).filter(|id| *id != ann.wallet_id) {
        let read = ann.get(&format!("{WALLETS}/{id}")).send().await;
        assert_eq!(read.brief(), "404 wallet_not_found");
    }
    product.stop().await;
}
