//! Closing an account: only with the password, only with empty wallets, and never with money left
//! where it cannot be reached.

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Backend, Person, Product, Response, person::unique, until_revoked};

/// Rounds of a race. Each ends clean.
const ROUNDS: usize = 100;

async fn send(from: &Person, to: &Person, amount: i64) -> Response {
    let body = json!({"receiverWalletId": to.wallet_id, "amount": amount});
    from.move_money("transfers", &format!("send-{}", unique()), &body).await
}

/// The balances that a refusal to close names.
fn balances(refused: &Response) -> Vec<(i64, &str, i64)> {
    assert_eq!(refused.brief(), "409 balances_remain", "{}", refused.body);
    let balances = refused.body["balances"].as_array().unwrap();
    let read = |balance: &'_ Value| {
        (balance["walletId"].as_i64().unwrap(), balance["balance"].as_i64().unwrap())
    };
    let codes = balances.iter().map(|balance| balance["currency"].as_str().unwrap());
    codes.zip(balances.iter().map(read)).map(|(code, (id, held))| (id, code, held)).collect()
}

#[tokio::test]
async fn what_the_wallets_hold_is_named_and_nothing_changes() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let open = ann.post("/money/v1/wallets").json(&json!({"currency": "USD"})).send().await;
    let dollars = open.body["id"].as_i64().unwrap();
    let open = ann.post("/money/v1/wallets").json(&json!({"currency": "EUR"})).send().await;
    assert_eq!(open.status, 201, "the third stays empty");
    for (wallet, amount) in [(ann.wallet_id, 15_000), (dollars, 9_007_199_254_740_991_i64)] {
        let body = json!({"walletId": wallet, "amount": amount});
        assert_eq!(ann.move_money("deposits", &wallet.to_string(), &body).await.status, 201);
    }
    let refused = ann.close().await;
    let mut expected = [(ann.wallet_id, "KRW", 15_000), (dollars, "USD", 9_007_199_254_740_991)];
    expected.sort_unstable();
    assert_eq!(balances(&refused), expected);
    // Nothing is frozen in the meantime.
    for (wallet, amount) in [(ann.wallet_id, 15_000), (dollars, 9_007_199_254_740_991_i64)] {
        let body = json!({"walletId": wallet, "amount": amount});
        let key = format!("out-{wallet}");
        assert_eq!(ann.move_money("withdrawals", &key, &body).await.status, 201);
    }
    ann.close().await.check(&expect![[r#"
        204
    "#]]);
    let gone = until_revoked(|| ann.get("/money/v1/wallets")).await;
    assert_eq!(gone.brief(), "401 invalid_token");
    product.stop().await;
}

#[tokio::test]
async fn an_account_without_wallets_is_closed() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    assert_eq!(ann.close().await.status, 204);
    let again = until_revoked(|| ann.get("/accounts/v1/auths")).await;
    assert_eq!(again.brief(), "401 invalid_token");
    let body = json!({"email": ann.email, "password": ann.password});
    let login = ann.client.post("/accounts/v1/auths").json(&body).send().await;
    assert_eq!(login.brief(), "403 account_disabled");
    product.stop().await;
}

/// A thief of a token cannot close the account of its owner.
#[tokio::test]
async fn a_token_alone_closes_nothing() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let path = format!("/accounts/v1/accounts/{}/closure", ann.account_id);
    for (body, brief) in [
        (json!({}), "400 invalid_request currentPassword:required"),
        (json!({"currentPassword": "a guess"}), "403 invalid_current_password"),
    ] {
        assert_eq!(ann.post(&path).json(&body).send().await.brief(), brief);
    }
    // Nor does it guess here what it could not guess at a login.
    let mut briefs = Vec::new();
    for n in 0..10 {
        let body = json!({"currentPassword": format!("guess {n}")});
        briefs.push(ann.post(&path).json(&body).send().await.brief());
    }
    assert!(briefs.iter().any(|brief| brief == "429 too_many_attempts"), "{briefs:?}");
    // As it was before passwords were asked for.
    let path = format!("/accounts/v1/accounts/{}", ann.account_id);
    let before = ann.call(hyper::Method::DELETE, &path).send().await;
    assert_eq!(before.brief(), "405 method_not_allowed");
    assert_eq!(ann.get(&path).send().await.body["isValid"], true);
    product.stop().await;
}

#[tokio::test]
async fn closing_twice_at_once_is_closing_once() {
    let product = Product::start().await;
    for _ in 0..10 {
        let ann = product.person("Ann").await.with_wallet().await;
        let (first, second) = tokio::join!(ann.close(), ann.close());
        let answers = [first.brief(), second.brief()];
        // The second may find the account, or its token, closed.
        let later = ["403 account_disabled", "401 invalid_token"];
        for answer in &answers {
            assert!(answer == "204" || later.contains(&answer.as_str()), "{answers:?}");
        }
        assert!(answers.iter().any(|answer| answer == "204"), "{answers:?}");
    }
    product.stop().await;
}

/// How a round ended.
#[derive(Debug, Default)]
struct Ends {
    closed: usize,
    open: usize,
}

/// The account is closed while money arrives by transfer, or as a deposit of the owner's.
async fn race(bob: &Person, ann: &Person, round: usize) -> Ends {
    let deposits = round % 4 == 3;
    let body = json!({"amount": 1});
    let (closed, arrived) = tokio::join!(ann.close(), async {
        if deposits {
            ann.move_money("deposits", &format!("race-{round}"), &body).await
        } else {
            send(bob, ann, 1).await
        }
    });
    let refused = if deposits {
        // The token may have ended before the money was moved.
        ["422 wallet_closed", "401 invalid_token"]
    } else {
        ["422 receiver_wallet_closed", "422 receiver_wallet_closed"]
    };
    if closed.status == 204 {
        let arrived = arrived.brief();
        assert!(refused.contains(&arrived.as_str()), "closed, and money arrived: {arrived}");
        let again = send(bob, ann, 1).await;
        assert_eq!(again.brief(), "422 receiver_wallet_closed");
        return Ends { closed: 1, open: 0 };
    }
    assert_eq!(arrived.status, 201, "open, and money did not arrive: {}", arrived.body);
    assert_eq!(balances(&closed), [(ann.wallet_id, "KRW", 1)]);
    assert_eq!(ann.balance().await, 1);
    // The owner takes it out, and is gone.
    let out = ann.move_money("withdrawals", "out", &json!({"amount": 1})).await;
    assert_eq!(out.status, 201, "{}", out.body);
    assert_eq!(ann.close().await.status, 204);
    Ends { closed: 0, open: 1 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_with_money_that_arrives_ends_clean() {
    let product = Product::start().await;
    let bob = product.person("Bob").await.with_wallet().await;
    bob.deposit(10_000).await;
    let mut ends = Ends::default();
    for round in 0..ROUNDS {
        let ann = product.person("Ann").await.with_wallet().await;
        let Ends { closed, open } = race(&bob, &ann, round).await;
        ends.closed += closed;
        ends.open += open;
    }
    eprintln!("{ends:?}");
    assert_eq!(ends.closed + ends.open, ROUNDS);
    product.stop().await;
}

/// A company's backend has its own ways to know its customer.
#[tokio::test]
async fn a_backend_closes_for_a_customer_without_the_password() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await;
    ann.deposit(5).await;
    let weak = product.backend(&["accounts:read", "operate"]).await;
    let strong = product.backend(&["accounts:write"]).await;
    let path = |person: &Person| format!("/accounts/v1/accounts/{}/closure", person.account_id);
    let close = async |backend: &Backend, path: &str, acts_for: &Person| {
        backend.post(path).on_behalf_of(acts_for.account_id).json(&json!({})).send().await
    };
    let refused = close(&weak, &path(&ann), &ann).await;
    assert_eq!(
        (refused.brief().as_str(), &refused.body["scope"]),
        ("403 insufficient_scope", &json!("accounts:write"))
    );
    assert_eq!(
        strong.post(&path(&ann)).json(&json!({})).send().await.brief(),
        "400 account_required"
    );
    assert_eq!(close(&strong, &path(&ann), &bob).await.brief(), "404 account_not_found");
    assert_eq!(balances(&close(&strong, &path(&ann), &ann).await), [(ann.wallet_id, "KRW", 5)]);
    assert_eq!(close(&strong, &path(&bob), &bob).await.status, 204);
    let gone = until_revoked(|| bob.get("/accounts/v1/auths")).await;
    assert_eq!(gone.brief(), "401 invalid_token");
    assert_eq!(close(&strong, &path(&bob), &bob).await.brief(), "403 account_disabled");
    product.stop().await;
}

/// An operator suspends accounts that are being closed, and enables those that are not closed then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_beside_it_changes_nothing_about_a_clean_end() {
    let product = Product::start().await;
    let operator = product.backend(&["operate"]).await;
    let operate = async |ann: &Person, action: &str| {
        let path = format!("/accounts/v1/accounts/{}/operations", ann.account_id);
        let body = json!({"action": action, "reason": "beside a closing"});
        operator.post(&path).json(&body).send().await.brief()
    };
    let bob = product.person("Bob").await.with_wallet().await;
    bob.deposit(1_000).await;
    for round in 0..20 {
        let ann = product.person("Ann").await.with_wallet().await;
        let (closed, suspended) = tokio::join!(ann.close(), operate(&ann, "suspend"));
        match (closed.brief().as_str(), suspended.as_str()) {
            // Suspended before, after, or while its wallets were being closed.
            ("204", "201" | "409 account_closed") => {
                assert_eq!(operate(&ann, "enable").await, "409 account_closed", "{round}");
                let refused = send(&bob, &ann, 1).await.brief();
                assert_eq!(refused, "422 receiver_wallet_closed", "{round}");
            }
            ("403 account_disabled" | "401 invalid_token", "201") => {
                assert_eq!(operate(&ann, "enable").await, "201", "{round}");
                let body = json!({"email": ann.email, "password": ann.password});
                let login = ann.client.post("/accounts/v1/auths").json(&body).send().await;
                let token = login.body["accessToken"].as_str().unwrap().to_owned();
                let again = Person { token, ..ann.clone() };
                assert_eq!(again.close().await.status, 204, "{round}");
            }
            unclean => panic!("{round}: {unclean:?}"),
        }
    }
    product.stop().await;
}
