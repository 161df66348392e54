//! On a real MariaDB.

mod failover;
mod migrations;
mod pool;
mod tls;

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use testing::MariaDb;

use super::{Database, Error, Failure, failure};
use crate::store::owner::{Migrations, Schema};

const CREATE_A: &str = "CREATE TABLE IF NOT EXISTS a (x BIGINT NOT NULL PRIMARY KEY);
    INSERT INTO a (x) VALUES (1);";
const FIRST: &Schema = &schema(&[CREATE_A]);
const SECOND: &Schema = &schema(&[CREATE_A, "CREATE TABLE b (x BIGINT NOT NULL, CHECK (x > 1));"]);

const fn schema(migrations: Migrations) -> Schema {
    Schema { service: "test", first_tables: &["a", "b", "c"], migrations }
}

fn database(server: &MariaDb, schema: &str) -> Database {
    server.create_database(schema);
    Database::new(&server.url(schema), 8).unwrap()
}

async fn count(database: &Database, table: &str) -> i64 {
    let mut connection = database.connection().await.unwrap();
    let count = connection.query_first(format!("SELECT COUNT(*) FROM {table}")).await.unwrap();
    connection.release();
    count.unwrap()
}

#[tokio::test]
async fn errors_are_told_apart() {
    let server = MariaDb::start();
    let database = database(&server, "m");
    database.migrate(SECOND).await.unwrap();
    let mut connection = database.connection().await.unwrap();
    for (statement, expected) in [
        ("INSERT INTO a (x) VALUES (1)", Failure::DuplicateKey),
        ("INSERT INTO b (x) VALUES (0)", Failure::ConstraintViolated),
        ("INSERT INTO b (x) VALUES (NULL)", Failure::ConstraintViolated),
        ("INSERT INTO b (x) VALUES (99999999999999999999)", Failure::ConstraintViolated),
        ("nonsense", Failure::Other),
    ] {
        let error = connection.query_drop(statement).await.unwrap_err();
        assert_eq!(failure(&error), expected, "{statement}: {error}");
    }
    drop(server);
    let error = connection.query_drop("SELECT 1").await.unwrap_err();
    assert_eq!(failure(&error), Failure::Disconnected, "{error}");
}

#[tokio::test]
async fn an_idle_dedicated_connection_is_ended_and_rolled_back() {
    let server = MariaDb::start();
    let database = database(&server, "m");
    database.migrate(FIRST).await.unwrap();
    let mut stopped = database.dedicated(Duration::from_secs(1)).await.unwrap();
    stopped.query_drop("START TRANSACTION").await.unwrap();
    stopped.query_drop("UPDATE a SET x = 7").await.unwrap();
    // Waits for the row until the server has ended the other connection.
    let mut waiting = database.connection().await.unwrap();
    waiting.query_drop("UPDATE a SET x = x + 1").await.unwrap();
    let found: Option<i64> = waiting.query_first("SELECT x FROM a").await.unwrap();
    assert_eq!(found, Some(2));
    let error = stopped.query_drop("COMMIT").await.unwrap_err();
    assert_eq!(failure(&error), Failure::Disconnected, "{error}");
}

/// Asks again until the answer is yes. Generous: the machine may be busy.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "it was not so within a minute");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
