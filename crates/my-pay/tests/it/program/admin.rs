//! The operator's commands, beside a running service and without one.

use std::fs;

use expect_test::expect;
use hyper::Method;
use serde_json::json;
use service::clock::Timestamp;

use super::{folded, refusal};
use crate::support::{
    Person,
    process::{Ended, Program, my_pay, run_my_pay},
};

fn audit(folder: &tempfile::TempDir) -> Ended {
    run_my_pay(folder.path(), &["admin", "audit", "--data-dir", "data"])
}

fn enabling(id: &str) -> [&str; 8] {
    ["admin", "account", "enable", id, "--reason", "it is the owner", "--data-dir", "data"]
}

fn enable(folder: &tempfile::TempDir, id: i64) -> Ended {
    let id = id.to_string();
    run_my_pay(folder.path(), &enabling(&id))
}

/// The program, and somebody with 3,000 won who has tried to send more.
async fn start_with_person(folder: &tempfile::TempDir) -> (Program, Person) {
    let program = Program::start(&mut Program::command(folder.path()));
    let ann = Person::register(program.client(), "Ann").await.with_wallet().await;
    ann.deposit(3_000).await;
    let body = json!({"amount": 5_000});
    let refused = ann.post("/money/v1/withdrawals").key("too much").json(&body).send().await;
    assert_eq!(refused.status, 422);
    (program, ann)
}

#[tokio::test]
async fn good_books_pass_the_audit_beside_the_service_and_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let (program, _) = start_with_person(&folder).await;
    let beside = audit(&folder);
    expect![[r#"
        2 wallets, 1 completed and 1 failed transfers
        KRW: the sum over all wallets is 0
        the books add up
    "#]]
    .assert_eq(&beside.stdout);
    assert_eq!((beside.code(), beside.stderr.as_str()), (Some(0), ""));
    assert_eq!(program.stop().code(), Some(0));
    assert_eq!(audit(&folder).stdout, beside.stdout);
}

#[tokio::test]
async fn spoilt_books_fail_the_audit_which_names_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (program, ann) = start_with_person(&folder).await;
    program.stop();
    let db = rusqlite::Connection::open(folder.path().join("data/money.db")).unwrap();
    db.execute("UPDATE wallets SET balance = balance + 1 WHERE account_id > 9999", []).unwrap();
    let failed = audit(&folder);
    let account = ann.account_id.to_string();
    let is_time = |word: &str| word.trim_end_matches(';').parse::<Timestamp>().is_ok();
    let masked = |line: &str| {
        let words = line.split(' ').map(|word| if is_time(word) { "TIME" } else { word });
        folded(&words.collect::<Vec<_>>().join(" "))
    };
    let lines: String = failed.stdout.replace(&account, "ANN").lines().map(masked).collect();
    expect![[r#"
        2 wallets, 1 completed and 1 failed transfers
        KRW: the sum over all wallets is 1
        BROKEN: the sum over all wallets of a currency is zero: not so in 1 row
        the sum of KRW is 1
        BROKEN: a wallet's balance is the sum of its transactions, and it counts them
            right: not so in 1 row
        wallet 1 of account ANN holds 3001 and counts 1 transactions; they come to 3000
            and are 1
        BROKEN: a wallet names its newest transaction: not so in 1 row
        wallet 1 of account ANN counts 1 transactions and holds 3001 since TIME the one
            that it names, 2, is its number 1 at TIME and leaves 3000
    "#]]
    .assert_eq(&lines);
    assert_eq!((failed.code(), failed.stderr.as_str()), (Some(1), ""));
}

#[test]
fn an_audit_of_nothing_is_refused_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["admin", "audit", "--data-dir", "data"];
    let refuse = || refusal(&mut my_pay(folder.path(), &arguments));
    expect![[r#"
        my-pay: there is no data directory data
    "#]]
    .assert_eq(&refuse());
    assert!(!folder.path().join("data").exists());
    fs::create_dir(folder.path().join("data")).unwrap();
    expect![[r#"
        my-pay: the books cannot be audited: there is no database data/money.db
    "#]]
    .assert_eq(&refuse());
    assert_eq!(fs::read_dir(folder.path().join("data")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_suspended_account_is_enabled_beside_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let (program, ann) = start_with_person(&folder).await;
    let path = format!("/accounts/v1/accounts/{}", ann.account_id);
    let body = json!({"name": "Ann", "email": ann.email, "isValid": false});
    let suspended = ann.call(Method::PUT, &path).json(&body).send().await;
    assert_eq!(suspended.status, 200, "{}", suspended.body);
    let log_in = || {
        let body = json!({"email": ann.email, "password": ann.password});
        program.client().post("/accounts/v1/auths").json(&body).send()
    };
    assert_ne!(log_in().await.status, 201);

    let enabled = enable(&folder, ann.account_id);
    assert_eq!((enabled.code(), enabled.stderr.as_str()), (Some(0), ""));
    assert_eq!(enabled.stdout, format!("account {} is enabled\n", ann.account_id));
    let tokens = log_in().await;
    assert_eq!(tokens.status, 201, "{}", tokens.body);

    let id = ann.account_id.to_string();
    let said = refusal(&mut my_pay(folder.path(), &enabling(&id)));
    expect![[r#"
        my-pay: account ID was not changed: the account is not suspended
    "#]]
    .assert_eq(&said.replace(&id, "ID"));
    assert_eq!(program.stop().code(), Some(0));
}

#[tokio::test]
async fn a_closed_account_stays_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (program, ann) = start_with_person(&folder).await;
    let out = ann.move_money("withdrawals", "out", &json!({"amount": 3_000})).await;
    assert_eq!(out.status, 201, "{}", out.body);
    let closed = ann.close().await;
    assert_eq!(closed.status, 204, "{}", closed.body);
    let id = ann.account_id.to_string();
    let said = refusal(&mut my_pay(folder.path(), &enabling(&id)));
    expect![[r#"
        my-pay: account ID was not changed: the account was closed, which is for good
    "#]]
    .assert_eq(&said.replace(&id, "ID"));
    program.stop();
}

#[test]
fn accounts_that_are_not_there_cannot_be_enabled() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = || refusal(&mut my_pay(folder.path(), &enabling("10001")));
    expect![[r#"
        my-pay: there is no data directory data
    "#]]
    .assert_eq(&refuse());
    fs::create_dir(folder.path().join("data")).unwrap();
    expect![[r#"
        my-pay: there is no account database: start the service once to create it
    "#]]
    .assert_eq(&refuse());
    assert_eq!(fs::read_dir(folder.path().join("data")).unwrap().count(), 0);
    Program::start(&mut Program::command(folder.path())).stop();
    expect![[r#"
        my-pay: account 10001 was not changed: there is no such account
    "#]]
    .assert_eq(&refuse());
}
