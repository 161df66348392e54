//! A disk that refuses: what was answered is there, what cannot be promised is not, and a process
//! that cannot keep its promises ends, so that its supervisor starts it again.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use testing::{DiskFault, FaultyDisk};

use crate::support::{
    Client, Person, Response,
    cluster::{Cluster, Shape},
    eventually, metrics,
    process::{Ended, PATIENCE, Program, run_my_pay},
};

/// How soon a disk that works again must be noticed.
const RECOVERY: Duration = Duration::from_secs(30);

/// `my-pay up` on such a disk.
struct Scene {
    disk: FaultyDisk,
    folder: TempDir,
    command: Command,
}

impl Scene {
    fn new() -> Self {
        let (disk, folder) = (FaultyDisk::new(), tempfile::tempdir().unwrap());
        let mut command = Program::command(folder.path());
        disk.under(&mut command);
        command.env("MY_PAY_SERVER_OPERATIONS_LISTEN", "127.0.0.1:0");
        Self { disk, folder, command }
    }

    fn start(&mut self) -> Program {
        Program::start(&mut self.command)
    }

    fn audit(&self) {
        let audit = run_my_pay(self.folder.path(), &["admin", "audit", "--data-dir", "data"]);
        assert_eq!(audit.code(), Some(0), "{audit:?}");
    }
}

async fn register(client: &Client, email: &str) -> Response {
    let body = json!({"name": "Kim", "email": email, "password": "a long secret of Kim's"});
    client.post("/accounts/v1/accounts").json(&body).send().await
}

async fn log_in(person: &Person) -> Response {
    let body = json!({"email": person.email, "password": person.password});
    person.client.post("/accounts/v1/auths").json(&body).send().await
}

async fn open_wallet(person: &Person) -> Response {
    person.post("/money/v1/wallets").json(&json!({"currency": "USD"})).send().await
}

async fn deposit(person: &Person, key: &str) -> Response {
    person.move_money("deposits", key, &json!({"amount": 5})).await
}

fn check(answer: &Response, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code()), (status, code), "{}", answer.body);
}

/// Whether `/readyz` says 503, to clients and to operators, because of this check.
async fn is_unready(program: &Program, name: &str) -> bool {
    let shown = metrics::get(metrics::operations_address(&program.process), "/readyz");
    let (_, body) = shown.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let checks = body["checks"].as_array().unwrap();
    let is_failed = checks.iter().any(|check| check["name"] == name && check["ok"] == false);
    let told = program.client().get("/readyz").send().await;
    is_failed && shown.starts_with("HTTP/1.1 503 ") && told.status == 503
}

/// It ended by itself, as failed, and said why once.
fn check_failed(ended: &Ended, reason: &str) {
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let errors: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["level"] == "ERROR" && line["reason"].is_string())
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0]["reason"].as_str().unwrap().contains(reason), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_flush_of_money_ends_the_process_and_loses_nothing() {
    let mut scene = Scene::new();
    let program = scene.start();
    let person = Person::register(program.client(), "Kim").await.with_wallet().await;
    assert_eq!(deposit(&person, "before").await.status, 201);
    scene.disk.fail(DiskFault::Flush, "money.db-wal$");
    check(&deposit(&person, "during").await, 503, "outcome_unknown");
    check_failed(&program.process.wait(PATIENCE), "the disk refused to make money durable");
    scene.disk.mend(DiskFault::Flush);

    let program = scene.start();
    let person = Person { client: program.client(), ..person };
    let replayed = deposit(&person, "before").await;
    assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, "true"));
    let asked_again = deposit(&person, "during").await;
    assert_eq!(asked_again.status, 201, "{}", asked_again.body);
    assert_eq!(person.balance().await, 10);
    assert_eq!(program.stop().code(), Some(0));
    scene.audit();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_flush_of_accounts_ends_the_process_and_loses_nothing() {
    let mut scene = Scene::new();
    let program = scene.start();
    let person = Person::register(program.client(), "Kim").await.with_wallet().await;
    scene.disk.fail(DiskFault::Flush, "account.db-wal$");
    check(&log_in(&person).await, 503, "outcome_unknown");
    check_failed(&program.process.wait(PATIENCE), "account.db failed");
    scene.disk.mend(DiskFault::Flush);

    let program = scene.start();
    let person = Person { client: program.client(), ..person };
    assert_eq!(log_in(&person).await.status, 201);
    assert_eq!(person.get("/money/v1/wallets").send().await.status, 200, "its token is there");
    assert_eq!(program.stop().code(), Some(0));
    scene.audit();
}

/// SQLite copies the log into the file after a commit, and forgets a failure of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_cannot_be_flushed_ends_the_process_too() {
    const LOGINS_MAX: usize = 5_000;
    let mut scene = Scene::new();
    let program = scene.start();
    let person = Person::register(program.client(), "Kim").await;
    scene.disk.fail(DiskFault::Flush, "account.db$");
    let mut logins = 0;
    let body = json!({"email": person.email, "password": person.password});
    // Each one is in the log, which is on disk, until the log has grown enough to be copied.
    while let Ok(answer) = person.client.post("/accounts/v1/auths").json(&body).try_send().await {
        if answer.status != 201 {
            check(&answer, 503, "unavailable");
            break;
        }
        logins += 1;
        assert!(logins < LOGINS_MAX, "the log is never copied");
    }
    check_failed(&program.process.wait(PATIENCE), "account.db cannot be copied into it");
    scene.disk.mend(DiskFault::Flush);
    let program = scene.start();
    let person = Person { client: program.client(), ..person };
    assert_eq!(log_in(&person).await.status, 201);
    assert_eq!(program.stop().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_in_a_commit_ends_the_process_for_the_log_to_be_read_again() {
    for (file, unknown) in [("money.db-wal$", true), ("account.db-wal$", false)] {
        let mut scene = Scene::new();
        let program = scene.start();
        let person = Person::register(program.client(), "Kim").await.with_wallet().await;
        scene.disk.fail(DiskFault::Write, file);
        let answer = if unknown { deposit(&person, "during").await } else { log_in(&person).await };
        check(&answer, 503, "outcome_unknown");
        check_failed(&program.process.wait(PATIENCE), "disk I/O error");
        scene.disk.mend(DiskFault::Write);
        let program = scene.start();
        let person = Person { client: program.client(), ..person };
        assert_eq!(log_in(&person).await.status, 201);
        assert_eq!(deposit(&person, "during").await.status, 201);
        assert_eq!(person.balance().await, 5);
        assert_eq!(program.stop().code(), Some(0));
        scene.audit();
    }
}

/// The services apart, each with a database in a file.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_apart_ends_when_its_disk_refuses_and_is_started_again() {
    let (disk, folder) = (FaultyDisk::new(), tempfile::tempdir().unwrap());
    let url = |service: &str| format!("sqlite:{}/{service}.db", folder.path().display());
    let (account, money) = (url("account"), url("money"));
    let preloaded = disk.variables();
    let mut variables = vec![
        ("MY_PAY_ACCOUNT_DATABASE_URL", account.as_str()),
        ("MY_PAY_MONEY_DATABASE_URL", money.as_str()),
        ("MY_PAY_GATEWAY_UPSTREAM_HEALTH_INTERVAL_MS", "200"),
        ("MY_PAY_SERVER_DRAIN_DELAY_MS", "500"),
    ];
    variables.extend(preloaded.iter().map(|(name, value)| (*name, value.as_str())));
    let shape = Shape { gateways: 1, accounts: 1, moneys: 1 };
    let mut cluster = Cluster::start_with(shape, &variables).await;
    let person = Person::register(cluster.client(), "Kim").await.with_wallet().await;
    assert_eq!(deposit(&person, "before").await.status, 201);

    disk.fail(DiskFault::Flush, "money.db-wal$");
    check(&deposit(&person, "during").await, 503, "outcome_unknown");
    check_failed(&cluster.moneys[0].wait_for_end(), "the disk refused to make money durable");
    disk.mend(DiskFault::Flush);
    cluster.moneys[0].start_again();
    cluster.wait_until_ready().await;
    // The gateway may not have noticed yet that the service was away, let alone that it is back.
    eventually(RECOVERY, async || deposit(&person, "before").await.status == 201).await;
    assert_eq!(deposit(&person, "before").await.header("idempotency-replayed"), "true");
    assert_eq!(deposit(&person, "during").await.status, 201);
    assert_eq!(person.balance().await, 10);

    disk.fail(DiskFault::Flush, "account.db-wal$");
    check(&log_in(&person).await, 503, "outcome_unknown");
    check_failed(&cluster.accounts[0].wait_for_end(), "account.db failed");
    disk.mend(DiskFault::Flush);
    cluster.accounts[0].start_again();
    cluster.wait_until_ready().await;
    eventually(RECOVERY, async || log_in(&person).await.status == 201).await;

    disk.fail(DiskFault::Full, &folder.path().display().to_string());
    check(&log_in(&person).await, 503, "unavailable");
    check(&deposit(&person, "full").await, 503, "unavailable");
    for node in [&cluster.accounts[0], &cluster.moneys[0]] {
        let client = node.client();
        eventually(RECOVERY, async || {
            client.get("/readyz").exchange().await.is_ok_and(|answer| answer.status == 503)
        })
        .await;
    }
    disk.mend(DiskFault::Full);
    cluster.wait_until_ready().await;
    eventually(RECOVERY, async || log_in(&person).await.status == 201).await;
    eventually(RECOVERY, async || deposit(&person, "full").await.status == 201).await;
    for node in cluster.moneys.iter_mut().chain(&mut cluster.accounts) {
        assert_eq!(node.terminate().code(), Some(0), "{}", node.name);
    }
    let report = money::store::sqlite::audit(&folder.path().join("money.db")).unwrap();
    assert!(report.is_clean(), "{report}");
}

/// A file that can no longer be read is not worked with.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_database_ends_the_process() {
    for service in ["account", "money"] {
        let mut scene = Scene::new();
        let program = scene.start();
        let person = Person::register(program.client(), "Kim").await.with_wallet().await;
        assert_eq!(program.stop().code(), Some(0));
        let program = scene.start();
        let person = Person { client: program.client(), ..person };
        scene.disk.fail(DiskFault::Read, &format!("{service}.db$"));
        let credentials = json!({"email": person.email, "password": person.password});
        let call = match service {
            "account" => person.client.post("/accounts/v1/auths").json(&credentials),
            _ => person.post("/money/v1/deposits").key("during").json(&json!({"amount": 5})),
        };
        // The watch over the files may have noticed it first and stopped the server.
        if let Ok(answer) = call.exchange().await {
            check(&answer, 503, "unavailable");
        }
        check_failed(&program.process.wait(PATIENCE), &format!("{service}.db"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_certain_no_that_passes_by_itself() {
    let mut scene = Scene::new();
    let program = scene.start();
    let client = program.client();
    let person = Person::register(client.clone(), "Kim").await.with_wallet().await;
    assert_eq!(deposit(&person, "before").await.status, 201);
    scene.disk.fail(DiskFault::Full, "/data/");

    let opened = open_wallet(&person).await;
    let said = opened.body.to_string();
    assert!(!said.contains("transfer") && !said.contains("key"), "{said}");
    let registered = register(&client, "full@example.com").await;
    let (logged_in, moved) = (log_in(&person).await, deposit(&person, "during").await);
    for refused in [opened, registered, logged_in, moved] {
        check(&refused, 503, "unavailable");
        assert_eq!(refused.body["detail"], "The database cannot do it now; nothing was done.");
    }
    // What needs no room goes on: reads, and answers that were given before.
    assert_eq!(person.balance().await, 5);
    assert_eq!(deposit(&person, "before").await.header("idempotency-replayed"), "true");
    for database in ["account.database", "money.database"] {
        eventually(RECOVERY, async || is_unready(&program, database).await).await;
    }
    assert_eq!(client.get("/livez").send().await.status, 200);

    scene.disk.mend(DiskFault::Full);
    eventually(RECOVERY, async || client.get("/readyz").send().await.status == 200).await;
    assert_eq!(register(&client, "full@example.com").await.status, 201);
    assert_eq!(log_in(&person).await.status, 201);
    assert_eq!(open_wallet(&person).await.status, 201);
    let made = person.post("/money/v1/deposits").key("during");
    let made = made.json(&json!({"amount": 5, "walletId": person.wallet_id})).send().await;
    assert_eq!((made.status, made.header("idempotency-replayed")), (201, ""), "{}", made.body);
    assert_eq!(program.stop().code(), Some(0));
    scene.audit();
}

/// Triggers refuse what the check writes: so does a database that refuses every write.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_every_write_is_not_ready() {
    const REFUSE: &str = "CREATE TRIGGER refuse_insert BEFORE INSERT ON id_blocks
             BEGIN SELECT RAISE(ABORT, 'on purpose'); END;
         CREATE TRIGGER refuse_update BEFORE UPDATE ON id_blocks
             BEGIN SELECT RAISE(ABORT, 'on purpose'); END";
    const ALLOW: &str = "DROP TRIGGER refuse_insert; DROP TRIGGER refuse_update";
    let mut scene = Scene::new();
    let program = scene.start();
    let client = program.client();
    eventually(RECOVERY, async || client.get("/readyz").send().await.status == 200).await;
    for service in ["account", "money"] {
        let path = scene.folder.path().join(format!("data/{service}.db"));
        let db = rusqlite::Connection::open(path).unwrap();
        db.busy_timeout(RECOVERY).unwrap();
        db.execute_batch(REFUSE).unwrap();
        let check = format!("{service}.database");
        eventually(RECOVERY, async || is_unready(&program, &check).await).await;
        db.execute_batch(ALLOW).unwrap();
        eventually(RECOVERY, async || client.get("/readyz").send().await.status == 200).await;
    }
    assert_eq!(program.stop().code(), Some(0));
    scene.audit();
}

/// Readiness writes one row over and over: a file that is asked for hours does not grow.
#[tokio::test(flavor = "multi_thread")]
async fn checks_of_readiness_leave_one_row() {
    let mut scene = Scene::new();
    let program = scene.start();
    let client = program.client();
    let mut checks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let client = client.clone();
        checks.spawn(async move { client.get("/readyz").send().await.status });
    }
    assert!(checks.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(program.stop().code(), Some(0));
    for service in ["account", "money"] {
        let path = scene.folder.path().join(format!("data/{service}.db"));
        let db = rusqlite::Connection::open(path).unwrap();
        let probes = "SELECT COUNT(*) FROM id_blocks WHERE name = 'probe'";
        let rows: i64 = db.query_row(probes, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1, "{service}");
    }
}
