//! Signals while a start, a command or a stop waits for something outside of the program: the end
//! comes soon, and the operator is told what it was waiting for.

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::json;
use testing::MariaDb;

use crate::support::{
    Person, cluster,
    process::{Ended, PATIENCE, Process, Program, my_pay},
};

/// What is promised is two seconds. The rest is for busy machines; what the tests make the program
/// wait for takes longer, or does not end by itself.
const SOON: Duration = Duration::from_secs(4);

/// A port where connections are taken and nothing is ever said.
struct Silence(TcpListener);

impl Silence {
    fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn at(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
}

fn end(process: Process, signals: &[Signal]) -> Ended {
    let signalled = Instant::now();
    for signal in signals {
        process.signal(*signal);
    }
    let ended = process.wait(PATIENCE);
    assert!(signalled.elapsed() < SOON, "{:?}: {ended:?}", signalled.elapsed());
    ended
}

/// A command that waits says so on standard error, and ends by either signal.
fn check_command(command: &mut Command, waits_for: &str) {
    for (signal, name, code) in [(Signal::TERM, "SIGTERM", 143), (Signal::INT, "SIGINT", 130)] {
        let mut process = Process::start(command);
        process.wait_for_complaint(&format!("waiting for {waits_for}"));
        let ended = end(process, &[signal]);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
        let said = format!("my-pay: {name} ended the command while it was waiting for {waits_for}");
        assert!(ended.stderr.lines().any(|line| line.starts_with(&said)), "{ended:?}");
    }
}

/// A service that waits while it starts says so in its log, and a signal ends it as one that serves.
fn check_start(command: &mut Command, waits_for: &str) {
    let waits = format!("waiting for {waits_for}");
    for signals in [&[Signal::TERM][..], &[Signal::INT], &[Signal::TERM, Signal::TERM]] {
        let mut process = Process::start(command);
        process.wait_for(|line| line.contains(&waits).then_some(()));
        let ended = end(process, signals);
        if signals.len() == 1 {
            assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
            let said = format!("ended the start while it was {waits}");
            assert!(ended.stdout.contains(&said), "{ended:?}");
        } else {
            // The second may come after the end that the first brought.
            assert!(matches!(ended.code(), Some(0 | 130)), "{ended:?}");
        }
    }
}

/// A command of a service that runs apart, with everything but a database.
fn apart(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = my_pay(folder.path(), arguments);
    command.env("MY_PAY_IDENTITY_KEYS", cluster::IDENTITY_KEY);
    command.env("MY_PAY_UPSTREAMS_ACCOUNT", "127.0.0.1:1");
    command.env("MY_PAY_UPSTREAMS_MONEY", "127.0.0.1:1");
    command.args(["--listen", "127.0.0.1:0"]);
    command
}

#[test]
fn a_locked_embedded_database() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Program::start(&mut Program::command(folder.path())).stop();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    for name in ["account.db", "money.db"] {
        let path = folder.path().join("data").join(name);
        let other = rusqlite::Connection::open(path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let waits_for = format!("the database data/{name}, which another process may have locked");
        check_start(&mut Program::command(folder.path()), &waits_for);
        let service = name.trim_end_matches(".db");
        let url = format!("sqlite:data/{name}");
        let arguments = ["migrate", service, "--database-url", &url];
        check_command(&mut my_pay(folder.path(), &arguments), &waits_for);
    }
}

#[test]
fn a_table_that_another_session_has_locked() {
    let server = MariaDb::shared();
    let folder = tempfile::tempdir().unwrap();
    for service in ["account", "money"] {
        let name = server.fresh_database();
        let url = server.url(&name);
        let arguments = ["migrate", service, "--database-url", &url];
        let migrated = Process::start(&mut my_pay(folder.path(), &arguments)).wait(PATIENCE);
        assert_eq!(migrated.code(), Some(0), "{migrated:?}");
        let waits_for = "the table schema_migrations, which another session may have locked";
        let locked = server.hold(&format!("LOCK TABLES {name}.schema_migrations WRITE"));
        check_command(&mut my_pay(folder.path(), &arguments), waits_for);
        let mut start = apart(&folder, &[service, "--database-url", &url]);
        check_start(&mut start, waits_for);
        drop(locked);
    }
}

#[test]
fn another_instance_that_migrates() {
    let server = MariaDb::shared();
    let folder = tempfile::tempdir().unwrap();
    let name = server.fresh_database();
    let url = server.url(&name);
    let lock = "CONCAT('my-pay-migrate-', LEFT(SHA2(DATABASE(), 256), 40))";
    let _locked = server.hold(&format!("USE {name}; SELECT GET_LOCK({lock}, 1)"));
    let waits_for = "another instance that is migrating the schema";
    let arguments = ["migrate", "money", "--database-url", &url];
    check_command(&mut my_pay(folder.path(), &arguments), waits_for);
    check_start(&mut apart(&folder, &["money", "--database-url", &url]), waits_for);
}

#[test]
fn an_audit_of_a_locked_table() {
    let server = MariaDb::shared();
    let folder = tempfile::tempdir().unwrap();
    let name = server.fresh_database();
    let url = server.url(&name);
    let arguments = ["migrate", "money", "--database-url", &url];
    let migrated = Process::start(&mut my_pay(folder.path(), &arguments)).wait(PATIENCE);
    assert_eq!(migrated.code(), Some(0), "{migrated:?}");
    let _locked = server.hold(&format!("LOCK TABLES {name}.wallets WRITE"));
    let arguments = ["admin", "audit", "--database-url", &url];
    check_command(&mut my_pay(folder.path(), &arguments), "the audit of the money database");
}

#[test]
fn servers_that_say_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let silence = Silence::start();
    let at = silence.at();
    let url = format!("mysql://ann:secret@{at}/money");
    let waits_for = format!("the server at {at} to take a connection");
    for arguments in [
        &["migrate", "money", "--database-url", &url][..],
        &["admin", "audit", "--database-url", &url],
        &["admin", "account", "enable", "1", "--reason", "a test", "--database-url", &url],
    ] {
        check_command(&mut my_pay(folder.path(), arguments), &waits_for);
    }
    for service in ["account", "money"] {
        check_start(&mut apart(&folder, &[service, "--database-url", &url]), &waits_for);
    }
    let asked = format!("http://{at}/readyz");
    let waits_for = format!("an answer to GET {asked}");
    check_command(&mut my_pay(folder.path(), &["health", &asked]), &waits_for);
}

#[test]
fn an_account_service_that_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let silence = Silence::start();
    let mut start = apart(&folder, &["money", "--database-url", "sqlite:money.db"]);
    start.env("MY_PAY_UPSTREAMS_ACCOUNT", silence.at());
    check_start(&mut start, "the account service's changes of who may move money");
}

#[test]
fn a_gateway_that_says_nothing_to_a_seed_which_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Program::start(&mut Program::command(folder.path())).stop();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let silence = Silence::start();
    let url = format!("http://{}", silence.at());
    let mut seed = my_pay(folder.path(), &["seed", "--accounts", "3", "--output", "seed.jsonl"]);
    seed.args(["--data-dir", "data", "--url", &url]);
    check_command(&mut seed, &format!("an answer to GET {url}/livez"));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "only the data directory is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_cannot_commit_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::command(folder.path());
    command.env("MY_PAY_SERVER_DRAIN_TIMEOUT_MS", "100");
    let mut program = Program::start(&mut command);
    let ann = Person::register(program.client(), "Ann").await.with_wallet().await;
    let other = rusqlite::Connection::open(folder.path().join("data/money.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = json!({"amount": 3_000});
    let call = ann.post("/money/v1/deposits").key("held").json(&body);
    // Its answer may be lost, which is no answer to the sender either.
    let deposit = tokio::spawn(async move { call.exchange().await.map(|answer| answer.status) });
    // The lane is at it when it has taken the job from the queue.
    let wallets = ann.get("/money/v1/wallets").send().await;
    assert_eq!(wallets.status, 200, "reads go on");
    let signalled = Instant::now();
    program.process.signal(Signal::TERM);
    program.process.wait_for(|line| line.contains("my-pay is stopping").then_some(()));
    let ended = program.process.wait(PATIENCE);
    assert!(signalled.elapsed() < SOON, "{:?}: {ended:?}", signalled.elapsed());
    assert!(!matches!(deposit.await.unwrap(), Ok(201)), "nothing was committed");
    let cause = "the stop takes too long, waiting for the last batch of money to be committed";
    assert!(ended.stdout.contains(cause), "{ended:?}");
    assert_eq!(ended.code(), Some(1));
    drop(other);
    let audit = ["admin", "audit", "--data-dir", "data"];
    let audited = Process::start(&mut my_pay(folder.path(), &audit)).wait(PATIENCE);
    assert_eq!(audited.code(), Some(0), "{audited:?}");
}
