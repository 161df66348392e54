//! What the pool gives out, also while the server is busy, frozen or gone.

use mysql_async::Conn;
use tokio::time::Instant;

use super::{super::Connection, *};

async fn id(connection: &mut Conn) -> u64 {
    connection.query_first("SELECT CONNECTION_ID()").await.unwrap().unwrap()
}

async fn pool(server: &MariaDb, connections_max: usize) -> Database {
    server.create_database("m");
    let database = Database::new(&server.url("m"), connections_max).unwrap();
    database.migrate(FIRST).await.unwrap();
    database
}

#[tokio::test]
async fn waiting_for_a_connection_is_bounded() {
    let server = MariaDb::start();
    let database = pool(&server, 1).await;
    let held = database.connection().await.unwrap();
    assert!(matches!(database.connection().await, Err(Error::Busy)));
    held.release();
    database.ping().await.unwrap();
    let shown = format!("{database:?}");
    assert!(shown.contains("127.0.0.1") && !shown.contains("root"), "{shown}");
}

#[tokio::test]
async fn a_released_connection_is_used_again_and_a_dropped_one_never() {
    let server = MariaDb::start();
    let database = pool(&server, 2).await;
    let mut first = database.connection().await.unwrap();
    let used = id(&mut first).await;
    first.release();
    let mut second = database.connection().await.unwrap();
    assert_eq!(id(&mut second).await, used);

    second.query_drop("START TRANSACTION").await.unwrap();
    second.query_drop("UPDATE a SET x = 7").await.unwrap();
    drop(second);
    let mut third = database.connection().await.unwrap();
    assert_ne!(id(&mut third).await, used);
    // Waits for the row if it is still locked.
    third.query_drop("UPDATE a SET x = x + 1").await.unwrap();
    let found: Option<i64> = third.query_first("SELECT x FROM a").await.unwrap();
    assert_eq!(found, Some(2));
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_reaches_nobody_else() {
    let server = MariaDb::start();
    let database = pool(&server, 1).await;
    let mut connection = database.connection().await.unwrap();
    let late = connection.query_first::<String, _>("SELECT CONCAT('first', SLEEP(0.3))");
    let limit = Duration::from_millis(100);
    assert!(tokio::time::timeout(limit, late).await.is_err(), "it must break off in the middle");
    drop(connection);
    let mut connection = database.connection().await.unwrap();
    let found: Option<String> = connection.query_first("SELECT 'second'").await.unwrap();
    assert_eq!(found.as_deref(), Some("second"));
}

#[tokio::test]
async fn after_a_restart_no_broken_connection_is_given_out_twice() {
    let mut server = MariaDb::start();
    let database = pool(&server, 4).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(database.connection().await.unwrap());
    }
    held.into_iter().for_each(Connection::release);
    server.restart();
    // The first one is trusted, because it was just used. Its failure tells about the others.
    database.ping().await.unwrap_err();
    for _ in 0..4 {
        database.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_frozen_server_costs_bounded_time_and_no_connection_for_good() {
    let server = MariaDb::start();
    let database = pool(&server, 2).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(database.connection().await.unwrap());
    }
    held.into_iter().for_each(Connection::release);
    server.stop();
    let started_at = Instant::now();
    let pings = (0..4).map(|_| {
        let database = database.clone();
        tokio::spawn(async move { database.ping().await })
    });
    for ping in pings.collect::<Vec<_>>() {
        let failure = ping.await.unwrap().unwrap_err();
        assert!(matches!(failure, Error::TimedOut | Error::Busy), "{failure}");
    }
    assert!(started_at.elapsed() < Duration::from_secs(20), "{:?}", started_at.elapsed());
    server.resume();
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(database.connection().await.unwrap());
    }
    for connection in &mut held {
        id(connection).await;
    }
}

#[tokio::test]
async fn too_many_connections_are_told_apart() {
    let server = MariaDb::start_with(&["--max-connections=10"]);
    let database = pool(&server, 20).await;
    let mut held = Vec::new();
    let refusal = loop {
        match database.connection().await {
            Ok(connection) => held.push(connection),
            Err(Error::Database(error)) => break error,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(failure(&refusal), Failure::TooManyConnections, "{refusal}");
    held.pop().unwrap().release();
    database.ping().await.unwrap();
}

#[tokio::test]
async fn a_closed_pool_keeps_nothing() {
    let server = MariaDb::start();
    let database = pool(&server, 2).await;
    let (idle, used) = (database.connection().await.unwrap(), database.connection().await.unwrap());
    idle.release();
    database.clone().close().await;
    used.release();
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'm'";
    while server.execute(count) != "0\n" {
        tokio::task::yield_now().await;
    }
}
