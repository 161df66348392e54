//! Running the services apart: operators' commands, callers past the gateway, and processes that
//! end, fall silent, and come back.

use std::time::Duration;

use hyper::Method;
use serde_json::json;

use crate::{
    payouts::closing_with_money,
    support::{
        Client, Person, Response,
        cluster::{Cluster, Node, Shape},
        eventually,
        person::unique,
        process::{Ended, PATIENCE, Process},
    },
};

/// How soon every money service must follow an account. Tests wait as long and no longer: it is
/// what is promised.
const SOON: Duration = Duration::from_secs(2);

/// The same of every gateway and a token that an operator ended.
const REFUSED: Duration = Duration::from_secs(1);

async fn send_one(from: &Person, to: &Person) -> Response {
    let body = json!({"receiverWalletId": to.wallet_id, "amount": 1});
    from.move_money("transfers", &format!("one-{}", unique()), &body).await
}

async fn two_people(cluster: &Cluster) -> (Person, Person) {
    let ann = Person::register(cluster.client(), "Ann").await.with_wallet().await;
    let bob = Person::register(cluster.client(), "Bob").await.with_wallet().await;
    bob.deposit(1_000).await;
    (ann, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_reaches_every_money_service_until_an_operator_lifts_it() {
    let cluster = Cluster::start().await;
    let (ann, bob) = two_people(&cluster).await;
    let path = format!("/accounts/v1/accounts/{}", ann.account_id);
    let body = json!({"name": "Ann", "email": ann.email, "isValid": false});
    assert_eq!(ann.call(Method::PUT, &path).json(&body).send().await.status, 200);
    tokio::time::sleep(SOON).await;
    for _ in 0..30 {
        assert_eq!(send_one(&bob, &ann).await.brief(), "422 receiver_wallet_frozen");
    }
    let id = ann.account_id.to_string();
    let enabled = Process::start(
        &mut cluster.command(&["admin", "account", "enable", &id, "--reason", "a test"]),
    );
    assert_eq!(enabled.wait(PATIENCE).stdout, format!("account {id} is enabled\n"));
    tokio::time::sleep(SOON).await;
    for _ in 0..30 {
        assert_eq!(send_one(&bob, &ann).await.brief(), "201");
    }
    let audit = Process::start(&mut cluster.command(&["admin", "audit"])).wait(PATIENCE);
    assert!(audit.stdout.ends_with("the books add up\n"), "{audit:?}");
    cluster.stop().await;
}

/// Every gateway knows these tokens, and forgets them in time.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_tokens_at_every_gateway_and_stops_money_at_every_service() {
    let shape = Shape { gateways: 2, ..Shape::default() };
    let cluster = Cluster::start_with(shape, &[]).await;
    for (action, login) in [("suspend", 403), ("revoke-sessions", 201)] {
        let (ann, bob) = two_people(&cluster).await;
        let clients: Vec<_> = cluster.gateways.iter().map(Node::client).collect();
        let ask = async |client: &Client| {
            let answer = client.get("/money/v1/wallets").token(&ann.token).send().await;
            answer.brief()
        };
        for client in &clients {
            assert_eq!(ask(client).await, "200");
        }
        let id = ann.account_id.to_string();
        operate(&cluster, &["admin", "account", action, &id, "--reason", "stolen"]).await;
        for client in &clients {
            eventually(REFUSED, async || ask(client).await == "401 invalid_token").await;
        }
        let body = json!({"email": ann.email, "password": ann.password});
        let again = cluster.client().post("/accounts/v1/auths").json(&body).send().await;
        assert_eq!(again.status, login, "{action}");

        let wallet = ann.wallet_id.to_string();
        operate(&cluster, &["admin", "wallet", "freeze", &wallet, "--reason", "stolen"]).await;
        for _ in 0..30 {
            assert_eq!(send_one(&bob, &ann).await.brief(), "422 receiver_wallet_frozen");
        }
    }
    cluster.stop().await;
}

/// Closed as earlier versions closed it, with money in it.
#[tokio::test(flavor = "multi_thread")]
async fn the_money_of_a_closed_wallet_is_paid_out_on_mysql() {
    let cluster = Cluster::start_with(Shape { gateways: 1, accounts: 1, moneys: 2 }, &[]).await;
    let (ann, bob) = two_people(&cluster).await;
    assert_eq!(send_one(&bob, &ann).await.status, 201);
    let closing = closing_with_money(ann.account_id);
    cluster.mariadb.execute(&format!("USE account; START TRANSACTION; {closing} COMMIT"));
    let is_closed = async || send_one(&bob, &ann).await.brief() == "422 receiver_wallet_closed";
    eventually(SOON, is_closed).await;
    let create = ["admin", "api-key", "create", "--name", "ops", "--scopes", "operate"];
    let key = operate(&cluster, &create).await.stdout;
    let path = format!("/money/v1/wallets/{}/payouts", ann.wallet_id);
    let pay_out = async || {
        let body = json!({"amount": 1, "reason": "to her bank"});
        let call = cluster.client().post(&path).token(key.trim()).key("payout").json(&body);
        call.send().await
    };
    let paid = pay_out().await;
    assert_eq!(paid.status, 201, "{}", paid.body);
    for _ in 0..10 {
        assert_eq!(pay_out().await.body, paid.body);
    }
    cluster.stop().await;
}

/// Runs an operator's command, which succeeds.
async fn operate(cluster: &Cluster, arguments: &[&str]) -> Ended {
    let mut command = cluster.command(arguments);
    let ending = move || Process::start(&mut command).wait(PATIENCE);
    let ended = tokio::task::spawn_blocking(ending).await.unwrap();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_gateway_nothing_is_to_be_had() {
    let cluster = Cluster::start_with(Shape { gateways: 1, accounts: 1, moneys: 1 }, &[]).await;
    let (_, bob) = two_people(&cluster).await;
    for (node, path) in [
        (&cluster.moneys[0], "/money/v1/wallets"),
        (&cluster.accounts[0], "/accounts/v1/auths"),
        (&cluster.accounts[0], "/internal/v1/account-changes?after=0&limit=1&waitMs=0"),
    ] {
        for identity in ["", "1", "a.b.c"] {
            let call = node.client().get(path).token(&bob.token);
            let refused = call.header("x-my-pay-identity", identity).exchange().await.unwrap();
            assert_eq!((refused.status, refused.code()), (401, "untrusted_identity"), "{path}");
        }
    }
    let inside = cluster.client().get("/internal/v1/account-changes").exchange().await.unwrap();
    assert_eq!(inside.status, 404, "the gateway does not lead there");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_goes_on_while_instances_end_and_come_back() {
    let mut cluster = Cluster::start().await;
    let (ann, bob) = two_people(&cluster).await;
    let mut sent = 0;
    let mut go_on = async || {
        for _ in 0..10 {
            let answer = send_one(&bob, &ann).await;
            assert_eq!(answer.status, 201, "{}", answer.body);
            sent += 1;
        }
    };
    // Restarted in turn, as an upgrade does it: no request is lost.
    for n in 0..cluster.moneys.len() {
        let ended = cluster.moneys[n].terminate();
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        go_on().await;
        cluster.moneys[n].start_again();
        cluster.moneys[n].wait_until_ready().await;
    }
    cluster.moneys[0].kill();
    go_on().await;
    cluster.moneys[0].start_again();
    cluster.moneys[1].suspend();
    go_on().await;
    cluster.moneys[1].resume();
    cluster.wait_until_ready().await;
    cluster.redis.kill();
    go_on().await;
    cluster.redis.restart();
    eventually(PATIENCE, async || send_one(&bob, &ann).await.status == 201).await;
    assert_eq!(ann.balance().await, sent + 1);
    cluster.stop().await;
}
