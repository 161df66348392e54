//! Many clients at once, over as many connections. What they are answered, and what is left in the
//! end, must be exactly what some order of their requests one after the other would have given.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tokio::{sync::Barrier, task::JoinSet};

use crate::support::{Person, Product, Response, client::Call};

/// Sends them all at the same moment, each on a connection of its own.
async fn at_once(calls: Vec<Call>) -> Vec<Response> {
    let files_max = my_pay::open_files::raise_limit();
    let files_needed = 2 * calls.len() as u64 + 500;
    assert!(
        files_max.is_none_or(|max| max >= files_needed),
        "both ends of {} connections are in this process: raise `ulimit -n` to {files_needed}",
        calls.len()
    );
    let start = Arc::new(Barrier::new(calls.len()));
    let mut tasks = JoinSet::new();
    for call in calls {
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            start.wait().await;
            call.send().await
        });
    }
    tasks.join_all().await
}

fn deposit(person: &Person, key: &str, amount: i64) -> Call {
    person.post("/money/v1/deposits").key(key).json(&json!({ "amount": amount }))
}

fn send(sender: &Person, receiver: &Person, key: &str, amount: i64) -> Call {
    sender
        .post("/money/v1/transfers")
        .key(key)
        .json(&json!({"receiverWalletId": receiver.wallet_id, "amount": amount}))
}

/// The balances that the answers tell, smallest first. Each answer must be 201.
fn balances(answers: &[Response]) -> Vec<i64> {
    let mut balances: Vec<_> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 201, "{}", answer.body);
            answer.body["balance"].as_i64().unwrap()
        })
        .collect();
    balances.sort_unstable();
    balances
}

/// How often each status and code was answered.
fn counts(answers: &[Response]) -> Value {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(format!("{} {}", answer.status, answer.code())).or_insert(0) += 1;
    }
    json!(counts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_top_ups_of_one_wallet() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let answers = at_once((0..1_000).map(|n| deposit(&ann, &n.to_string(), 3_000)).collect()).await;
    let each_step_once: Vec<_> = (1..=1_000).map(|n| n * 3_000).collect();
    assert_eq!(balances(&answers), each_step_once);
    assert_eq!(ann.balance().await, 3_000_000);
    product.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_sends_empty_a_wallet_and_one_more_is_refused() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(1_000).await;
    let answers = at_once((0..1_000).map(|n| send(&ann, &bob, &n.to_string(), 1)).collect()).await;
    assert_eq!(balances(&answers), (0..1_000).collect::<Vec<_>>());
    assert_eq!((ann.balance().await, bob.balance().await), (0, 1_000));
    let refused = send(&ann, &bob, "one more", 1).send().await;
    assert_eq!((refused.status, refused.code()), (422, "insufficient_balance"));
    assert_eq!((ann.balance().await, bob.balance().await), (0, 1_000));
    product.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sends_than_a_wallet_holds() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(300).await;
    let answers = at_once((0..400).map(|n| send(&ann, &bob, &n.to_string(), 1)).collect()).await;
    assert_eq!(counts(&answers), json!({"201 ": 300, "422 insufficient_balance": 100}));
    assert_eq!((ann.balance().await, bob.balance().await), (0, 300));
    product.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_in_a_circle() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    let cleo = product.person("Cleo").await.with_wallet().await;
    // Enough for any order, so that no order is an excuse for an error.
    ann.deposit(3_000).await;
    bob.deposit(2_000).await;
    cleo.deposit(5_000).await;
    let calls = (0..1_000).flat_map(|n| {
        [
            send(&ann, &bob, &format!("to bob {n}"), 3),
            send(&bob, &ann, &format!("to ann {n}"), 2),
            send(&cleo, &ann, &format!("to ann {n}"), 5),
            deposit(&bob, &format!("top-up {n}"), 7),
        ]
    });
    let answers = at_once(calls.collect()).await;
    assert_eq!(counts(&answers), json!({"201 ": 4_000}));
    let left = (ann.balance().await, bob.balance().await, cleo.balance().await);
    assert_eq!(left, (7_000, 10_000, 0));
    product.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_sent_a_hundred_times() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(1_000).await;
    let answers = at_once((0..100).map(|_| send(&ann, &bob, "the key", 30)).collect()).await;
    assert_eq!(counts(&answers), json!({"201 ": 100}));
    for answer in &answers {
        assert_eq!(answer.body, answers[0].body);
    }
    let replays = answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!(replays.count(), 99);
    assert_eq!((ann.balance().await, bob.balance().await), (970, 30));
    product.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_request_sent_a_hundred_times() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    let answers = at_once((0..100).map(|_| send(&ann, &bob, "the key", 30)).collect()).await;
    assert_eq!(counts(&answers), json!({"422 insufficient_balance": 100}));
    for answer in &answers {
        assert_eq!(answer.body["transferId"], answers[0].body["transferId"]);
    }
    let replays = answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!(replays.count(), 99);
    product.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_with_one_key() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(1_000).await;
    let answers = at_once((1..=100).map(|n| send(&ann, &bob, "the key", n)).collect()).await;
    assert_eq!(counts(&answers), json!({"201 ": 1, "422 idempotency_key_reused": 99}));
    let winner = answers.iter().find(|answer| answer.status == 201).unwrap();
    let amount = winner.body["amount"].as_i64().unwrap();
    assert_eq!((ann.balance().await, bob.balance().await), (1_000 - amount, amount));
    product.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_of_twenty_accounts_is_twenty_keys() {
    let product = Product::start().await;
    let bob = product.person("Bob").await.with_wallet().await;
    let mut calls = Vec::new();
    for _ in 0..20 {
        let ann = product.person("Ann").await.with_wallet().await;
        ann.deposit(10).await;
        calls.extend((0..5).map(|_| send(&ann, &bob, "the key", 10)));
    }
    let answers = at_once(calls).await;
    assert_eq!(counts(&answers), json!({"201 ": 100}));
    let replays = answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!((replays.count(), bob.balance().await), (80, 200));
    product.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wallet_opened_fifty_times() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let open = || ann.post("/money/v1/wallets").json(&json!({"currency": "KRW"}));
    let answers = at_once((0..50).map(|_| open()).collect()).await;
    assert_eq!(counts(&answers), json!({"201 ": 1, "409 wallet_exists": 49}));
    let wallets = ann.get("/money/v1/wallets").send().await;
    assert_eq!(wallets.body["items"].as_array().unwrap().len(), 1);
    product.stop().await;
}

/// An API key acts for two accounts under one idempotency key at once. Nothing locks the key, and
/// still it is used once.
#[tokio::test(flavor = "multi_thread")]
async fn one_key_of_an_api_key_for_two_accounts() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    let backend = product.backend(&["money:fund"]).await;
    for round in 1..=4 {
        let call = |person: &Person| {
            let call = backend.post("/money/v1/deposits").on_behalf_of(person.account_id);
            call.key(&format!("round {round}")).json(&json!({"amount": 7}))
        };
        let calls = (0..50).map(|n| call(if n % 2 == 0 { &ann } else { &bob })).collect();
        let answers = at_once(calls).await;
        let expected = json!({"201 ": 25, "422 idempotency_key_reused": 25});
        assert_eq!(counts(&answers), expected);
        let fresh = answers.iter().filter(|answer| {
            answer.status == 201 && answer.header("idempotency-replayed").is_empty()
        });
        assert_eq!(fresh.count(), 1);
        assert_eq!(ann.balance().await + bob.balance().await, 7 * round);
    }
    product.stop().await;
}
