//! SQLite passes the conformance suite, and its audit finds every kind of damage.

use rusqlite::Connection;
use service::fatal::Reporter;

use super::{SqliteStore, audit};
use crate::store::tests::conformance::{self, Subject};

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

/// Two wallets, the system's, and a transfer of 5 from the system to the first.
const BOOKS: &str = "
    INSERT INTO wallets (id, account_id, currency, balance, status, newest_transaction_id,
        transaction_count, created_at, updated_at)
    VALUES (1, 1, 'KRW', -5, 'active', 1, 1, 0, 0), (2, 10001, 'KRW', 5, 'active', 2, 1, 0, 0),
        (3, 10002, 'KRW', 0, 'active', NULL, 0, 0, 0);
    INSERT INTO transactions (id, wallet_id, receiver_wallet_id, transfer_id, transaction_type,
        transaction_status, direction, amount, balance_after, sequence, previous_transaction_id,
        summary, created_at, updated_at)
    VALUES (1, 1, 2, x'01', 'deposit', 'completed', 'debit', 5, -5, 1, NULL, NULL, 0, 0),
        (2, 2, 2, x'01', 'deposit', 'completed', 'credit', 5, 5, 1, NULL, NULL, 0, 0);
    INSERT INTO transfers (id, account_id, idempotency_key, transfer_type, transfer_status,
        debit_transaction_id, receiver_wallet_id, amount, currency, balance_after, created_at)
    VALUES (x'01', 10001, 'k', 'deposit', 'completed', 1, 2, 5, 'KRW', 5, 0);
    INSERT INTO idempotency_keys (idempotency_key, account_id, transfer_id)
    VALUES ('k', 10001, x'01');";

fn check(damage: &str, found: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("money.db");
    SqliteStore::open(&path).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute_batch(BOOKS).unwrap();
    db.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    db.execute_batch(damage).unwrap();
    let report = audit(&path).unwrap();
    assert_eq!(report.violations.len(), found.len(), "{damage}\n{report}");
    for (violation, expected) in report.violations.iter().zip(found) {
        assert!(violation.contains(expected), "{damage}: {violation}");
    }
}

#[test]
fn the_audit_finds_damage() {
    const SUM: &str = "is the sum of its transactions";
    const NEWEST: &str = "names its newest";
    const CHAIN: &str = "continues the one before";
    check("", &[]);
    check("UPDATE wallets SET balance = 6 WHERE id = 2", &["the sum of KRW is 1", SUM, NEWEST]);
    check(
        "UPDATE wallets SET balance = -1 WHERE id = 3",
        &["the sum of KRW is -1", "never negative", SUM],
    );
    check("UPDATE wallets SET newest_transaction_id = NULL WHERE id = 2", &[NEWEST]);
    check("UPDATE transactions SET sequence = 2 WHERE id = 2", &[NEWEST, CHAIN]);
    check("UPDATE transactions SET balance_after = 4 WHERE id = 1", &[NEWEST, CHAIN]);
    check(
        "DELETE FROM transactions WHERE id = 2",
        &[SUM, NEWEST, "one debit and one credit", "without its completed"],
    );
    check("DELETE FROM idempotency_keys", &["found by its key"]);
    check("UPDATE idempotency_keys SET transfer_id = x'02'", &["found by its key"]);
}

#[test]
fn counters_that_contradict_the_rows_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("money.db");
    SqliteStore::open(&path).unwrap();
    let db = Connection::open(&path).unwrap();
    db.execute_batch(BOOKS).unwrap();
    for (counter, newest) in [("wallet", 3), ("transaction", 2)] {
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
