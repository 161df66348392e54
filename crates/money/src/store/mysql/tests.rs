//! MariaDB passes the conformance suite, and what only several writers can get wrong is right.

use std::time::Duration;

use ledger::{
    AccountId, Amount, ApiKeyId, Asker, Command, Currency, Decision, IdempotencyKey, Movement,
    Outcome, Rejection, Stamp, TransactionId, Transfer, TransferId, TransferKind, WalletId, decide,
};
use mysql_async::prelude::Queryable;
use service::{
    clock::Timestamp,
    store::{
        mysql::{Database, PACKET_BYTES_LEAST},
        owner::Schema,
        times::MySqlTimes,
    },
    timekeeping::TimeRecord as _,
};
use testing::MariaDb;

use super::{MySqlStore, SCHEMA, audit, check_schema, migrate};
use crate::store::{
    Effects, Footprint, IdKind, LaneStore as _, Reason, StoreError,
    tests::{
        conformance::{self, Subject},
        damage::{BOOKS, CASES, EMPTY, check},
    },
};

async fn store(server: &MariaDb, schema: &str) -> (Database, MySqlStore) {
    server.create_database(schema);
    let database = Database::new(&server.url(schema), 4).unwrap();
    migrate(&database).await.unwrap();
    (database.clone(), MySqlStore::new(database, 1))
}

#[tokio::test]
async fn mysql_conforms() {
    conforms(&MariaDb::start()).await;
}

#[tokio::test]
async fn mysql_conforms_on_a_server_that_takes_as_little_as_is_allowed() {
    conforms(&MariaDb::start_with(&[&format!("--max-allowed-packet={PACKET_BYTES_LEAST}")])).await;
}

async fn conforms(server: &MariaDb) {
    let count = std::cell::Cell::new(0);
    conformance::run(async || {
        count.set(count.get() + 1);
        let schema = format!("money_{}", count.get());
        store(server, &schema).await;
        let (database, store) = serve(server, &schema);
        Subject {
            lane: store.lane(),
            reads: store.reads(),
            operations: store.operations(),
            audit: Box::new(move || {
                let database = database.clone();
                Box::pin(async move { audit(&database).await.unwrap() })
            }),
        }
    })
    .await;
}

/// The rights that suffice to serve; nothing is ever deleted, and no transaction is changed. Who
/// migrates needs all rights on the schema.
const RIGHTS: &[(&str, &str)] = &[
    ("SELECT, INSERT, UPDATE", "wallets"),
    ("SELECT, INSERT", "transactions"),
    ("SELECT, INSERT", "transaction_marks"),
    ("SELECT, INSERT", "transfers"),
    ("SELECT, INSERT", "idempotency_keys"),
    ("SELECT, INSERT, UPDATE", "account_standings"),
    ("SELECT, UPDATE", "feed_positions"),
    ("SELECT, UPDATE", "id_blocks"),
    ("SELECT, UPDATE", "installation"),
    ("SELECT, INSERT, UPDATE", "service_clock"),
    ("SELECT, INSERT", "wallet_operations"),
    ("SELECT", "schema_migrations"),
];

/// A store as a user who has no other rights.
fn serve(server: &MariaDb, schema: &str) -> (Database, MySqlStore) {
    let grants = RIGHTS.iter().map(|(rights, table)| format!("GRANT {rights} ON {table} TO serve"));
    let grants = grants.collect::<Vec<_>>().join("; ");
    server.execute(&format!("USE {schema}; CREATE USER IF NOT EXISTS serve; {grants}"));
    let database = Database::new(&server.url_for("serve", "", schema), 4).unwrap();
    (database.clone(), MySqlStore::new(database, 1))
}

/// Two wallets, the system's, and a transfer of 5 from the system to the first, as version 1 kept
/// them.
const OLD_BOOKS: [&str; 5] = [
    "INSERT INTO wallets (id, account_id, currency, balance, status, newest_transaction_id,
         transaction_count, created_at, updated_at)
     VALUES (1, 1, 'KRW', -5, 'active', 1, 1, 7, 7), (2, 10001, 'KRW', 5, 'active', 2, 1, 7, 7),
         (3, 10002, 'KRW', 0, 'active', NULL, 0, 7, 7)",
    "INSERT INTO transactions (id, wallet_id, receiver_wallet_id, transfer_id, transaction_type,
         transaction_status, direction, amount, balance_after, sequence, created_at, updated_at)
     VALUES (1, 1, 2, X'00000000000070008000000000000001', 'deposit', 'completed', 'debit', 5, -5, 1, 7, 7),
         (2, 2, 2, X'00000000000070008000000000000001', 'deposit', 'completed', 'credit', 5, 5, 1, 7, 7)",
    "INSERT INTO transfers (id, account_id, idempotency_key, transfer_type, transfer_status,
         debit_transaction_id, receiver_wallet_id, amount, currency, balance_after, created_at)
     VALUES (X'00000000000070008000000000000001', 10001, 'k', 'deposit', 'completed', 1, 2, 5, 'KRW', 5, 7)",
    "INSERT INTO idempotency_keys (idempotency_key, account_id, transfer_id)
     VALUES ('k', 10001, X'00000000000070008000000000000001')",
    "UPDATE id_blocks SET next_value = 100",
];

#[tokio::test]
async fn a_database_of_version_1_keeps_its_books_and_tells_its_newest_time() {
    let server = MariaDb::start();
    server.create_database("money");
    let database = Database::new(&server.url("money"), 4).unwrap();
    let version_1 = Schema { migrations: &SCHEMA.migrations[..1], ..*SCHEMA };
    database.migrate(&version_1).await.unwrap();
    let mut connection = database.connection().await.unwrap();
    for statement in OLD_BOOKS {
        connection.query_drop(statement).await.unwrap();
    }
    let before = audit(&database).await.unwrap();
    assert!(before.is_clean(), "a schema of then: {before}");
    migrate(&database).await.unwrap();
    check_schema(&database).await.unwrap();
    let report = audit(&database).await.unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.wallets, report.completed_transfers), (3, 1));
    let newest = MySqlTimes::new(database.clone()).read().await.unwrap().newest;
    assert_eq!(newest, Some(Timestamp::from_micros(7)));
    // A person's limit stands, and the system's wallet has none.
    let raise = |id: i64| format!("UPDATE wallets SET balance = 9007199254740992 WHERE id = {id}");
    assert!(connection.query_drop(raise(2)).await.is_err());
    connection.query_drop(raise(1)).await.unwrap();
    connection.release();
    database.close().await;
}

#[tokio::test]
async fn the_audit_names_each_damaged_row() {
    let server = MariaDb::start();
    let (database, _) = store(&server, "money").await;
    for case in CASES {
        let statements = EMPTY.iter().chain(BOOKS).chain([&case.0]);
        let statements = statements.map(|statement| format!("{statement};")).collect::<String>();
        server.execute(&format!("USE money; SET check_constraint_checks = 0; {statements}"));
        check(case, &audit(&database).await.unwrap());
    }
}

/// A transfer by an API key for this account, under the same key each time.
fn by_api_key(account_id: AccountId) -> Transfer {
    let asker = Asker::ApiKey(ApiKeyId(7));
    Transfer {
        id: TransferId(i128::from(account_id.0).to_be_bytes()),
        key: IdempotencyKey { asker, key: "once".to_owned() },
        account_id,
        kind: TransferKind::Withdrawal,
        outcome: Outcome::Failed(Rejection::InsufficientBalance),
        sender_wallet_id: Some(WalletId(1)),
        receiver_wallet_id: None,
        amount: Amount::new(5).unwrap(),
        currency: Currency::KRW,
        summary: None,
        balance_after: 0,
        created_at: 1_000,
    }
}

#[tokio::test]
async fn a_key_that_two_lanes_decide_under_at_once_is_found_on_the_next_load() {
    let server = MariaDb::start();
    let (_, store) = store(&server, "money").await;
    let (mut first, mut second) = (store.lane(), store.lane());
    let [ann, bob] = [10_001, 10_002].map(|account| by_api_key(AccountId(account)));
    let footprint = Footprint { keys: vec![&ann.key], ..Footprint::default() };
    let effects =
        |transfer: &Transfer| Effects { transfers: vec![transfer.clone()], ..Effects::default() };
    for lane in [&mut first, &mut second] {
        lane.begin().await.unwrap();
        lane.load(AccountId(1), &footprint).await.unwrap();
    }
    first.persist(&effects(&ann)).await.unwrap();
    let late = effects(&bob);
    let (committed, refused) = tokio::join!(first.commit(), second.persist(&late));
    committed.unwrap();
    let refused = refused.unwrap_err();
    assert!(matches!(refused, StoreError::Again(Reason::DuplicateKey, _)), "{refused}");
    second.rollback().await.unwrap();
    second.begin().await.unwrap();
    let mut loaded = second.load(AccountId(1), &footprint).await.unwrap().loaded;
    let command = Command {
        key: bob.key.clone(),
        account_id: bob.account_id,
        movement: Movement::Withdrawal { wallet: None },
        amount: bob.amount,
        summary: None,
    };
    let stamp = Stamp { now: 2_000, transfer_id: bob.id, debit_id: TransactionId(1) };
    let other_request = Decision::Refused(Rejection::IdempotencyKeyReused);
    assert_eq!(decide(&mut loaded, &command, stamp), other_request);
    let again = Command { account_id: ann.account_id, ..command };
    assert_eq!(decide(&mut loaded, &again, stamp), Decision::Replayed(Box::new(ann)));
}

#[tokio::test]
async fn a_server_that_refuses_writes_is_not_ready_and_still_read() {
    let server = MariaDb::start();
    let (owner, _) = store(&server, "money").await;
    let (_, store) = serve(&server, "money");
    let (reads, mut lane) = (store.reads(), store.lane());
    reads.ping().await.unwrap();
    server.set_read_only(true);
    for _ in 0..2 {
        let refused = reads.ping().await.unwrap_err();
        assert!(matches!(refused, StoreError::Again(Reason::ReadOnly, _)), "{refused}");
        let refused = lane.reserve_ids(IdKind::Wallet, 1).await.unwrap_err();
        assert!(matches!(refused, StoreError::Again(Reason::ReadOnly, _)), "{refused}");
        assert_eq!(reads.wallet(WalletId(1)).await.unwrap(), None);
    }
    server.set_read_only(false);
    reads.ping().await.unwrap();
    lane.reserve_ids(IdKind::Wallet, 1).await.unwrap();
    // Nothing answers in time while a session locks every table, and that is not ready either.
    let mut locked = owner.dedicated(Duration::from_mins(1)).await.unwrap();
    locked.query_drop("LOCK TABLES id_blocks READ").await.unwrap();
    reads.ping().await.unwrap_err();
    locked.end().await;
    reads.ping().await.unwrap();
}

#[tokio::test]
async fn counters_that_contradict_the_rows_are_refused_at_the_start() {
    let server = MariaDb::start();
    let (owner, _) = store(&server, "money").await;
    let (database, _) = serve(&server, "money");
    let mut connection = owner.connection().await.unwrap();
    connection
        .query_drop(
            "INSERT INTO wallets (id, account_id, currency, balance, status, transaction_count,
                 created_at, updated_at) VALUES (7, 10002, 'KRW', 0, 'active', 0, 0, 0)",
        )
        .await
        .unwrap();
    for (next, is_refused) in [(1, true), (7, true), (8, false)] {
        let sql = format!("UPDATE id_blocks SET next_value = {next} WHERE name = 'wallet'");
        connection.query_drop(sql).await.unwrap();
        let refusal = check_schema(&database).await.err().map(|error| error.to_string());
        assert_eq!(refusal.is_some(), is_refused, "{next}: {refusal:?}");
        for part in ["`wallet`", &format!("gives {next} next"), "wallets has id 7"] {
            assert!(refusal.iter().all(|text| text.contains(part)), "{part}: {refusal:?}");
        }
    }
    connection.release();
}
