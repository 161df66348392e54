//! The history of a wallet: what it shows, pages, times. Others' history is in security.rs.

use std::time::Duration;

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Person, Product, Response};

async fn history(person: &Person, query: &str) -> Response {
    person.get(&format!("/money/v1/transactions{query}")).send().await
}

fn amounts(page: &Response) -> Vec<i64> {
    assert_eq!(page.status, 200, "{}", page.body);
    let items = page.body["items"].as_array().unwrap();
    items.iter().map(|item| item["amount"].as_i64().unwrap()).collect()
}

/// Walks from page to page, and returns the amounts of each.
async fn pages(person: &Person, query: &str) -> Vec<Vec<i64>> {
    let mut page = history(person, query).await;
    let mut pages = vec![amounts(&page)];
    while let Some(cursor) = page.body["nextCursor"].as_str() {
        page = history(person, &format!("{query}&cursor={cursor}")).await;
        pages.push(amounts(&page));
    }
    pages
}

/// Ann, with deposits of 1, 2, 3, ... won.
async fn with_deposits(product: &Product, count: i64) -> Person {
    let ann = product.person("Ann").await.with_wallet().await;
    for amount in 1..=count {
        ann.deposit(amount).await;
    }
    ann
}

#[tokio::test]
async fn each_side_has_its_own_line() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    history(&ann, "").await.check(&expect![[r#"
        200
        {
          "items": [],
          "nextCursor": null
        }
    "#]]);
    ann.deposit(100).await;
    product.let_pass(Duration::from_mins(1));
    let sent = json!({"receiverWalletId": bob.wallet_id, "amount": 30, "summary": "lunch"});
    let transfer = ann.move_money("transfers", "t", &sent).await;
    product.let_pass(Duration::from_mins(1));
    let withdrawn = ann.move_money("withdrawals", "w", &json!({"amount": 70})).await;
    assert_eq!(withdrawn.status, 201);
    let seen_by_ann = history(&ann, "").await;
    seen_by_ann.check(&expect![[r#"
        200
        {
          "items": [
            {
              "amount": 70,
              "balanceAfter": 0,
              "counterpartyWalletId": null,
              "createdAt": "2027-01-15T08:02:00.000000Z",
              "direction": "debit",
              "id": 5,
              "receiverWalletId": null,
              "senderWalletId": 1,
              "status": "completed",
              "summary": null,
              "transferId": "<uuid>",
              "type": "withdrawal",
              "walletId": 1
            },
            {
              "amount": 30,
              "balanceAfter": 70,
              "counterpartyWalletId": 3,
              "createdAt": "2027-01-15T08:01:00.000000Z",
              "direction": "debit",
              "id": 3,
              "receiverWalletId": 3,
              "senderWalletId": 1,
              "status": "completed",
              "summary": "lunch",
              "transferId": "<uuid>",
              "type": "transfer",
              "walletId": 1
            },
            {
              "amount": 100,
              "balanceAfter": 100,
              "counterpartyWalletId": null,
              "createdAt": "2027-01-15T08:00:00.000000Z",
              "direction": "credit",
              "id": 2,
              "receiverWalletId": 1,
              "senderWalletId": null,
              "status": "completed",
              "summary": null,
              "transferId": "<uuid>",
              "type": "deposit",
              "walletId": 1
            }
          ],
          "nextCursor": null
        }
    "#]]);
    let seen_by_bob = history(&bob, "").await;
    seen_by_bob.check(&expect![[r#"
        200
        {
          "items": [
            {
              "amount": 30,
              "balanceAfter": 30,
              "counterpartyWalletId": 1,
              "createdAt": "2027-01-15T08:01:00.000000Z",
              "direction": "credit",
              "id": 4,
              "receiverWalletId": 3,
              "senderWalletId": 1,
              "status": "completed",
              "summary": "lunch",
              "transferId": "<uuid>",
              "type": "transfer",
              "walletId": 3
            }
          ],
          "nextCursor": null
        }
    "#]]);
    for line in [&seen_by_ann.body["items"][1], &seen_by_bob.body["items"][0]] {
        assert_eq!(line["transferId"], transfer.body["id"]);
    }
    product.stop().await;
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_overlap() {
    let product = Product::start().await;
    let ann = with_deposits(&product, 7).await;
    let all = [7, 6, 5, 4, 3, 2, 1];
    for limit in 1..=8 {
        let expected: Vec<_> = all.chunks(limit).map(<[i64]>::to_vec).collect();
        assert_eq!(pages(&ann, &format!("?limit={limit}")).await, expected);
    }
    product.stop().await;
}

#[tokio::test]
async fn what_is_new_does_not_shift_the_next_page() {
    let product = Product::start().await;
    let ann = with_deposits(&product, 4).await;
    let first = history(&ann, "?limit=2").await;
    let cursor = first.body["nextCursor"].as_str().unwrap();
    ann.deposit(5).await;
    let second = history(&ann, &format!("?limit=2&cursor={cursor}")).await;
    assert_eq!((amounts(&first), amounts(&second)), (vec![4, 3], vec![2, 1]));
    assert_eq!(second.body["nextCursor"], Value::Null);
    product.stop().await;
}

#[tokio::test]
async fn a_page_has_fifty_lines_and_at_most_two_hundred() {
    let product = Product::start().await;
    let ann = with_deposits(&product, 250).await;
    let down = |from: i64, count: usize| (1..=from).rev().take(count).collect::<Vec<_>>();
    assert_eq!(amounts(&history(&ann, "").await), down(250, 50));
    assert_eq!(amounts(&history(&ann, "?limit=200").await), down(250, 200));
    assert_eq!(pages(&ann, "?limit=200").await.concat(), down(250, 250));
    product.stop().await;
}

#[tokio::test]
async fn from_is_included_and_to_is_not() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    // One each second from 08:00:01 on, and two in the last.
    for amount in 1..=5 {
        product.advance(Duration::from_secs(1));
        ann.deposit(amount).await;
    }
    ann.deposit(6).await;
    let at = |second: i64| format!("2027-01-15T08:00:{second:02}Z");
    for (query, expected) in [
        (format!("?from={}", at(3)), vec![6, 5, 4, 3]),
        (format!("?to={}", at(3)), vec![2, 1]),
        (format!("?from={}&to={}", at(2), at(4)), vec![3, 2]),
        (format!("?from={}&to={}", at(5), at(6)), vec![6, 5]),
        (format!("?from={}", at(6)), vec![]),
        (format!("?to={}", at(1)), vec![]),
        (format!("?from={}&to={}", at(4), at(4)), vec![]),
        (format!("?from={}&to={}", at(4), at(2)), vec![]),
        // Any offset and precision, escaped as queries ask for it.
        ("?from=2027-01-15T17:00:05%2B09:00".to_owned(), vec![6, 5]),
        ("?from=2027-01-15T08:00:04.000001Z".to_owned(), vec![6, 5]),
        ("?from=2027-01-15T08:00:03.999999Z&to=2027-01-15T08:00:04.000001Z".to_owned(), vec![4]),
    ] {
        assert_eq!(amounts(&history(&ann, &query).await), expected, "{query}");
    }
    let range = format!("?limit=1&from={}&to={}", at(2), at(5));
    assert_eq!(pages(&ann, &range).await, [[4], [3], [2]]);
    product.stop().await;
}

#[tokio::test]
async fn a_cursor_belongs_to_its_wallet() {
    let product = Product::start().await;
    let ann = with_deposits(&product, 2).await;
    let bob = product.person("Bob").await.with_wallet().await;
    bob.deposit(10).await;
    let page = history(&ann, "?limit=1").await;
    let cursor = page.body["nextCursor"].as_str().unwrap();
    history(&bob, &format!("?cursor={cursor}")).await.check(&expect![[r#"
        400
        {
          "code": "invalid_request",
          "detail": "One field is invalid: see `errors`.",
          "errors": [
            {
              "code": "invalid_cursor",
              "field": "cursor",
              "message": "must be a `nextCursor` of this wallet"
            }
          ],
          "instance": "/money/v1/transactions",
          "requestId": "<uuid>",
          "status": 400,
          "title": "The request has invalid fields",
          "type": "urn:my-pay:problem:invalid_request"
        }
    "#]]);
    let unknown = history(&ann, "?cursor=9007199254740991").await;
    assert_eq!(unknown.brief(), "400 invalid_request cursor:invalid_cursor");
    product.stop().await;
}

#[tokio::test]
async fn with_several_wallets_one_must_be_named() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    assert_eq!(history(&ann, "").await.brief(), "404 wallet_not_found");
    let ann = ann.with_wallet().await;
    ann.deposit(1).await;
    assert_eq!(amounts(&history(&ann, "").await), [1]);
    let opened = ann.post("/money/v1/wallets").json(&json!({"currency": "USD"})).send().await;
    let dollars = &opened.body["id"];
    assert_eq!(history(&ann, "").await.brief(), "422 wallet_required");
    let body = json!({"walletId": dollars, "amount": 2});
    assert_eq!(ann.move_money("deposits", "d", &body).await.status, 201);
    assert_eq!(amounts(&history(&ann, &format!("?walletId={dollars}")).await), [2]);
    assert_eq!(amounts(&history(&ann, &format!("?walletId={}", ann.wallet_id)).await), [1]);
    product.stop().await;
}
