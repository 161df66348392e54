//! MariaDB passes the conformance suite, and several services on one schema are as right as one.

mod api_keys;
mod faults;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mysql_async::prelude::Queryable as _;
use service::{
    clock::Timestamp,
    contract::introspection::TokenDigest,
    store::mysql::{Database, Failure, failure},
};
use testing::MariaDb;
use tokio::task::JoinSet;

use super::{MySqlStore, check_schema, migrate};
use crate::{
    attempts::AttemptLimits,
    email::{Email, EmailDigest},
    store::{
        ChangeRefusal, ConfirmedLogin, InsertAccount, InsertReset, NewPair, PasswordHash,
        Replacement, Rotation, Store,
        tests::{Fixture, check},
    },
    token::Salt,
};

async fn store(server: &MariaDb, schema: &str) -> MySqlStore {
    server.create_database(schema);
    let store = connect(server, schema);
    migrate(&store.database).await.unwrap();
    store
}

fn connect(server: &MariaDb, schema: &str) -> MySqlStore {
    MySqlStore::new(Database::new(&server.url(schema), 8).unwrap())
}

#[tokio::test]
async fn mysql_conforms() {
    let server = Arc::new(MariaDb::start());
    let count = Mutex::new(0);
    check(async || {
        let schema = {
            let mut count = count.lock().unwrap();
            *count += 1;
            format!("account_{count}")
        };
        store(&server, &schema).await;
        let serving = Arc::new(serve(&server, &schema));
        let counted = Arc::clone(&server);
        let count = move |table: &str| {
            let sql = format!("SELECT COUNT(*) FROM {schema}.{table}");
            counted.execute(&sql).trim().parse().unwrap()
        };
        let keep = Box::new(Arc::clone(&server));
        Fixture { store: serving, count: Box::new(count), keep }
    })
    .await;
}

/// The rights that suffice to serve. Who migrates needs all rights on the schema.
const RIGHTS: &[(&str, &str)] = &[
    ("SELECT, INSERT, UPDATE", "accounts"),
    ("SELECT, INSERT, UPDATE, DELETE", "auth_tokens"),
    ("SELECT, INSERT", "account_changes"),
    ("SELECT, INSERT, UPDATE", "api_keys"),
    ("SELECT, INSERT, UPDATE, DELETE", "api_key_secrets"),
    ("SELECT, INSERT, DELETE", "revocations"),
    ("SELECT, INSERT", "account_operations"),
    ("SELECT, INSERT, UPDATE", "closings"),
    ("SELECT, INSERT, UPDATE, DELETE", "login_attempts"),
    ("SELECT, INSERT, UPDATE, DELETE", "password_resets"),
    ("SELECT, UPDATE", "id_blocks"),
    ("SELECT, UPDATE", "installation"),
    ("SELECT", "demonstration"),
    ("SELECT, INSERT, UPDATE", "service_clock"),
    ("SELECT", "schema_migrations"),
];

/// A store as a user who has no other rights.
fn serve(server: &MariaDb, schema: &str) -> MySqlStore {
    let grants = RIGHTS.iter().map(|(rights, table)| format!("GRANT {rights} ON {table} TO serve"));
    let grants = grants.collect::<Vec<_>>().join("; ");
    server.execute(&format!("USE {schema}; CREATE USER IF NOT EXISTS serve; {grants}"));
    MySqlStore::new(Database::new(&server.url_for("serve", "", schema), 8).unwrap())
}

#[tokio::test]
async fn the_database_itself_refuses_what_must_never_be() {
    let server = MariaDb::start();
    let store = store(&server, "account").await;
    super::check_schema(&serve(&server, "account").database).await.unwrap();
    let mut connection = store.database.connection().await.unwrap();
    let sql = "INSERT INTO accounts (id, name, email, email_normalised, password_hash, is_valid,
         closed_at, created_at, updated_at) VALUES (?, 'a', 'a', ?, 'h', ?, ?, 0, 0)";
    let mut insert = async |id: i64, email: &str, is_valid: i64, closed_at: Option<i64>| {
        let inserted = connection.exec_drop(sql, (id, email, is_valid, closed_at)).await;
        inserted.err().map(|error| failure(&error))
    };
    assert_eq!(insert(10_001, "a", 1, None).await, None);
    // Bytes alone count: no spaces are ignored, no letters are taken for others.
    for (id, email) in [(10_002, "a "), (10_003, "A"), (10_004, "\u{e4}")] {
        assert_eq!(insert(id, email, 1, None).await, None, "{email}");
    }
    assert_eq!(insert(10_005, "a", 1, None).await, Some(Failure::DuplicateKey));
    for (id, is_valid, closed_at) in
        [(10_000, 1, None), (1 << 53, 1, None), (10_006, 1, Some(5)), (10_006, 2, None)]
    {
        let refused = insert(id, "b", is_valid, closed_at).await;
        assert_eq!(refused, Some(Failure::ConstraintViolated), "{id} {is_valid} {closed_at:?}");
    }
}

#[tokio::test]
async fn a_demonstration_that_was_copied_here_is_known_as_one() {
    let server = MariaDb::start();
    store(&server, "account").await;
    let store = serve(&server, "account");
    assert!(!store.is_demonstration().await.unwrap());
    server.execute("INSERT INTO account.demonstration (id) VALUES (1)");
    assert!(store.is_demonstration().await.unwrap());
}

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn account(id: i64, email: &str) -> InsertAccount {
    InsertAccount {
        id,
        name: "Ann".to_owned(),
        email: Email::parse(email).unwrap(),
        password_hash: "hash".to_owned(),
        created_at: NOW,
    }
}

fn pair(id: i64) -> NewPair {
    NewPair {
        id,
        access: TokenDigest::of(&format!("access {id}")),
        expired_at: NOW.plus(Duration::from_hours(1)),
        refresh: TokenDigest::of(&format!("refresh {id}")),
        refresh_expired_at: NOW.plus(Duration::from_hours(24)),
        created_at: NOW,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_services_registers_an_email_once() {
    let server = MariaDb::start();
    let stores = [store(&server, "account").await, connect(&server, "account")];
    for round in 0..10 {
        let mut tasks = JoinSet::new();
        for n in 0..8 {
            let store = stores[n % 2].clone();
            let id = 10_001 + 100 * round + i64::try_from(n).unwrap();
            let account = account(id, &format!("ann{round}@example.com"));
            tasks.spawn(async move { store.insert_account(account).await.unwrap().is_ok() });
        }
        let registered = tasks.join_all().await.into_iter().filter(|made| *made).count();
        assert_eq!(registered, 1);
    }
}

/// As version 0.1 stored them: decomposed Korean, and one address twice.
#[tokio::test]
async fn addresses_of_before_are_compared_as_now() {
    let server = MariaDb::start();
    server.create_database("account");
    let database = Database::new(&server.url("account"), 2).unwrap();
    let first = service::store::owner::Schema {
        migrations: &super::SCHEMA.migrations[..1],
        ..*super::SCHEMA
    };
    database.migrate(&first).await.unwrap();
    let decomposed = "\u{1100}\u{1161}@example.com";
    let emails = ["ada@example.com", decomposed, "\"bob\"@example.com", "bob@example.com"];
    let mut connection = database.connection().await.unwrap();
    for (id, email) in (10_001..).zip(emails) {
        connection
            .exec_drop(
                "INSERT INTO accounts (id, name, email, email_normalised, password_hash,
                     is_valid, created_at, updated_at) VALUES (?, 'A', ?, ?, 'hash', 1, 0, 0)",
                (id, email, email.as_bytes()),
            )
            .await
            .unwrap();
    }
    connection.release();
    migrate(&database).await.unwrap();
    let store = MySqlStore::new(database);
    let of = async |email: &str| {
        let found = store.credentials(email.to_owned()).await.unwrap();
        found.map(|credentials| credentials.account.id)
    };
    assert_eq!(of("ada@example.com").await, Some(10_001));
    assert_eq!(of("가@example.com").await, Some(10_002));
    assert_eq!(of(decomposed).await, None);
    // Two accounts with one address keep what they were found by.
    assert_eq!(of("\"bob\"@example.com").await, Some(10_003));
    assert_eq!(of("bob@example.com").await, Some(10_004));
    let mut connection = store.database.connection().await.unwrap();
    let listed = "SELECT COUNT(*) FROM email_respellings";
    assert_eq!(connection.query_first::<i64, _>(listed).await.unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_services_rotates_a_refresh_token_once() {
    let server = MariaDb::start();
    let stores = [store(&server, "account").await, connect(&server, "account")];
    stores[0].insert_account(account(10_001, "a@example.com")).await.unwrap().unwrap();
    for round in 0..10 {
        let first = 1_000 * (round + 1);
        stores[0].start_session(10_001, pair(first), 50).await.unwrap().unwrap();
        let mut tasks = JoinSet::new();
        for n in 1..=6 {
            let store = stores[n % 2].clone();
            let new = Replacement {
                pair: pair(first + i64::try_from(n).unwrap()),
                salt: Salt([7; 32]),
                grace: Duration::from_secs(10),
            };
            let presented = pair(first).refresh;
            tasks.spawn(async move { store.rotate(presented, new).await.unwrap() });
        }
        let rotations = tasks.join_all().await;
        let won = rotations.iter().filter(|rotation| matches!(rotation, Rotation::Rotated(_)));
        assert_eq!(won.count(), 1, "{rotations:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_closing_and_logging_in_leaves_no_session() {
    let server = MariaDb::start();
    let stores = [store(&server, "account").await, connect(&server, "account")];
    for id in 10_001..10_021 {
        let email = format!("a{id}@example.com");
        stores[0].insert_account(account(id, &email)).await.unwrap().unwrap();
        let (closed, started) = tokio::join!(
            stores[0].close_account(id, NOW),
            stores[1].start_session(id, pair(id), 50)
        );
        closed.unwrap().unwrap();
        started.unwrap();
        assert_eq!(stores[0].sessions(id, NOW).await.unwrap(), []);
        assert_eq!(stores[1].introspect(pair(id).access, NOW).await.unwrap(), None);
        let again = stores[1].close_account(id, NOW).await.unwrap();
        assert_eq!(again.unwrap_err(), ChangeRefusal::NotActive);
    }
    let changes = stores[1].changes_after(0, 100).await.unwrap();
    let sequences: Vec<_> = changes.iter().map(|change| change.sequence).collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_services_allows_as_many_attempts_as_one() {
    let server = MariaDb::start();
    let stores = [store(&server, "account").await, connect(&server, "account")];
    let limits = AttemptLimits { free: 5, wait_max: Duration::from_mins(1) };
    for round in 0..10 {
        let email = EmailDigest::of(&format!("a{round}@example.com"));
        let mut tasks = JoinSet::new();
        for n in 0..200 {
            let store = stores[n % 2].clone();
            tasks.spawn(async move { store.reserve_attempt(email, NOW, limits).await.unwrap() });
        }
        let allowed = tasks.join_all().await.into_iter().flatten().count();
        assert_eq!(allowed, 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_a_reset_and_a_login_leaves_no_session() {
    let server = MariaDb::start();
    let stores = [store(&server, "account").await, connect(&server, "account")];
    for id in 10_001..10_021 {
        let email = format!("a{id}@example.com");
        stores[0].insert_account(account(id, &email)).await.unwrap().unwrap();
        let token = TokenDigest::of(&email);
        let expired_at = NOW.plus(Duration::from_mins(1));
        let reset = InsertReset { account_id: id, token, created_at: NOW, expired_at };
        stores[0].insert_reset(reset).await.unwrap().unwrap();
        let login = ConfirmedLogin {
            account_id: id,
            password_hash: PasswordHash("hash".to_owned()),
            email: EmailDigest::of(&email),
        };
        let (redeemed, started) = tokio::join!(
            stores[0].redeem_reset(token, PasswordHash("new".to_owned()), NOW),
            stores[1].log_in(login, pair(id), 50)
        );
        assert!(redeemed.unwrap().is_some());
        started.unwrap().err().inspect(|refusal| {
            assert_eq!(*refusal, ChangeRefusal::PasswordDiffers);
        });
        assert_eq!(stores[0].sessions(id, NOW).await.unwrap(), []);
        assert_eq!(stores[1].introspect(pair(id).access, NOW).await.unwrap(), None);
    }
}

#[tokio::test]
async fn counters_that_contradict_the_rows_are_refused_at_the_start() {
    let server = MariaDb::start();
    let store = store(&server, "account").await;
    store.insert_account(account(10_007, "a@example.com")).await.unwrap().unwrap();
    let mut connection = store.database.connection().await.unwrap();
    for (next, is_refused) in [(1, true), (10_007, true), (10_008, false)] {
        let sql = format!("UPDATE id_blocks SET next_value = {next} WHERE name = 'accounts'");
        connection.query_drop(sql).await.unwrap();
        let refusal = check_schema(&store.database).await.err().map(|error| error.to_string());
        assert_eq!(refusal.is_some(), is_refused, "{next}: {refusal:?}");
        for part in ["`accounts`", &format!("gives {next} next"), "accounts has id 10007"] {
            assert!(refusal.iter().all(|text| text.contains(part)), "{part}: {refusal:?}");
        }
    }
    connection.query_drop("DELETE FROM id_blocks WHERE name = 'accounts'").await.unwrap();
    let refusal = check_schema(&store.database).await.unwrap_err().to_string();
    assert_eq!(refusal, "the counter `accounts` is missing in id_blocks");
    connection.release();
}
