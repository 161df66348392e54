//! What the store says while the database fails, and that it goes on afterwards.

use std::net::SocketAddr;

use prometheus_client::{encoding::text, registry::Registry};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{ids::IdName, store::Error};

#[tokio::test]
async fn a_database_that_was_restarted_is_used_again() {
    let mut server = MariaDb::start();
    let store = store(&server, "account").await;
    store.insert_account(account(10_001, "a@example.com")).await.unwrap().unwrap();
    server.kill();
    assert!(matches!(store.account(10_001).await, Err(Error::Busy(_))));
    assert!(matches!(store.close_account(10_001, NOW).await, Err(Error::Busy(_))));
    server.restart();
    assert!(store.account(10_001).await.unwrap().is_some());
    store.close_account(10_001, NOW).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_ready() {
    let server = MariaDb::start();
    store(&server, "account").await;
    let store = serve(&server, "account");
    store.ping().await.unwrap();
    server.execute("SET GLOBAL read_only = 1");
    assert!(matches!(store.ping().await, Err(Error::Busy(_))));
    assert!(matches!(store.reserve_ids(IdName::Accounts, 1).await, Err(Error::Busy(_))));
    server.execute("SET GLOBAL read_only = 0");
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_server_that_refuses_to_log_in_is_unavailable_for_now() {
    let server = MariaDb::start();
    store(&server, "account").await;
    let store = serve(&server, "account");
    server.execute("ALTER USER serve ACCOUNT LOCK");
    assert!(matches!(store.ping().await, Err(Error::Busy(_))));
    assert!(matches!(store.account(10_001).await, Err(Error::Busy(_))));
    assert!(matches!(store.close_account(10_001, NOW).await, Err(Error::Busy(_))));
    server.execute("ALTER USER serve ACCOUNT UNLOCK");
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_frozen_database_costs_bounded_time_and_changes_nothing() {
    let server = MariaDb::start();
    let store = store(&server, "account").await;
    store.insert_account(account(10_001, "a@example.com")).await.unwrap().unwrap();
    server.stop();
    let started_at = tokio::time::Instant::now();
    let (read, changed) = tokio::join!(store.account(10_001), store.close_account(10_001, NOW));
    assert!(matches!(read, Err(Error::Busy(_))), "{read:?}");
    assert!(matches!(changed, Err(Error::Busy(_))), "{changed:?}");
    assert!(started_at.elapsed() < Duration::from_secs(15), "{:?}", started_at.elapsed());
    server.resume();
    assert!(store.account(10_001).await.unwrap().is_some());
    assert_eq!(store.changes_after(0, 10).await.unwrap(), []);
    store.close_account(10_001, NOW).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_tried_again_and_counted() {
    let server = MariaDb::start();
    let store = store(&server, "account").await;
    store.insert_account(account(10_001, "a@example.com")).await.unwrap().unwrap();
    server.execute("CREATE TABLE account.weight (x BIGINT NOT NULL)");

    // Another transaction takes the feed's row, and asks for the account's row when the store waits
    // the other way round. It has changed more, so the store's is rolled back.
    let mut other = store.database.connection().await.unwrap();
    for statement in [
        "START TRANSACTION",
        "INSERT INTO weight SELECT seq FROM seq_1_to_1000",
        "UPDATE id_blocks SET next_value = next_value + 1 WHERE name = 'account_changes'",
    ] {
        other.query_drop(statement).await.unwrap();
    }
    let closing = store.clone();
    let closed = tokio::spawn(async move { closing.close_account(10_001, NOW).await });
    // Not information_schema.innodb_trx, which shows nothing new to who asks often.
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist
        WHERE command = 'Execute' AND info LIKE 'UPDATE id_blocks %'";
    while server.execute(waiting) == "0\n" {
        tokio::task::yield_now().await;
    }
    other.query_drop("SELECT id FROM accounts WHERE id = 10001 FOR UPDATE").await.unwrap();
    other.query_drop("ROLLBACK").await.unwrap();
    let closed = closed.await.unwrap();
    closed.unwrap().unwrap();
    assert_eq!(store.changes_after(0, 10).await.unwrap().len(), 1);

    let mut registry = Registry::default();
    store.register_metrics(&mut registry);
    let mut metrics = String::new();
    text::encode(&mut metrics, &registry).unwrap();
    let line = "mypay_account_store_retries_total\
        {transaction=\"close_account\",reason=\"deadlock\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

/// When the way to the database is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    BeforeCommit,
    AfterCommit,
}

/// A way to the database that is cut at the first commit, and whole for all connections after it.
async fn cut_at_commit(server: SocketAddr, cut: Cut) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        relay_until_commit(client, TcpStream::connect(server).await.unwrap(), cut).await;
        while let Ok((mut client, _)) = listener.accept().await {
            let mut upstream = TcpStream::connect(server).await.unwrap();
            tokio::spawn(async move {
                let _ended = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            });
        }
    });
    address
}

async fn relay_until_commit(mut client: TcpStream, mut server: TcpStream, cut: Cut) {
    let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let asked = &asked[..read.unwrap()];
                // 3 is the protocol's command for a query.
                let commits = asked.windows(7).any(|bytes| bytes == b"\x03COMMIT");
                if commits && cut == Cut::BeforeCommit {
                    return;
                }
                server.write_all(asked).await.unwrap();
                if commits {
                    let answer = server.read(&mut answered).await.unwrap();
                    assert_ne!(answer, 0, "the server must have answered");
                    return;
                }
            }
            read = server.read(&mut answered) => {
                client.write_all(&answered[..read.unwrap()]).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_has_an_unknown_outcome() {
    let server = MariaDb::start();
    for (cut, schema) in [(Cut::BeforeCommit, "before"), (Cut::AfterCommit, "after")] {
        store(&server, schema).await;
        let way = cut_at_commit(server.address(), cut).await;
        let url = format!("mysql://root@{way}/{schema}");
        let store = MySqlStore::new(Database::new(&url, 8).unwrap());
        let inserted = store.insert_account(account(10_001, "a@example.com")).await;
        assert!(matches!(inserted, Err(Error::OutcomeUnknown(_))), "{cut:?}: {inserted:?}");
        let found = store.account(10_001).await.unwrap();
        assert_eq!(found.is_some(), cut == Cut::AfterCommit, "{cut:?}");
    }
}
