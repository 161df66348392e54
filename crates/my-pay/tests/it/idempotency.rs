//! One `Idempotency-Key`, one movement of money: replays, reuse, spelling, and asking by key. Keys
//! that are no keys are in `bad_input`, many requests with one key at once in concurrency.rs.

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Person, Product, Response};

/// Ann with 1,000 won, and Bob.
async fn two_people(product: &Product) -> (Person, Person) {
    let ann = product.person("Ann").await.with_wallet().await;
    ann.deposit(1_000).await;
    (ann, product.person("Bob").await.with_wallet().await)
}

async fn find(person: &Person, key: &str) -> Response {
    person.get(&format!("/money/v1/transfers?idempotencyKey={key}")).send().await
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_moves_nothing() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let movements = [
        ("deposits", json!({"amount": 100, "summary": "in"})),
        ("withdrawals", json!({"amount": 50, "summary": "out"})),
        ("transfers", json!({"receiverWalletId": bob.wallet_id, "amount": 30})),
    ];
    let mut first_answers = Vec::new();
    for (by, body) in &movements {
        let made = ann.move_money(by, by, body).await;
        assert_eq!((made.status, made.header("idempotency-replayed")), (201, ""));
        first_answers.push(made);
    }
    for ((by, body), first) in movements.iter().zip(&first_answers) {
        let again = ann.move_money(by, by, body).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.header("location"), first.header("location"));
    }
    assert_eq!((ann.balance().await, bob.balance().await), (1_020, 30));
    product.stop().await;
}

#[tokio::test]
async fn a_rejection_stays_one_even_if_it_could_succeed_now() {
    let product = Product::start().await;
    let (ann, _) = two_people(&product).await;
    let body = json!({"amount": 1_001});
    let refused = ann.move_money("withdrawals", "w", &body).await;
    assert_eq!(refused.brief(), "422 insufficient_balance");
    ann.deposit(1).await;
    let again = ann.move_money("withdrawals", "w", &body).await;
    assert_eq!(again.body_without_request_id(), refused.body_without_request_id());
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(ann.move_money("withdrawals", "another", &body).await.status, 201);
    product.stop().await;
}

/// Every decline that is decided for a wallet is recorded: it is found by its key, and it is the
/// answer again when what was in the way is gone.
#[tokio::test]
async fn a_decline_is_recorded_and_answered_again() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let dollars = product.person("Dan").await;
    let opened = dollars.post("/money/v1/wallets").json(&json!({"currency": "USD"})).send().await;
    let to = |receiver: &Value| json!({"receiverWalletId": receiver, "amount": 30});
    let declined = [
        ("transfers", to(&json!(ann.wallet_id)), "422 same_wallet"),
        ("transfers", to(&json!(9_007_199_254_740_000_i64)), "404 receiver_wallet_not_found"),
        ("transfers", to(&opened.body["id"]), "422 currency_mismatch"),
        ("withdrawals", json!({"amount": 1_001}), "422 insufficient_balance"),
        ("deposits", json!({"amount": 9_007_199_254_740_991_i64}), "422 balance_limit_exceeded"),
    ];
    for (by, body, expected) in &declined {
        let first = ann.move_money(by, expected, body).await;
        assert_eq!((first.brief().as_str(), first.header("idempotency-replayed")), (*expected, ""));
        let again = ann.move_money(by, expected, body).await;
        assert_eq!(again.body_without_request_id(), first.body_without_request_id());
        assert_eq!(again.header("idempotency-replayed"), "true", "{expected}");
        let found = find(&ann, &expected.replace(' ', "%20")).await;
        assert_eq!((found.status, &found.body["id"]), (200, &first.body["transferId"]));
        assert!(expected.ends_with(found.body["failureCode"].as_str().unwrap()), "{}", found.body);
    }
    assert_eq!((ann.balance().await, bob.balance().await), (1_000, 0));
    product.stop().await;
}

/// What is decided for no wallet leaves its key free: the same request is decided when it is sent
/// again.
#[tokio::test]
async fn what_is_not_recorded_leaves_the_key_free() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let body = json!({"amount": 30});
    for _ in 0..2 {
        let refused = ann.move_money("deposits", "no wallet", &body).await;
        assert_eq!(refused.brief(), "404 wallet_not_found");
        assert_eq!(refused.header("idempotency-replayed"), "");
        assert_eq!(refused.body["transferId"], Value::Null);
        assert_eq!(find(&ann, "no%20wallet").await.brief(), "404 transfer_not_found");
    }
    let ann = ann.with_wallet().await;
    let made = ann.move_money("deposits", "no wallet", &body).await;
    assert_eq!((made.status, made.header("idempotency-replayed")), (201, ""));

    let opened = ann.post("/money/v1/wallets").json(&json!({"currency": "USD"})).send().await;
    assert_eq!(opened.status, 201, "{}", opened.body);
    for _ in 0..2 {
        let refused = ann.move_money("deposits", "which", &body).await;
        assert_eq!(refused.brief(), "422 wallet_required");
        assert_eq!(refused.header("idempotency-replayed"), "");
        assert_eq!(find(&ann, "which").await.brief(), "404 transfer_not_found");
    }
    // Neither an invalid request nor the use of another's key takes one.
    let invalid = ann.move_money("deposits", "which", &json!({"amount": 0})).await;
    assert_eq!((invalid.status, invalid.code()), (400, "invalid_request"));
    let named = json!({"amount": 30, "walletId": ann.wallet_id});
    assert_eq!(ann.move_money("deposits", "which", &named).await.status, 201);
    let reused = ann.move_money("deposits", "which", &json!({"amount": 31})).await;
    assert_eq!(reused.brief(), "422 idempotency_key_reused");
    let again = ann.move_money("deposits", "which", &named).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(ann.balance().await, 60);
    product.stop().await;
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let dan = product.person("Dan").await.with_wallet().await;
    let opened = ann.post("/money/v1/wallets").json(&json!({"currency": "USD"})).send().await;
    let mut sent = json!({"walletId": ann.wallet_id, "receiverWalletId": bob.wallet_id});
    sent["amount"] = json!(30);
    sent["summary"] = json!("lunch");
    assert_eq!(ann.move_money("transfers", "key", &sent).await.status, 201);

    let with = |field: &str, value: Value| {
        let mut other = sent.clone();
        other[field] = value;
        other
    };
    let reused = ann.move_money("transfers", "key", &with("amount", json!(31))).await;
    reused.check(&expect![[r#"
        422
        {
          "code": "idempotency_key_reused",
          "detail": "The key was used for another request",
          "instance": "/money/v1/transfers",
          "requestId": "<uuid>",
          "status": 422,
          "title": "The key was used for another request",
          "type": "urn:my-pay:problem:idempotency_key_reused"
        }
    "#]]);
    for (by, body) in [
        ("transfers", with("summary", json!("dinner"))),
        ("transfers", with("summary", Value::Null)),
        ("transfers", with("receiverWalletId", json!(dan.wallet_id))),
        ("transfers", with("walletId", opened.body["id"].clone())),
        ("deposits", json!({"walletId": ann.wallet_id, "amount": 30, "summary": "lunch"})),
        ("withdrawals", json!({"walletId": ann.wallet_id, "amount": 30, "summary": "lunch"})),
    ] {
        let reused = ann.move_money(by, "key", &body).await;
        assert_eq!(reused.brief(), "422 idempotency_key_reused", "{by} {body}");
    }
    assert_eq!((ann.balance().await, bob.balance().await), (970, 30));
    product.stop().await;
}

/// What counts is what is asked for, not how it is written.
#[tokio::test]
async fn one_request_may_be_spelt_in_several_ways() {
    let product = Product::start().await;
    let (ann, _) = two_people(&product).await;
    let spellings = [
        r#"{"amount": 100, "summary": "in"}"#.to_owned(),
        r#"{"summary":"\u0069n","amount":100,"walletId":null}"#.to_owned(),
        format!(r#"{{"walletId": {}, "amount": 100, "summary": " in "}}"#, ann.wallet_id),
    ];
    let mut answers = Vec::new();
    for spelling in spellings {
        let call = ann.post("/money/v1/deposits").key("key");
        answers.push(call.header("content-type", "application/json").body(spelling).send().await);
    }
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body));
    assert_eq!(ann.balance().await, 1_100);
    product.stop().await;
}

#[tokio::test]
async fn a_quoted_key_is_the_bare_one() {
    let product = Product::start().await;
    let (ann, _) = two_people(&product).await;
    let body = json!({"amount": 100});
    let longest = "k".repeat(128);
    for [bare, quoted] in [
        ["key", r#""key""#],
        ["8e03978e-40d5-43dd-bc93-6894a57f9324", r#""8e03978e-40d5-43dd-bc93-6894a57f9324""#],
        [r"a\b", r#""a\\b""#],
        ["!~ 'x", r#""!~ 'x""#],
        ["k", r#""k""#],
        [&longest, &format!(r#""{longest}""#)],
    ] {
        let made = ann.move_money("deposits", bare, &body).await;
        assert_eq!((made.status, made.header("idempotency-replayed")), (201, ""), "{bare}");
        let again = ann.move_money("deposits", quoted, &body).await;
        assert_eq!((again.status, &again.body), (201, &made.body), "{quoted}");
        assert_eq!(again.header("idempotency-replayed"), "true", "{quoted}");
    }
    assert_eq!(ann.balance().await, 1_600);
    product.stop().await;
}

/// A client that sends a key in quotes looks it up in quotes. A 404 would have it pay again.
#[tokio::test]
async fn a_key_is_found_under_every_spelling_that_it_can_be_sent_in() {
    let product = Product::start().await;
    let (ann, _) = two_people(&product).await;
    let body = json!({"amount": 100});
    for (sent, looked_up) in [
        (r#""k-1""#, ["k-1", "%22k-1%22", "%20%22k-1%22+", "%09k-1"]),
        ("k-2", ["k-2", "%22k-2%22", "%20k-2", "k%2D2+"]),
        (
            r#""a\"b\\c""#,
            ["a%22b%5Cc", "%22a%5C%22b%5C%5Cc%22", "+a%22b%5cc", "%22%61%5C%22b%5c%5Cc%22"],
        ),
        (
            r#""\"k-1\"""#,
            [
                "%22%5C%22k-1%5C%22%22",
                "+%22%5C%22k-1%5C%22%22",
                "%22%5c%22k-1%5c%22%22",
                "%22%5C%22k%2D1%5C%22%22",
            ],
        ),
        (
            "\" spaced \"",
            ["%22%20spaced%20%22", "%22+spaced+%22", "%22+spaced%20%22", "+%22+spaced+%22"],
        ),
    ] {
        let made = ann.move_money("deposits", sent, &body).await;
        assert_eq!((made.status, made.header("idempotency-replayed")), (201, ""), "{sent}");
        for spelling in looked_up {
            let found = find(&ann, spelling).await;
            assert_eq!((found.status, &found.body), (200, &made.body), "{sent} {spelling}");
        }
    }
    for (spelling, code) in [
        ("%22k-1", "invalid_quoting"),
        ("%22k-1%22x", "invalid_quoting"),
        ("%22k-1%22;a=1", "invalid_quoting"),
        ("%22k%5C-1%22", "invalid_quoting"),
        ("%22%22", "invalid_length"),
        ("%ED%82%A4", "invalid_character"),
    ] {
        let refused = find(&ann, spelling).await;
        assert_eq!(refused.brief(), format!("400 invalid_request idempotencyKey:{code}"));
    }
    // Not another key that only looks alike.
    assert_eq!(find(&ann, "%22k-3%22").await.brief(), "404 transfer_not_found");
    assert_eq!(find(&ann, "%22spaced%22").await.brief(), "404 transfer_not_found");
    product.stop().await;
}

#[tokio::test]
async fn everyone_has_keys_of_their_own() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let by_ann = ann.move_money("deposits", "key", &json!({"amount": 100})).await;
    let by_bob = bob.move_money("deposits", "key", &json!({"amount": 70})).await;
    assert_eq!((by_ann.status, by_bob.status), (201, 201));
    assert_eq!((ann.balance().await, bob.balance().await), (1_100, 70));
    assert_eq!(find(&ann, "key").await.body, by_ann.body);
    assert_eq!(find(&bob, "key").await.body, by_bob.body);
    product.stop().await;
}

#[tokio::test]
async fn what_became_of_a_request_can_be_asked_by_its_key() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let body = json!({"receiverWalletId": bob.wallet_id, "amount": 30});
    let made = ann.move_money("transfers", "a&b", &body).await;
    let found = find(&ann, "a%26b").await;
    assert_eq!((found.status, &found.body), (200, &made.body));
    // The receiver did not ask for it, and knows nothing of its key.
    assert_eq!(find(&bob, "a%26b").await.brief(), "404 transfer_not_found");

    let refused = ann.move_money("withdrawals", "w", &json!({"amount": 1_001})).await;
    let found = find(&ann, "w").await;
    assert_eq!((found.status, &found.body["status"]), (200, &json!("failed")));
    assert_eq!(found.body["id"], refused.body["transferId"]);
    assert_eq!(found.body["failureCode"], "insufficient_balance");

    find(&ann, "never").await.check(&expect![[r#"
        404
        {
          "code": "transfer_not_found",
          "detail": "There is no such transfer of this account",
          "instance": "/money/v1/transfers",
          "requestId": "<uuid>",
          "status": 404,
          "title": "There is no such transfer of this account",
          "type": "urn:my-pay:problem:transfer_not_found"
        }
    "#]]);
    product.stop().await;
}
