//! SQLite passes the conformance suite, and its audit finds every kind of damage.

use std::path::PathBuf;

use rusqlite::Connection;
use service::fatal::Reporter;
use tempfile::TempDir;

use super::{SqliteStore, audit};
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
            audit: Box::new(move || {
                let report = audit(&path).unwrap();
                Box::pin(std::future::ready(report))
            }),
        }
    })
    .await;
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
    assert!(text.contains("standing asks for: not so in 50 rows\n  wallet 10 of"), "{text}");
    assert!(text.ends_with("wallet 29 of account 10029 is closed, and the account's standing is none\n  and 30 more\n"), "{text}");
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
