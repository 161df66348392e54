//! The operations port, apart from the clients', and what it shows of one process.

use std::{net::SocketAddr, time::Duration};

use serde_json::json;

use crate::support::{
    Person, eventually,
    metrics::{Scrape, get, operations_address},
    process::{Program, run_my_pay},
};

/// How soon a change of the books must be seen with a check every tenth of a second.
const SOON: Duration = Duration::from_secs(10);

/// The program, and where it shows its metrics.
fn start(folder: &tempfile::TempDir) -> (Program, SocketAddr) {
    let mut command = Program::command(folder.path());
    command.env("MY_PAY_SERVER_OPERATIONS_LISTEN", "127.0.0.1:0");
    command.env("MY_PAY_MONEY_CONSERVATION_INTERVAL_MS", "100");
    let program = Program::start(&mut command);
    let operations = operations_address(&program.process);
    (program, operations)
}

#[test]
fn metrics_are_on_a_port_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (program, operations) = start(&folder);
    let metrics = get(operations, "/metrics");
    assert!(metrics.contains("content-type: application/openmetrics-text"), "{metrics}");
    let elsewhere = get(program.address, "/metrics");
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "clients do not see them");
}

#[test]
fn readiness_tells_its_details_on_the_operations_port_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (program, operations) = start(&folder);
    let shown = get(operations, "/readyz");
    assert!(shown.starts_with("HTTP/1.1 200 "), "{shown}");
    for part in ["account.database", "money.database", "jobs waiting"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(get(operations, "/livez").ends_with("ok\n"));
    // Clients are told nothing of queues, versions or processes.
    let told = get(program.address, "/readyz");
    assert!(told.ends_with("\r\n\r\n{\"status\":\"ready\"}"), "{told}");
    for path in ["/accounts/health/ping", "/money/health/ping", "/livez"] {
        let told = get(program.address, path);
        assert!(told.ends_with("\r\n\r\nok\n"), "{told}");
    }
    for address in [program.address, operations] {
        let url = format!("http://{address}/readyz");
        assert_eq!(run_my_pay(folder.path(), &["health", &url]).code(), Some(0));
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (program, operations) = start(&folder);
    let ann = Person::register(program.client(), "Ann").await.with_wallet().await;
    let bob = Person::register(program.client(), "Bob").await.with_wallet().await;
    ann.deposit(3_000).await;
    let send = async |key: &str, amount: i64| {
        let body = json!({ "receiverWalletId": bob.wallet_id, "amount": amount });
        ann.move_money("transfers", key, &body).await.status
    };
    assert_eq!((send("a", 1_000).await, send("a", 1_000).await), (201, 201));
    assert_eq!(send("b", 5_000).await, 422);
    let wallet = ann.get(&format!("/money/v1/wallets/{}", ann.wallet_id)).send().await;
    assert_eq!(wallet.status, 200);
    let unknown = program.client().get("/money/v1/wallets").token("mpa_nobody").send().await;
    assert_eq!(unknown.status, 401);

    let scrape = Scrape::of(operations);
    for (series, value) in [
        (r#"mypay_money_transfers_total{type="deposit",outcome="completed"}"#, 1),
        (r#"mypay_money_transfers_total{type="transfer",outcome="completed"}"#, 1),
        (r#"mypay_money_transfers_total{type="transfer",outcome="insufficient_balance"}"#, 1),
        (r#"mypay_money_transfers_total{type="withdrawal",outcome="completed"}"#, 0),
        (r#"mypay_money_moved_minor_total{type="transfer",currency="KRW"}"#, 1_000),
        ("mypay_money_replays_total", 1),
        ("mypay_money_queue_jobs", 0),
        ("mypay_money_queue_jobs_max", 16_384),
        // Two wallets, a deposit, two transfers and a replay, one after the other.
        ("mypay_money_batch_jobs_count", 6),
        ("mypay_money_queue_seconds_count", 6),
        (r#"mypay_money_batch_stage_seconds_count{stage="commit"}"#, 6),
        (r#"mypay_account_registrations_total{outcome="completed"}"#, 2),
        (r#"mypay_account_logins_total{outcome="completed"}"#, 2),
        ("mypay_account_password_hash_duration_seconds_count", 4),
        (r#"mypay_gateway_tokens_refused_total{reason="inactive"}"#, 1),
        (r#"mypay_http_requests_in_flight{service="gateway"}"#, 0),
    ] {
        assert_eq!(scrape.count(series), value, "{series}");
    }
    for service in ["gateway", "money"] {
        let requests = |labels: &str| {
            let labels = format!("service=\"{service}\",{labels}");
            scrape.count(&format!("mypay_http_request_duration_seconds_count{{{labels}}}"))
        };
        let found = [
            requests(r#"method="POST",route="/money/v1/transfers",status="201""#),
            requests(r#"method="POST",route="/money/v1/transfers",status="422""#),
            requests(r#"method="GET",route="/money/v1/wallets/{id}",status="200""#),
            requests(r#"method="GET",route="/money/v1/wallets",status="401""#),
        ];
        assert_eq!(found, [2, 1, 1, 1], "{service}");
    }
    for name in ["process_resident_memory_bytes", "process_open_fds", "mypay_runtime_workers"] {
        assert!(scrape.count(name) >= 1, "{name}");
    }
    let started = scrape.value("process_start_time_seconds");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - started).abs() < 300.0, "started at {started}, and it is {now}");
}

#[tokio::test]
async fn books_that_do_not_add_up_are_seen_while_the_program_runs() {
    const IMBALANCE: &str = r#"mypay_money_conservation_imbalance_minor{currency="KRW"}"#;
    const CHECKED: &str = "mypay_money_conservation_checked_timestamp_seconds";
    let folder = tempfile::tempdir().unwrap();
    let (program, operations) = start(&folder);
    let ann = Person::register(program.client(), "Ann").await.with_wallet().await;
    ann.deposit(3_000).await;
    let sum_is = async |sum: i64| {
        let before = Scrape::of(operations).value(CHECKED);
        eventually(SOON, async || {
            let scrape = Scrape::of(operations);
            // Ann's wallet, and the other side of her deposit.
            let is_current = scrape.value(CHECKED) > before
                && scrape.count("mypay_money_conservation_wallets") == 2;
            is_current && scrape.count(IMBALANCE) == sum
        })
        .await;
    };
    sum_is(0).await;
    let db = rusqlite::Connection::open(folder.path().join("data/money.db")).unwrap();
    db.execute("UPDATE wallets SET balance = balance + 7 WHERE account_id > 9999", []).unwrap();
    sum_is(7).await;
    db.execute("UPDATE wallets SET balance = balance - 7 WHERE account_id > 9999", []).unwrap();
    sum_is(0).await;
    let log = program.stop().stdout;
    assert_eq!(log.matches("money is not conserved").count(), 1, "{log}");
    assert_eq!(log.matches("money is conserved again").count(), 1, "{log}");
}
