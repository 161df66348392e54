//! Deposits, withdrawals and transfers: what they answer, what they leave, and every rejection.

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Person, Product, Response};

const ID_MAX: i64 = 9_007_199_254_740_991;

#[tokio::test]
async fn a_deposit_is_money_from_outside() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let body = json!({"amount": 3_000, "summary": " top-up "});
    let made = ann.move_money("deposits", "d", &body).await;
    made.check(&expect![[r#"
        201
        location: /money/v1/transfers/<uuid>
        {
          "accountId": 10001,
          "amount": 3000,
          "balance": 3000,
          "createdAt": "2027-01-15T08:00:00.000000Z",
          "currency": "KRW",
          "id": "<uuid>",
          "receiverWalletId": 1,
          "requestedBy": {
            "id": 10001,
            "type": "account"
          },
          "senderWalletId": null,
          "status": "completed",
          "summary": "top-up",
          "type": "deposit"
        }
    "#]]);
    let read = ann.get(made.header("location")).send().await;
    assert_eq!((read.status, &read.body), (200, &made.body));
    assert_eq!(ann.balance().await, 3_000);
    product.stop().await;
}

#[tokio::test]
async fn a_withdrawal_is_money_to_outside() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    ann.deposit(3_000).await;
    let body = json!({"walletId": ann.wallet_id, "amount": 3_000});
    let made = ann.move_money("withdrawals", "w", &body).await;
    made.check(&expect![[r#"
        201
        location: /money/v1/transfers/<uuid>
        {
          "accountId": 10001,
          "amount": 3000,
          "balance": 0,
          "createdAt": "2027-01-15T08:00:00.000000Z",
          "currency": "KRW",
          "id": "<uuid>",
          "receiverWalletId": null,
          "requestedBy": {
            "id": 10001,
            "type": "account"
          },
          "senderWalletId": 1,
          "status": "completed",
          "summary": null,
          "type": "withdrawal"
        }
    "#]]);
    let read = ann.get(made.header("location")).send().await;
    assert_eq!((read.status, &read.body), (200, &made.body));
    assert_eq!(ann.balance().await, 0);
    product.stop().await;
}

#[tokio::test]
async fn a_transfer_shows_each_side_its_own_balance() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(3_000).await;
    let body = json!({"receiverWalletId": bob.wallet_id, "amount": 1_000, "summary": "점심 🍜"});
    let made = ann.move_money("transfers", "t", &body).await;
    made.check(&expect![[r#"
        201
        location: /money/v1/transfers/<uuid>
        {
          "accountId": 10001,
          "amount": 1000,
          "balance": 2000,
          "createdAt": "2027-01-15T08:00:00.000000Z",
          "currency": "KRW",
          "id": "<uuid>",
          "receiverWalletId": 3,
          "requestedBy": {
            "id": 10001,
            "type": "account"
          },
          "senderWalletId": 1,
          "status": "completed",
          "summary": "점심 🍜",
          "type": "transfer"
        }
    "#]]);
    let seen_by_ann = ann.get(made.header("location")).send().await;
    assert_eq!((seen_by_ann.status, &seen_by_ann.body), (200, &made.body));
    let seen_by_bob = bob.get(made.header("location")).send().await;
    let mut expected = made.body.clone();
    expected["balance"] = json!(1_000);
    // Who asked, and for which account, is not the receiver's business.
    for hidden in ["accountId", "requestedBy"] {
        assert!(expected.as_object_mut().unwrap().remove(hidden).is_some(), "{hidden}");
    }
    assert_eq!((seen_by_bob.status, &seen_by_bob.body), (200, &expected));
    assert_eq!((ann.balance().await, bob.balance().await), (2_000, 1_000));
    product.stop().await;
}

#[tokio::test]
async fn each_wallet_of_an_account_has_money_of_its_own() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let opened = ann.post("/money/v1/wallets").json(&json!({"currency": "USD"})).send().await;
    let dollars = &opened.body["id"];
    let body = json!({"walletId": dollars, "amount": ID_MAX});
    let made = ann.move_money("deposits", "d", &body).await;
    assert_eq!((made.status, &made.body["currency"]), (201, &json!("USD")));
    assert_eq!((&made.body["receiverWalletId"], &made.body["balance"]), (dollars, &json!(ID_MAX)));
    assert_eq!(ann.balance().await, 0);
    product.stop().await;
}

/// A gift may fill a wallet from outside. It costs the giver all of it, each later sender is told
/// what is the matter, and spending makes room.
#[tokio::test]
async fn a_full_wallet_declines_what_it_has_no_room_for_until_it_has_spent() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    let cho = product.person("Cho").await.with_wallet().await;
    ann.deposit(ID_MAX).await;
    let own_is_full = "422 balance_limit_exceeded";
    let receiver_is_full = "422 receiver_balance_limit_exceeded";
    let said = |answer: &Response| format!("{} {}", answer.status, answer.code());
    let one = json!({"amount": 1});
    assert_eq!(said(&ann.move_money("deposits", "e", &one).await), own_is_full);
    cho.deposit(10).await;
    bob.deposit(1).await;
    let to_bob = |amount: i64| json!({"receiverWalletId": bob.wallet_id, "amount": amount});
    let declined = ann.move_money("transfers", "all", &to_bob(ID_MAX)).await;
    assert_eq!(said(&declined), receiver_is_full);
    let gift = ann.move_money("transfers", "gift", &to_bob(ID_MAX - 1)).await;
    assert_eq!((gift.status, bob.balance().await), (201, ID_MAX), "it fits exactly");
    for (key, replayed) in [("c", ""), ("c", "true")] {
        let declined = cho.move_money("transfers", key, &to_bob(1)).await;
        assert_eq!(said(&declined), receiver_is_full);
        assert_eq!(declined.header("idempotency-replayed"), replayed);
        let id = declined.body["transferId"].as_str().unwrap();
        let transfer = cho.get(&format!("/money/v1/transfers/{id}")).send().await;
        assert_eq!(transfer.body["failureCode"], "receiver_balance_limit_exceeded");
    }
    assert_eq!(said(&bob.move_money("deposits", "e", &one).await), own_is_full);
    assert_eq!((cho.balance().await, bob.balance().await), (10, ID_MAX));
    let spent = bob.move_money("withdrawals", "w", &json!({"amount": 3})).await;
    assert_eq!(spent.status, 201);
    assert_eq!(cho.move_money("transfers", "d", &to_bob(3)).await.status, 201);
    assert_eq!((cho.balance().await, bob.balance().await), (7, ID_MAX));
    product.stop().await;
}

#[tokio::test]
async fn a_rejection_names_the_failed_transfer() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    ann.deposit(10).await;
    let refused = ann.move_money("withdrawals", "w", &json!({"amount": 11})).await;
    refused.check(&expect![[r#"
        422
        {
          "code": "insufficient_balance",
          "detail": "The wallet holds less than the amount",
          "instance": "/money/v1/withdrawals",
          "requestId": "<uuid>",
          "status": 422,
          "title": "The wallet holds less than the amount",
          "transferId": "<uuid>",
          "type": "urn:my-pay:problem:insufficient_balance"
        }
    "#]]);
    let id = refused.body["transferId"].as_str().unwrap();
    let failed = ann.get(&format!("/money/v1/transfers/{id}")).send().await;
    failed.check(&expect![[r#"
        200
        {
          "accountId": 10001,
          "amount": 11,
          "balance": 10,
          "createdAt": "2027-01-15T08:00:00.000000Z",
          "currency": "KRW",
          "failureCode": "insufficient_balance",
          "id": "<uuid>",
          "receiverWalletId": null,
          "requestedBy": {
            "id": 10001,
            "type": "account"
          },
          "senderWalletId": 1,
          "status": "failed",
          "summary": null,
          "type": "withdrawal"
        }
    "#]]);
    product.stop().await;
}

/// Ann has 1,000 won, Bob has none, Cho has all that a wallet can hold, Dan has won and dollars,
/// Eve has no wallet.
struct People {
    ann: Person,
    bob: Person,
    cho: Person,
    dan: Person,
    dollars: i64,
    eve: Person,
}

impl People {
    async fn of(product: &Product) -> Self {
        let ann = product.person("Ann").await.with_wallet().await;
        ann.deposit(1_000).await;
        let cho = product.person("Cho").await.with_wallet().await;
        cho.deposit(ID_MAX).await;
        let dan = product.person("Dan").await.with_wallet().await;
        let opened = dan.post("/money/v1/wallets").json(&json!({"currency": "USD"})).send().await;
        let dollars = opened.body["id"].as_i64().unwrap();
        let bob = product.person("Bob").await.with_wallet().await;
        Self { ann, bob, cho, dan, dollars, eve: product.person("Eve").await }
    }
}

/// Checks a rejection, and its repetition. It is recorded as a failed transfer where a wallet was
/// found, and leaves no other trace.
async fn check(person: &Person, by: &str, body: Value, is_recorded: bool, expected: &str) {
    let key = format!("{by} {body}");
    let refused = person.move_money(by, &key, &body).await;
    assert_eq!(refused.brief(), expected, "{key}");
    assert_eq!(refused.header("idempotency-replayed"), "", "{key}");
    let repeated = person.move_money(by, &key, &body).await;
    assert_eq!(repeated.body_without_request_id(), refused.body_without_request_id(), "{key}");
    let replayed = if is_recorded { "true" } else { "" };
    assert_eq!(repeated.header("idempotency-replayed"), replayed, "{key}");
    let Some(id) = refused.body["transferId"].as_str() else {
        assert!(!is_recorded, "{key}: {}", refused.body);
        return;
    };
    assert!(is_recorded, "{key}: {}", refused.body);
    let recorded = person.get(&format!("/money/v1/transfers/{id}")).send().await;
    let body = &recorded.body;
    assert_eq!((recorded.status, &body["status"]), (200, &json!("failed")), "{key}");
    assert_eq!(body["failureCode"].as_str(), Some(refused.code()), "{key}");
}

#[tokio::test]
async fn without_a_wallet_a_rejection_is_not_recorded() {
    let product = Product::start().await;
    let People { ann, bob, dan, eve, .. } = People::of(&product).await;
    let not_found = "404 wallet_not_found";
    for by in ["deposits", "withdrawals", "transfers"] {
        let body = |wallet_id: Option<i64>| {
            let mut body = json!({"amount": 1});
            if by == "transfers" {
                body["receiverWalletId"] = json!(bob.wallet_id);
            }
            if let Some(id) = wallet_id {
                body["walletId"] = json!(id);
            }
            body
        };
        check(&dan, by, body(None), false, "422 wallet_required").await;
        check(&eve, by, body(None), false, not_found).await;
        check(&ann, by, body(Some(ID_MAX)), false, not_found).await;
        check(&ann, by, body(Some(dan.wallet_id)), false, not_found).await;
    }
    // Nothing was decided, so the same request may succeed later.
    let eve = eve.with_wallet().await;
    let body = json!({"amount": 1});
    let made = eve.move_money("deposits", &format!("deposits {body}"), &body).await;
    assert_eq!((made.status, made.header("idempotency-replayed")), (201, ""));
    product.stop().await;
}

#[tokio::test]
async fn with_a_wallet_a_rejection_is_recorded_and_moves_nothing() {
    let product = Product::start().await;
    let People { ann, bob, cho, dan, dollars, .. } = People::of(&product).await;
    let to = |wallet_id: i64, amount: i64| json!({"receiverWalletId": wallet_id, "amount": amount});
    let insufficient = "422 insufficient_balance";
    let too_much = "422 balance_limit_exceeded";
    let receiver_is_full = "422 receiver_balance_limit_exceeded";
    check(&ann, "transfers", to(ann.wallet_id, 1), true, "422 same_wallet").await;
    check(&ann, "transfers", to(dollars, 1), true, "422 currency_mismatch").await;
    check(&ann, "transfers", to(bob.wallet_id, 1_001), true, insufficient).await;
    check(&ann, "transfers", to(cho.wallet_id, 1), true, receiver_is_full).await;
    check(&ann, "withdrawals", json!({"amount": 1_001}), true, insufficient).await;
    check(&bob, "withdrawals", json!({"amount": ID_MAX}), true, insufficient).await;
    check(&ann, "deposits", json!({"amount": ID_MAX - 999}), true, too_much).await;
    check(&cho, "deposits", json!({"amount": 1}), true, too_much).await;
    // The system's wallets, which are among these, receive nothing from people.
    let known = [ann.wallet_id, bob.wallet_id, cho.wallet_id, dan.wallet_id, dollars];
    let unknown = (1..=20).filter(|id| !known.contains(id)).chain([ID_MAX]);
    for id in unknown {
        let not_found = "404 receiver_wallet_not_found";
        check(&ann, "transfers", to(id, 1), true, not_found).await;
    }
    for (person, balance) in [(&ann, 1_000), (&bob, 0), (&cho, ID_MAX), (&dan, 0)] {
        let path = format!("/money/v1/transactions?walletId={}", person.wallet_id);
        let history = person.get(&path).send().await;
        let lines = history.body["items"].as_array().map(Vec::len);
        assert_eq!((person.balance().await, lines), (balance, Some((balance > 0).into())));
    }
    product.stop().await;
}
