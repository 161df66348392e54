//! What operators do, by call and by command: accounts are stopped, sessions ended and wallets
//! frozen at once, each time with a reason that can be read later.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use service::contract::scope::Scope;

use crate::support::{
    Person, Product, Response, backend::Backend, eventually, person::unique, process::Ended,
};

/// How soon a token must be refused everywhere.
const TOKENS: Duration = Duration::from_secs(1);
/// How soon money must follow.
const MONEY: Duration = Duration::from_secs(2);

/// How an operator works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Call,
    Command,
}

const WAYS: [Way; 2] = [Way::Call, Way::Command];

/// An operator, by one way or the other.
struct Operator<'a> {
    product: &'a Product,
    backend: Backend,
}

impl<'a> Operator<'a> {
    async fn new(product: &'a Product) -> Self {
        Self { product, backend: product.backend(&["operate"]).await }
    }

    async fn on_account(&self, way: Way, action: &str, id: i64) {
        match way {
            Way::Call => assert_eq!(self.call("accounts", action, id).await.status, 201),
            Way::Command => self.command("account", action, id).await,
        }
    }

    async fn on_wallet(&self, way: Way, action: &str, id: i64) {
        match way {
            Way::Call => assert_eq!(self.call("wallets", action, id).await.status, 201),
            Way::Command => self.command("wallet", action, id).await,
        }
    }

    async fn call(&self, of: &str, action: &str, id: i64) -> Response {
        let body = json!({"action": action, "reason": "by call"});
        self.backend.post(&path(of, id)).json(&body).send().await
    }

    async fn command(&self, of: &str, action: &str, id: i64) {
        let ended = self.try_command(of, action, id, "by command").await;
        assert!(ended.status.success(), "{ended:?}");
    }

    async fn try_command(&self, of: &str, action: &str, id: i64, reason: &str) -> Ended {
        let (action, id) = (action.replace('_', "-"), id.to_string());
        self.product.command(&["admin", of, &action, &id, "--reason", reason]).await
    }

    async fn recorded(&self, of: &str, id: i64) -> Vec<Value> {
        let listed = self.backend.get(&path(of, id)).send().await;
        assert_eq!(listed.status, 200, "{}", listed.body);
        listed.body["items"].as_array().unwrap().clone()
    }
}

fn path(of: &str, id: i64) -> String {
    let service = if of == "accounts" { "accounts" } else { "money" };
    format!("/{service}/v1/{of}/{id}/operations")
}

async fn log_in(person: &Person) -> Response {
    let body = json!({"email": person.email, "password": person.password});
    person.client.post("/accounts/v1/auths").json(&body).send().await
}

async fn send_one(from: &Person, to: &Person) -> Response {
    let body = json!({
        "walletId": from.wallet_id, "receiverWalletId": to.wallet_id, "amount": 1,
    });
    from.move_money("transfers", &format!("one-{}", unique()), &body).await
}

/// Ann and Bob, with 1,000 won each.
async fn two_people(product: &Product) -> (Person, Person) {
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(1_000).await;
    bob.deposit(1_000).await;
    (ann, bob)
}

/// Sends again and again until that is answered.
async fn sends_until(from: &Person, to: &Person, expected: &str) {
    eventually(MONEY, async || send_one(from, to).await.brief() == expected).await;
}

/// The token is in the caches of gateways, and is refused in time.
async fn until_refused(person: &Person) {
    let refused =
        async || person.get("/money/v1/wallets").send().await.brief() == "401 invalid_token";
    eventually(TOKENS, refused).await;
}

#[tokio::test]
async fn a_suspended_account_is_stopped_with_all_its_tokens_and_money() {
    let product = Product::start().await;
    let operator = Operator::new(&product).await;
    for way in WAYS {
        let (ann, bob) = two_people(&product).await;
        // A thief has these, and uses them.
        assert_eq!(send_one(&ann, &bob).await.status, 201);
        operator.on_account(way, "suspend", ann.account_id).await;
        until_refused(&ann).await;
        let body = json!({"refreshToken": ann.refresh_token});
        let refreshed = product.client.post("/accounts/v1/auths/refresh").json(&body).send().await;
        assert_eq!(refreshed.brief(), "401 invalid_refresh_token", "{way:?}");
        assert_eq!(log_in(&ann).await.brief(), "403 account_disabled", "{way:?}");
        sends_until(&bob, &ann, "422 receiver_wallet_frozen").await;

        operator.on_account(way, "enable", ann.account_id).await;
        assert_eq!(log_in(&ann).await.status, 201, "{way:?}");
        assert_eq!(ann.get("/money/v1/wallets").send().await.brief(), "401 invalid_token");
        sends_until(&bob, &ann, "201").await;
    }
    product.stop().await;
}

#[tokio::test]
async fn every_session_of_an_account_ends_and_the_owner_logs_in_again() {
    let product = Product::start().await;
    let operator = Operator::new(&product).await;
    for way in WAYS {
        let (mut ann, bob) = two_people(&product).await;
        let phone = log_in(&ann).await;
        let mut phone_token = ann.clone();
        phone_token.token = phone.body["accessToken"].as_str().unwrap().to_owned();
        for person in [&ann, &phone_token, &bob] {
            assert_eq!(person.get("/money/v1/wallets").send().await.status, 200);
        }
        operator.on_account(way, "revoke_sessions", ann.account_id).await;
        until_refused(&ann).await;
        until_refused(&phone_token).await;
        assert_eq!(bob.get("/money/v1/wallets").send().await.status, 200, "another account's");
        let body = json!({"refreshToken": ann.refresh_token});
        let refreshed = product.client.post("/accounts/v1/auths/refresh").json(&body).send().await;
        assert_eq!(refreshed.brief(), "401 invalid_refresh_token", "{way:?}");
        let login = log_in(&ann).await;
        ann.token = login.body["accessToken"].as_str().unwrap().to_owned();
        assert_eq!(send_one(&ann, &bob).await.status, 201, "{way:?}");
    }
    product.stop().await;
}

/// Opens a wallet in dollars.
async fn dollars(person: &Person) -> i64 {
    let opened = person.post("/money/v1/wallets").json(&json!({"currency": "USD"})).send().await;
    opened.body["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_frozen_wallet_moves_no_money_and_outlives_a_suspension() {
    let product = Product::start().await;
    let operator = Operator::new(&product).await;
    for way in WAYS {
        let (ann, bob) = two_people(&product).await;
        operator.on_wallet(way, "freeze", ann.wallet_id).await;
        // At once: the next batch loads what has been committed.
        let key = || format!("try-{}", unique());
        let body = json!({"amount": 1});
        for by in ["deposits", "withdrawals"] {
            let refused = ann.move_money(by, &key(), &body).await;
            assert_eq!(refused.brief(), "422 wallet_frozen", "{way:?} {by}");
        }
        assert_eq!(send_one(&ann, &bob).await.brief(), "422 wallet_frozen", "{way:?}");
        assert_eq!(send_one(&bob, &ann).await.brief(), "422 receiver_wallet_frozen", "{way:?}");
        let wallet = ann.get(&format!("/money/v1/wallets/{}", ann.wallet_id)).send().await;
        assert_eq!(
            (&wallet.body["status"], &wallet.body["balance"]),
            (&json!("frozen"), &json!(1_000))
        );
        // Another wallet of hers follows her account only.
        let [of_ann, of_bob] = [dollars(&ann).await, dollars(&bob).await];
        let funds = json!({"walletId": of_bob, "amount": 1_000});
        assert_eq!(bob.move_money("deposits", &key(), &funds).await.status, 201);
        let to_ann = json!({"walletId": of_bob, "receiverWalletId": of_ann, "amount": 1});
        let until = async |expected: &str| {
            let sent = async || bob.move_money("transfers", &key(), &to_ann).await.brief();
            eventually(MONEY, async || sent().await == expected).await;
        };
        until("201").await;
        operator.on_account(way, "suspend", ann.account_id).await;
        until("422 receiver_wallet_frozen").await;
        operator.on_account(way, "enable", ann.account_id).await;
        until("201").await;
        assert_eq!(send_one(&bob, &ann).await.brief(), "422 receiver_wallet_frozen", "{way:?}");

        operator.on_wallet(way, "unfreeze", ann.wallet_id).await;
        assert_eq!(send_one(&bob, &ann).await.brief(), "201", "{way:?}");
    }
    product.stop().await;
}

#[tokio::test]
async fn who_did_what_when_and_why_is_told() {
    let product = Product::start().await;
    let operator = Operator::new(&product).await;
    let (ann, _) = two_people(&product).await;
    for way in WAYS {
        operator.on_account(way, "suspend", ann.account_id).await;
        operator.on_account(way, "enable", ann.account_id).await;
        operator.on_wallet(way, "freeze", ann.wallet_id).await;
        operator.on_wallet(way, "unfreeze", ann.wallet_id).await;
    }
    let mut key_ids = Vec::new();
    for (of, name, id, actions) in [
        ("accounts", "account", ann.account_id, ["enable", "suspend"]),
        ("wallets", "wallet", ann.wallet_id, ["unfreeze", "freeze"]),
    ] {
        let recorded = operator.recorded(of, id).await;
        let said: Vec<_> =
            recorded.iter().map(|one| (one["action"].clone(), one["reason"].clone())).collect();
        let expected = ["by command", "by call"]
            .into_iter()
            .flat_map(|reason| actions.map(|action| (json!(action), json!(reason))));
        assert_eq!(said, expected.collect::<Vec<_>>());
        let key_id = recorded[3]["apiKeyId"].as_i64().unwrap();
        key_ids.push(key_id);
        for (n, one) in recorded.iter().enumerate() {
            assert_eq!(one["sequence"], json!(4 - n));
            let is_call = one["reason"] == "by call";
            assert_eq!(one["apiKeyId"], if is_call { json!(key_id) } else { Value::Null });
            assert_eq!(one["user"].is_null(), is_call, "{one}");
        }
        // Pages end where there is no more.
        let page = operator.backend.get(&format!("{}?limit=3", path(of, id))).send().await;
        assert_eq!(page.body["items"], json!(recorded[..3]));
        let cursor = page.body["nextCursor"].as_str().unwrap();
        let rest = format!("{}?limit=3&cursor={cursor}", path(of, id));
        let rest = operator.backend.get(&rest).send().await;
        assert_eq!(
            (&rest.body["items"], &rest.body["nextCursor"]),
            (&json!(recorded[3..]), &Value::Null)
        );
        // The command tells the same.
        let listed = product.command(&["admin", name, "operations", &id.to_string()]).await;
        let lines: Vec<_> = listed.stdout.lines().collect();
        assert_eq!(lines.len(), 4, "{listed:?}");
        for (line, one) in lines.iter().zip(&recorded) {
            for part in ["createdAt", "action", "reason"].map(|name| one[name].as_str().unwrap()) {
                assert!(line.contains(part), "{line}");
            }
        }
        assert!(lines[3].contains(&format!("API key {key_id}")), "{listed:?}");
        let user = recorded[0]["user"].as_str().unwrap();
        assert!(lines[0].contains(&format!("command of {user}")), "{listed:?}");
    }
    // Both services record the same key, and another one for another key.
    let other = Operator::new(&product).await;
    other.on_account(Way::Call, "suspend", ann.account_id).await;
    let newest = &other.recorded("accounts", ann.account_id).await[0]["apiKeyId"];
    assert_eq!(key_ids[0], key_ids[1]);
    assert_ne!(newest.as_i64().unwrap(), key_ids[0]);
    product.stop().await;
}

#[tokio::test]
async fn what_changes_nothing_is_refused_and_not_recorded() {
    let product = Product::start().await;
    let operator = Operator::new(&product).await;
    let (ann, _) = two_people(&product).await;
    let call = async |of: &str, action: &str, id: i64| operator.call(of, action, id).await.brief();
    let id = ann.account_id;
    assert_eq!(call("accounts", "enable", id).await, "409 account_not_suspended");
    operator.on_account(Way::Call, "suspend", id).await;
    assert_eq!(call("accounts", "suspend", id).await, "409 account_already_suspended");
    assert_eq!(call("accounts", "revoke_sessions", id).await, "409 no_live_sessions");
    let wallet = ann.wallet_id;
    assert_eq!(call("wallets", "unfreeze", wallet).await, "409 wallet_not_frozen");
    operator.on_wallet(Way::Call, "freeze", wallet).await;
    assert_eq!(call("wallets", "freeze", wallet).await, "409 wallet_already_frozen");
    let said = operator.try_command("wallet", "freeze", wallet, "again").await;
    assert_eq!(said.code(), Some(1));
    let expected = format!(
        "my-pay: wallet {wallet} was not changed: an operator has frozen the wallet already\n"
    );
    assert_eq!(said.stderr, expected);
    assert_eq!(operator.recorded("accounts", id).await.len(), 1);
    assert_eq!(operator.recorded("wallets", wallet).await.len(), 1);
    product.stop().await;
}

#[tokio::test]
async fn the_system_and_what_is_not_there_are_not_found() {
    let product = Product::start().await;
    let operator = Operator::new(&product).await;
    let (ann, _) = two_people(&product).await;
    // A deposit has the system's wallet on its other side; ids of the system's accounts end at
    // 9,999, and people's begin at 10,001.
    let history = ann.get("/money/v1/transactions").send().await;
    let system = history.body["items"][0]["senderWalletId"].as_i64();
    for id in [1, 9_999, 10_000, 9_007_199_254_740_991] {
        for action in ["suspend", "enable", "revoke_sessions"] {
            let refused = operator.call("accounts", action, id).await;
            assert_eq!(refused.brief(), "404 account_not_found", "{id} {action}");
        }
        let listed = operator.backend.get(&path("accounts", id)).send().await;
        assert_eq!(listed.brief(), "404 account_not_found");
    }
    for id in system.into_iter().chain([9_007_199_254_740_991]) {
        for action in ["freeze", "unfreeze"] {
            let refused = operator.call("wallets", action, id).await;
            assert_eq!(refused.brief(), "404 wallet_not_found", "{id} {action}");
        }
        let listed = operator.backend.get(&path("wallets", id)).send().await;
        assert_eq!(listed.brief(), "404 wallet_not_found");
        let said = operator.try_command("wallet", "freeze", id, "a test").await;
        let expected = format!("my-pay: wallet {id} was not changed: there is no such wallet\n");
        assert_eq!(said.stderr, expected);
    }
    product.stop().await;
}

#[tokio::test]
async fn people_and_keys_without_the_scope_are_refused_and_nothing_happens() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let others = Scope::ALL.iter().filter(|scope| **scope != Scope::Operate);
    let others: Vec<_> = others.map(|scope| scope.as_str()).collect();
    let other = product.backend(&others).await;
    let operation = |action: &str| json!({"action": action, "reason": "a try"});
    let calls = [
        (Method::POST, path("accounts", bob.account_id), Some(operation("suspend"))),
        (Method::GET, path("accounts", bob.account_id), None),
        (Method::POST, path("wallets", bob.wallet_id), Some(operation("freeze"))),
        (Method::GET, path("wallets", bob.wallet_id), None),
        (
            Method::POST,
            format!("/money/v1/wallets/{}/payouts", bob.wallet_id),
            Some(json!({"amount": 1, "reason": "a try"})),
        ),
    ];
    for (method, path, body) in &calls {
        for asking in [
            ann.call(method.clone(), path),
            bob.call(method.clone(), path),
            other.call(method.clone(), path),
        ] {
            let asking = asking.key("a-try");
            let asking = match body {
                Some(body) => asking.json(body),
                None => asking,
            };
            let refused = asking.send().await;
            assert_eq!(refused.brief(), "403 insufficient_scope", "{method} {path}");
            assert_eq!(refused.body["scope"], "operate");
        }
    }
    assert_eq!(send_one(&bob, &ann).await.status, 201);
    let operator = Operator::new(&product).await;
    for (of, id) in [("accounts", bob.account_id), ("wallets", bob.wallet_id)] {
        assert_eq!(operator.recorded(of, id).await, [Value::Null; 0]);
    }
    product.stop().await;
}

#[tokio::test]
async fn a_reason_is_required() {
    let product = Product::start().await;
    let operator = Operator::new(&product).await;
    let (ann, _) = two_people(&product).await;
    for (of, id) in [("accounts", ann.account_id), ("wallets", ann.wallet_id)] {
        for (body, expected) in [
            (json!({}), "action:required reason:required"),
            (
                json!({"action": "close", "reason": "  ", "amount": 1}),
                "action:unknown_action reason:too_short amount:unknown_field",
            ),
        ] {
            let refused = operator.backend.post(&path(of, id)).json(&body).send().await;
            assert_eq!(refused.brief(), format!("400 invalid_request {expected}"));
        }
    }
    let id = ann.wallet_id.to_string();
    let missing = product.command(&["admin", "wallet", "freeze", &id]).await;
    assert_eq!(missing.code(), Some(2));
    assert!(missing.stderr.contains("--reason <TEXT>"), "{missing:?}");
    let empty = operator.try_command("wallet", "freeze", ann.wallet_id, " ").await;
    assert_eq!(empty.code(), Some(2));
    assert!(empty.stderr.contains("must have at least 1 character"), "{empty:?}");
    assert_eq!(operator.recorded("wallets", ann.wallet_id).await, [Value::Null; 0]);
    product.stop().await;
}
