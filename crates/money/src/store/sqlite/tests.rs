//! SQLite passes the conformance suite, and its audit finds every kind of damage.

use std::path::PathBuf;

use rusqlite::Connection;
use service::{
    clock::Timestamp,
    fatal::Reporter,
    store::{owner::Schema, sqlite, times::SqliteTimes},
    timekeeping::TimeRecord as _,
};
use tempfile::TempDir;

use super::{SCHEMA, SqliteStore, audit};
use crate::store::tests::{
    conformance::{self, Subject},
    damage::{BOOKS, CASES, EMPTY, check},
};

#[tokio::test]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    conformance::run(async || {
        count.set(count.get() + 1);
        let path = folder.path().join(format!("{}.db", count.get()));
        let store = SqliteStore::open(&path).unwrap();
        Subject {
            lane: store.lane(&Reporter::default()).unwrap(),
            reads: store.reads(&Reporter::default()).unwrap(),
            operations: store.operations(&Reporter::default()).unwrap(),
            audit: Box::new(move || {
                let report = audit(&path).unwrap();
                Box::pin(std::future::ready(report))
            }),
        }
    })
    .await;
}

/// Two wallets, the system's, and a transfer of 5 from the system to the first, as version 1 kept
/// them.
const OLD_BOOKS: &str = "
    INSERT INTO wallets (id, account_id, currency, balance, status, newest_transaction_id,
        transaction_count, created_at, updated_at)
    VALUES (1, 1, 'KRW', -5, 'active', 1, 1, 0, 0), (2, 10001, 'KRW', 5, 'active', 2, 1, 0, 0),
        (3, 10002, 'KRW', 0, 'active', NULL, 0, 0, 0);
    INSERT INTO transactions (id, wallet_id, receiver_wallet_id, transfer_id, transaction_type,
        transaction_status, direction, amount, balance_after, sequence, previous_transaction_id,
        summary, created_at, updated_at)
    VALUES (1, 1, 2, x'00000000000070008000000000000001', 'deposit', 'completed', 'debit', 5, -5, 1, NULL, NULL, 0, 0),
        (2, 2, 2, x'00000000000070008000000000000001', 'deposit', 'completed', 'credit', 5, 5, 1, NULL, NULL, 0, 0);
    INSERT INTO transfers (id, account_id, idempotency_key, transfer_type, transfer_status,
        debit_transaction_id, receiver_wallet_id, amount, currency, balance_after, created_at)
    VALUES (x'00000000000070008000000000000001', 10001, 'k', 'deposit', 'completed', 1, 2, 5, 'KRW', 5, 0);
    INSERT INTO idempotency_keys (idempotency_key, account_id, transfer_id)
    VALUES ('k', 10001, x'00000000000070008000000000000001');";

#[tokio::test]
async fn a_database_of_version_1_keeps_its_books_and_tells_its_newest_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("money.db");
    let version_1 = Schema { migrations: &SCHEMA.migrations[..1], ..*SCHEMA };
    let db = sqlite::open(&path, &version_1).unwrap();
    db.execute_batch(OLD_BOOKS).unwrap();
    db.execute_batch(
        "UPDATE transfers SET created_at = 7; UPDATE transactions SET created_at = 7;
         UPDATE wallets SET updated_at = 7; UPDATE id_blocks SET next_value = 100",
    )
    .unwrap();
    drop(db);
    let before = audit(&path).unwrap();
    assert!(before.is_clean(), "a backup of then: {before}");
    SqliteStore::open(&path).unwrap();
    let report = audit(&path).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.wallets, report.completed_transfers), (3, 1));
    let times = SqliteTimes::open(&path, &Reporter::default()).unwrap();
    assert_eq!(times.read().await.unwrap().newest, Some(Timestamp::from_micros(7)));
    // A person's limit stands, and the system's wallet has none.
    let db = Connection::open(&path).unwrap();
    let raise =
        |id: i64| db.execute("UPDATE wallets SET balance = 9007199254740992 WHERE id = ?1", [id]);
    assert!(raise(2).is_err());
    raise(1).unwrap();
}

/// A database with the books of the damage cases, and a connection that may spoil them.
fn books(folder: &TempDir) -> (PathBuf, Connection) {
    let path = folder.path().join("money.db");
    SqliteStore::open(&path).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    (path, db)
}

#[test]
fn the_audit_names_each_damaged_row() {
    let folder = tempfile::tempdir().unwrap();
    let (path, db) = books(&folder);
    for case in CASES {
        for statement in EMPTY.iter().chain(BOOKS).chain([&case.0]) {
            db.execute_batch(statement).unwrap();
        }
        check(case, &audit(&path).unwrap());
    }
}

#[test]
fn the_audit_names_the_first_rows_and_counts_all() {
    let folder = tempfile::tempdir().unwrap();
    let (path, db) = books(&folder);
    db.execute_batch(
        "WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 59)
         INSERT INTO wallets SELECT i, 10000 + i, 'KRW', 0, 'closed', NULL, 0, 0, 0 FROM n",
    )
    .unwrap();
    db.execute_batch("UPDATE id_blocks SET next_value = 100").unwrap();
    let report = audit(&path).unwrap();
    assert_eq!((report.violations[0].rows, report.violations[0].named.len()), (50, 20));
    let text = report.to_string();
    assert!(text.contains("or an operator froze it: not so in 50 rows\n  wallet 10 of"), "{text}");
    assert!(text.ends_with("wallet 29 of account 10029 is closed, the account's standing is none, and no operator has frozen the wallet\n  and 30 more\n"), "{text}");
}

#[test]
fn counters_that_contradict_the_rows_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("money.db");
    SqliteStore::open(&path).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute_batch(&BOOKS.join(";")).unwrap();
    for (counter, newest) in [("wallet", 3), ("transaction", 6)] {
        let set = |next: i64| {
            let sql = "UPDATE id_blocks SET next_value = ?1 WHERE name = ?2";
            db.execute(sql, rusqlite::params![next, counter]).unwrap();
        };
        for other in ["wallet", "transaction"] {
            db.execute("UPDATE id_blocks SET next_value = 100 WHERE name = ?1", [other]).unwrap();
        }
        for (next, is_refused) in [(1, true), (newest, true), (newest + 1, false)] {
            set(next);
            let refusal = SqliteStore::open(&path).err().map(|error| error.to_string());
            assert_eq!(refusal.is_some(), is_refused, "{counter} {next}: {refusal:?}");
            for part in [counter, &format!("gives {next} next"), &format!("id {newest}")] {
                assert!(refusal.iter().all(|text| text.contains(part)), "{part}: {refusal:?}");
            }
        }
        set(100);
    }
    db.execute("DELETE FROM id_blocks WHERE name = 'wallet'", []).unwrap();
    let refusal = SqliteStore::open(&path).unwrap_err().to_string();
    assert_eq!(refusal, "the counter `wallet` is missing in id_blocks");
}
