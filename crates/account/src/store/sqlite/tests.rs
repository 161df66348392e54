//! SQLite passes the conformance suite, and opens only what it should.

use std::sync::Arc;

use super::*;
use crate::store::tests::{Fixture, check};

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.db");
    let store = SqliteStore::open(&path, &Reporter::default()).unwrap();
    let count = move |table: &str| {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        sqlite::connect(&path).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    Fixture { store: Arc::new(store), count: Box::new(count), keep: Box::new(folder) }
}

#[tokio::test]
async fn sqlite_conforms() {
    check(async || fixture()).await;
}

#[test]
fn only_a_database_of_this_version_counts_as_existing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.db");
    let refusal = |path: &Path| SqliteStore::open_existing(path).unwrap_err().to_string();
    assert!(refusal(&path).contains("there is no account database"));
    assert!(!path.exists(), "looking for a database must not create it");

    drop(SqliteStore::open(&path, &Reporter::default()).unwrap());
    drop(SqliteStore::open_existing(&path).unwrap());

    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    assert!(refusal(&path).contains("schema version 99"));
    let newer = SqliteStore::open(&path, &Reporter::default()).unwrap_err().to_string();
    assert!(newer.contains("use the newer program"), "{newer}");
}

#[test]
fn the_database_itself_refuses_what_must_never_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.db");
    drop(SqliteStore::open(&path, &Reporter::default()).unwrap());
    let db = sqlite::connect(&path).unwrap();
    let insert = |id: i64, is_valid: i64, closed_at: Option<i64>| {
        db.execute(
            "INSERT INTO accounts (id, name, email, email_normalised, password_hash, is_valid,
             closed_at, created_at, updated_at) VALUES (?, 'a', 'a', ?, 'h', ?, ?, 0, 0)",
            rusqlite::params![id, id.to_string(), is_valid, closed_at],
        )
    };
    insert(10_001, 1, None).unwrap();
    insert(10_000, 1, None).expect_err("reserved for the money service");
    insert(1 << 53, 1, None).expect_err("not exact in every JSON reader");
    insert(10_002, 1, Some(5)).expect_err("closed accounts are not valid");
    db.execute("UPDATE id_blocks SET next_value = 0", []).expect_err("ids start at 1");
    let insert = |id: i64, expires_at: Option<i64>, revoked_by: Option<i64>| {
        db.execute(
            "INSERT INTO api_keys (id, name, scopes, created_at, expires_at, revoked_by)
             VALUES (?, 'a', 'operate', 7, ?, ?)",
            rusqlite::params![id, expires_at, revoked_by],
        )
    };
    insert(1, None, None).unwrap();
    insert(2, Some(8), None).unwrap();
    insert(0, None, None).expect_err("ids start at 1");
    insert(3, Some(7), None).expect_err("a key that ends at its beginning");
    insert(3, None, Some(1)).expect_err("who revoked a key that is not revoked");
}

#[test]
fn counters_that_contradict_the_rows_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.db");
    let open = || SqliteStore::open(&path, &Reporter::default());
    drop(open().unwrap());
    let db = sqlite::connect(&path).unwrap();
    db.execute_batch(
        "INSERT INTO accounts (id, name, email, email_normalised, password_hash, is_valid,
             created_at, updated_at) VALUES (10007, 'a', 'a', 'a', 'h', 1, 0, 0);
         INSERT INTO auth_tokens (id, account_id, session_id, session_started_at, access_token,
             expired_at, refresh_token, refresh_expired_at, created_at, updated_at)
         VALUES (7, 10007, 7, 0, zeroblob(32), 0, zeroblob(32), 0, 0, 0);
         INSERT INTO account_changes (sequence, account_id, standing, created_at)
         VALUES (7, 10007, 'suspended', 0);",
    )
    .unwrap();
    for (counter, newest) in [("accounts", 10_007), ("auth_tokens", 7), ("account_changes", 7)] {
        db.execute("UPDATE id_blocks SET next_value = 20000", []).unwrap();
        for (next, is_refused) in [(1, true), (newest, true), (newest + 1, false)] {
            let sql = "UPDATE id_blocks SET next_value = ? WHERE name = ?";
            db.execute(sql, rusqlite::params![next, counter]).unwrap();
            let refusal = open().err().map(|error| error.to_string());
            assert_eq!(refusal.is_some(), is_refused, "{counter} {next}: {refusal:?}");
            for part in [counter, &format!("gives {next} next"), &format!(" {newest}: ids")] {
                assert!(refusal.iter().all(|text| text.contains(part)), "{part}: {refusal:?}");
            }
        }
    }
}

/// Accounts with these addresses.
fn add(path: &Path, emails: &[&str]) {
    let db = sqlite::connect(path).unwrap();
    for (id, email) in (10_001..).zip(emails) {
        let sql = "INSERT INTO accounts (id, name, email, email_normalised, password_hash,
             is_valid, created_at, updated_at) VALUES (?, 'a', ?2, ?2, 'h', 1, 0, 0)";
        db.execute(sql, rusqlite::params![id, email]).unwrap();
    }
    db.execute("UPDATE id_blocks SET next_value = 20000", []).unwrap();
}

#[tokio::test]
async fn only_an_empty_database_becomes_a_demonstration_and_it_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.db");
    let open = || SqliteStore::open(&path, &Reporter::default()).unwrap();
    assert!(!open().is_demonstration().await.unwrap());
    add(&path, &["eve@example.com"]);
    assert!(!open().mark_demonstration().await.unwrap());
    assert!(!open().is_demonstration().await.unwrap());
    sqlite::connect(&path).unwrap().execute("DELETE FROM accounts", []).unwrap();
    assert!(open().mark_demonstration().await.unwrap());
    add(&path, &["eve@example.com"]);
    assert!(open().mark_demonstration().await.unwrap());
    assert!(open().is_demonstration().await.unwrap());
}

#[tokio::test]
async fn a_demonstration_of_before_marks_is_known_by_its_only_accounts() {
    for (emails, is_marked) in [
        (&[][..], false),
        (&["ann@example.com"], true),
        (&["ann@example.com", "bob@example.com"], true),
        (&["ann@example.com", "bob@example.com", "eve@example.com"], false),
        (&["ann@example.org"], false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account.db");
        drop(SqliteStore::open(&path, &Reporter::default()).unwrap());
        let db = sqlite::connect(&path).unwrap();
        db.execute_batch("DROP TABLE demonstration").unwrap();
        let before = SCHEMA.migrations.iter().position(|sql| sql.contains("TABLE demonstration"));
        let version = i64::try_from(before.unwrap()).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        drop(db);
        add(&path, emails);
        let store = SqliteStore::open(&path, &Reporter::default()).unwrap();
        assert_eq!(store.is_demonstration().await.unwrap(), is_marked, "{emails:?}");
    }
}
