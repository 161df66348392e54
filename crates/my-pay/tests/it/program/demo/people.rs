//! The demonstration without one of its people: it starts, says who cannot log in and why, and
//! prints what still works.

use std::process::Command;

use expect_test::expect;

use super::{Demo, paste};
use crate::support::process::{PATIENCE, Process};

/// A call as a person.
fn call(demo: &Demo, name: &str, method: &str, path: &str, body: &str) -> String {
    let (address, token) = (demo.program.address, demo.word(name, "access token"));
    format!(
        "curl -s -X {method} http://{address}{path} -H 'Authorization: Bearer {token}' \
         -H 'Content-Type: application/json' -d '{body}'"
    )
}

fn suspend(demo: &Demo, name: &str) {
    let path = format!("/accounts/v1/accounts/{}", demo.word(name, "account"));
    let email = format!("{}@example.com", name.to_lowercase());
    let body = format!(r#"{{"name": "{name}", "email": "{email}", "isValid": false}}"#);
    assert_eq!(paste(&call(demo, name, "PUT", &path, &body))["isValid"], false);
}

/// What is said of a person, without what differs from start to start.
fn said(demo: &Demo, name: &str) -> String {
    demo.of(name) + "\n"
}

#[test]
fn with_ann_suspended_it_starts_and_she_can_be_enabled() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    suspend(&demo, "Ann");
    demo.stop();

    let demo = Demo::start(&folder);
    expect![[r#"
        Ann: ann@example.com, account 10001, is suspended and cannot log in. To enable the account: my-pay admin account enable 10001 --reason 'it is the demonstration' --data-dir 'data'
    "#]]
    .assert_eq(&said(&demo, "Ann"));
    assert_eq!(demo.curls("/money/v1/transfers"), Vec::<&str>::new());
    assert_eq!(demo.balance_of_bob(), Some(100_000));
    assert_eq!(paste(demo.curl("/money/v1/transactions"))["items"][0]["amount"], 100_000);
    let ann = demo.of("Ann");
    let (_, enable) = ann.split_once("account: ").expect("the command is printed");
    // As in a terminal whose PATH has the program.
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_my-pay"), folder.path().join("my-pay")).unwrap();
    let mut shell = Command::new("/bin/bash");
    shell.args(["-c", enable]).current_dir(folder.path());
    shell.env_clear().env("PATH", folder.path());
    let enabled = Process::start(&mut shell).wait(PATIENCE);
    assert_eq!((enabled.code(), enabled.stderr.as_str()), (Some(0), ""), "{enabled:?}");
    demo.stop();

    let demo = Demo::start(&folder);
    assert_eq!(demo.send()["balance"], 97_000);
    demo.stop();
}

#[test]
fn with_ann_closed_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    // A wallet that holds money keeps its account open.
    let withdraw = call(&demo, "Ann", "POST", "/money/v1/withdrawals", r#"{"amount": 100000}"#);
    assert_eq!(paste(&format!("{withdraw} -H 'Idempotency-Key: all'"))["balance"], 0);
    let path = format!("/accounts/v1/accounts/{}/closure", demo.word("Ann", "account"));
    let body = format!(r#"{{"currentPassword": "{}"}}"#, demo.word("Ann", "password"));
    let close = call(&demo, "Ann", "POST", &path, &body);
    let closed = Process::start(Command::new("bash").args(["-c", &close])).wait(PATIENCE);
    assert_eq!((closed.code(), closed.stdout.as_str()), (Some(0), ""), "{closed:?}");
    demo.stop();

    let demo = Demo::start(&folder);
    expect![[r#"
        Ann: ann@example.com, account 10001, is closed, for good. A demonstration in another data directory (--data-dir) begins at the beginning
    "#]]
    .assert_eq(&said(&demo, "Ann"));
    assert_eq!(demo.balance_of_bob(), Some(100_000));
    demo.stop();
}

#[test]
fn with_both_suspended_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    suspend(&demo, "Ann");
    suspend(&demo, "Bob");
    demo.stop();

    let demo = Demo::start(&folder);
    assert!(demo.of("Bob").contains("is suspended"), "{}", demo.of("Bob"));
    assert_eq!(paste(demo.curl("/accounts/v1/accounts"))["name"], "Eve");
    demo.stop();
}

#[test]
fn with_another_password_of_bob_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    let path = format!("/accounts/v1/accounts/{}/password", demo.word("Bob", "account"));
    let current = demo.word("Bob", "password");
    let body =
        format!(r#"{{"currentPassword": "{current}", "newPassword": "a secret of my own"}}"#);
    let change = call(&demo, "Bob", "PUT", &path, &body);
    let changed = Process::start(Command::new("bash").args(["-c", &change])).wait(PATIENCE);
    assert_eq!((changed.code(), changed.stdout.as_str()), (Some(0), ""), "{changed:?}");
    demo.stop();

    let demo = Demo::start(&folder);
    expect![[r#"
        Bob: bob@example.com, account 10002, has another password than the one in data/demonstration.json: its owner changed it. Without that file the next start sets new passwords
    "#]]
    .assert_eq(&said(&demo, "Bob"));
    let wallets = paste(demo.curl("/money/v1/wallets"));
    assert_eq!(wallets["items"][0]["accountId"], 10_001, "Ann's lines are there");
    demo.stop();

    std::fs::remove_file(super::file(&folder)).unwrap();
    let demo = Demo::start(&folder);
    assert_ne!(demo.word("Bob", "password"), current);
    assert_eq!(demo.send()["balance"], 97_000);
    demo.stop();
}

#[test]
fn with_guesses_at_the_password_of_ann_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    let address = demo.program.address;
    let guess = format!(
        "curl -s http://{address}/accounts/v1/auths -H 'Content-Type: application/json' \
         -d '{{\"email\": \"ann@example.com\", \"password\": \"a wrong guess\"}}'"
    );
    // Until they have to wait, and for so long that a start does not take as much.
    while paste(&guess)["code"] != "too_many_attempts" {}
    let database = rusqlite::Connection::open(folder.path().join("data/account.db")).unwrap();
    let far = "UPDATE login_attempts SET attempts = 100, newest_at = newest_at + 600000000";
    assert!(database.execute(far, []).unwrap() > 0);
    drop(database);
    demo.stop();

    let demo = Demo::start(&folder);
    assert!(demo.of("Ann").contains("because many wrong passwords were tried"), "{:?}", demo.said);
    assert_eq!(demo.balance_of_bob(), Some(100_000));
    demo.stop();
}
