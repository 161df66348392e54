//! Backup and restore on MySQL, with the commands of docs/production.md as they are but for names:
//! made while people send money, put into empty schemas, and audited.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use testing::MariaDb;

use crate::{
    documented::write_program,
    support::{
        Person,
        cluster::{Cluster, Shape},
        eventually,
        process::{Ended, PATIENCE, Process},
    },
};

const DOCUMENT: &str = include_str!("../../../../../docs/production.md");

/// The commands of the block with this mark.
fn block(mark: &str) -> &'static str {
    let (_, after) = DOCUMENT.split_once(&format!("```sh {mark}\n")).expect("the block is there");
    after.split_once("```").expect("the block ends").0
}

/// Runs a block in this folder, with the schemas of the test in place of the document's.
fn run(folder: &Path, mariadb: &MariaDb, block: &str, schemas: [&str; 2]) -> Ended {
    let address = mariadb.address();
    let script =
        block.replace("my_pay_account", schemas[0]).replace("my_pay_money", schemas[1]).replace(
            "mysql://money_owner:change-me-3@127.0.0.1:3306",
            &format!("mysql://root@{address}"),
        );
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut command = Command::new("bash");
    command.args(["-e", "-c", &script]).env_clear().env("PATH", path).current_dir(folder);
    Process::start(&mut command).wait(PATIENCE)
}

fn write_programs(folder: &Path, mariadb: &MariaDb) {
    let (host, port) = (mariadb.address().ip(), mariadb.address().port());
    for name in ["mariadb", "mariadb-dump"] {
        let client =
            format!("/usr/bin/{name} --no-defaults --user=root --host={host} --port={port}");
        write_program(folder, name, &format!("exec {client} \"$@\""));
    }
    let my_pay = env!("CARGO_BIN_EXE_my-pay");
    write_program(folder, "my-pay", &format!("exec timeout --kill-after=5 120 {my_pay} \"$@\""));
}

/// Sends one won again and again until the end is told, and notes what was answered.
async fn send_on(
    sender: Person,
    to: i64,
    ended: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<String>>>,
) {
    for number in 0..5_000 {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let key = format!("{} {number}", sender.account_id);
        let body = json!({"receiverWalletId": to, "amount": 1});
        let sent = sender.post("/money/v1/transfers").key(&key).json(&body).send().await;
        assert_eq!(sent.status, 201, "{}", sent.body);
        answered.lock().unwrap().push(sent.body["id"].as_str().unwrap().replace('-', ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_dump_and_its_restore_keep_what_was_answered() {
    let cluster = Cluster::start_with(Shape { gateways: 1, accounts: 1, moneys: 2 }, &[]).await;
    let mariadb = &cluster.mariadb;
    let folder = tempfile::tempdir().unwrap();
    write_programs(folder.path(), mariadb);
    let bob = Person::register(cluster.client(), "Bob").await.with_wallet().await;
    let (ended, answered) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let mut senders = Vec::new();
    for name in ["Ann", "Cleo", "Dan"] {
        let sender = Person::register(cluster.client(), name).await.with_wallet().await;
        sender.deposit(10_000).await;
        let (ended, answered) = (Arc::clone(&ended), Arc::clone(&answered));
        senders.push(tokio::spawn(send_on(sender, bob.wallet_id, ended, answered)));
    }
    let count = || answered.lock().unwrap().len();
    eventually(Duration::from_mins(1), async || count() > 100).await;
    let before: Vec<String> = answered.lock().unwrap().clone();
    let dumped = run(folder.path(), mariadb, block("backup"), ["account", "money"]);
    assert_eq!(dumped.code(), Some(0), "{}{}", dumped.stdout, dumped.stderr);
    let during = count();
    eventually(Duration::from_mins(1), async || count() > during).await;
    ended.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }

    let schemas = ["restored_account", "restored_money"];
    let restored = run(folder.path(), mariadb, block("restore"), schemas);
    assert_eq!(restored.code(), Some(0), "{}{}", restored.stdout, restored.stderr);
    assert!(restored.stdout.contains("the sum over all wallets is 0"), "{}", restored.stdout);
    let ids = mariadb.execute("SELECT LOWER(HEX(id)) FROM restored_money.transfers");
    let missing: Vec<_> = before.iter().filter(|id| !ids.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Money is not ahead of the accounts' feed, and both are of one installation.
    let told =
        mariadb.execute("SELECT COALESCE(MAX(sequence), 0) FROM restored_account.account_changes");
    let read =
        mariadb.execute("SELECT COALESCE(MAX(sequence), 0) FROM restored_money.feed_positions");
    let number = |text: &str| text.trim().parse::<i64>().unwrap();
    assert!(number(&read) <= number(&told), "{read} {told}");
    let installation =
        |schema| mariadb.execute(&format!("SELECT installation_id FROM {schema}.installation"));
    assert_eq!(installation(schemas[0]), installation(schemas[1]));
    cluster.stop().await;
}
