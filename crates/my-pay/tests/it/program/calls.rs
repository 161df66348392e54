//! The commands that call a running service.

use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use crate::support::{
    Person,
    process::{Ended, Program, my_pay, run_my_pay},
};

fn seed(folder: &tempfile::TempDir, url: &str, further: &[&str]) -> Ended {
    let flags = ["seed", "--data-dir", "data", "--output", "seed.jsonl", "--url", url];
    run_my_pay(folder.path(), &[&flags[..], further].concat())
}

#[tokio::test]
async fn health_tells_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    let address = program.address;
    let health = |url: &str| run_my_pay(folder.path(), &["health", url]);
    let ready = health(&format!("http://{address}/readyz"));
    assert_eq!((ready.code(), ready.stderr.as_str()), (Some(0), ""));
    let missing = health(&format!("http://{address}/nothing"));
    assert_eq!(missing.code(), Some(1));
    assert!(missing.stderr.contains("/nothing answered 404"), "{}", missing.stderr);
    for url in ["127.0.0.1:8080", "https://127.0.0.1/readyz", "/readyz"] {
        let refused = health(url);
        assert_eq!(refused.code(), Some(1));
        assert!(refused.stderr.contains("is not a URL such as"), "{}", refused.stderr);
    }
    assert_eq!(program.stop().code(), Some(0));
    let gone = health(&format!("http://{address}/readyz"));
    assert_eq!(gone.code(), Some(1));
    assert!(gone.stderr.contains("Connection refused"), "{}", gone.stderr);
}

#[tokio::test]
async fn seeding_makes_accounts_that_can_move_money_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // With rate limits, and more calls than an address may make at once.
    let up = ["up", "--listen", "127.0.0.1:0", "--data-dir", "data", "--log-format", "json"];
    let mut command = my_pay(folder.path(), &up);
    command.env("MY_PAY_MONEY_SELF_SERVICE_FUNDING", "true");
    let program = Program::start(&mut command);
    let url = format!("http://{}", program.address);
    // What was there before is replaced, and so is who may read it.
    let file = folder.path().join("seed.jsonl");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let seeded = seed(&folder, &url, &["--accounts", "250", "--funds", "5000"]);
    assert_eq!((seeded.code(), seeded.stderr.as_str()), (Some(0), ""), "{}", seeded.stdout);
    assert!(seeded.stdout.starts_with("250 accounts with 5000 KRW each, in "), "{}", seeded.stdout);

    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let wallets: HashSet<_> = lines.iter().map(|line| line["walletId"].as_i64().unwrap()).collect();
    assert_eq!((lines.len(), wallets.len()), (250, 250));

    let bob = Person::register(program.client(), "Bob").await.with_wallet().await;
    let last = &lines[249];
    let body = serde_json::json!({ "receiverWalletId": bob.wallet_id, "amount": 4_999 });
    let sent = program
        .client()
        .post("/money/v1/transfers")
        .token(last["accessToken"].as_str().unwrap())
        .key("one")
        .json(&body)
        .send()
        .await;
    assert_eq!((sent.status, &sent.body["balance"]), (201, &Value::from(1)), "{}", sent.body);
}

#[test]
fn seeding_says_clearly_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = "http://127.0.0.1:1";
    let no_data = seed(&folder, nobody, &["--accounts", "1"]);
    assert_eq!(no_data.code(), Some(1));
    assert!(no_data.stderr.contains("there is no data directory"), "{}", no_data.stderr);
    let none = seed(&folder, nobody, &["--accounts", "0"]);
    assert!(none.stderr.contains("a number from 1 to 1,000,000 is needed"), "{}", none.stderr);

    let odd = seed(&folder, nobody, &["--accounts", "1", "--currency", "XXX"]);
    assert!(odd.stderr.contains("an ISO 4217 code is needed"), "{}", odd.stderr);
    let nothing = seed(&folder, nobody, &["--accounts", "1", "--funds", "0"]);
    assert!(nothing.stderr.contains("a number from 1 to 9007199254740991"), "{}", nothing.stderr);

    let program = Program::start(&mut Program::command(folder.path()));
    fs::write(folder.path().join("seed.jsonl"), "old").unwrap();
    let no_gateway = seed(&folder, nobody, &["--accounts", "1"]);
    assert_eq!(no_gateway.code(), Some(1));
    assert!(no_gateway.stderr.contains("GET http://127.0.0.1:1/livez"), "{}", no_gateway.stderr);
    // It is a gateway, but takes nobody's money.
    let listen = &["up", "--listen", "127.0.0.1:0", "--data-dir", "other", "--log-format", "json"];
    let stranger = Program::start(&mut my_pay(folder.path(), listen));
    let url = format!("http://{}", stranger.address);
    let refused = seed(&folder, &url, &["--accounts", "1"]);
    assert_eq!(refused.code(), Some(1));
    assert!(refused.stderr.contains("answered 401"), "{}", refused.stderr);
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["data", "other", "seed.jsonl"], "nothing half-made is left");
    assert_eq!(fs::read_to_string(folder.path().join("seed.jsonl")).unwrap(), "old");
    drop((program, stranger));
    // The right gateway, where people make no money.
    let refusing = Program::start(&mut my_pay(folder.path(), listen));
    let url = format!("http://{}", refusing.address);
    let flags = ["seed", "--accounts", "1", "--data-dir", "other", "--output", "seed.jsonl"];
    let refused = run_my_pay(folder.path(), &[&flags[..], &["--url", &url]].concat());
    assert_eq!(refused.code(), Some(1));
    let setting = "with MY_PAY_MONEY_SELF_SERVICE_FUNDING=true";
    assert!(refused.stderr.contains(setting), "{}", refused.stderr);
}
