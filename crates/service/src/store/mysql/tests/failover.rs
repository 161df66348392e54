//! A server that becomes read-only while connections to it are kept, and what it takes at all.

use mysql_async::Conn;
use testing::Forwarder;

use super::{
    super::{Connection, PACKET_BYTES_LEAST},
    *,
};

/// Two servers that hold different rows, and the address that leads to one of them.
struct Pair {
    old: MariaDb,
    new: MariaDb,
    forwarder: Forwarder,
}

impl Pair {
    async fn start() -> (Self, Database) {
        let (old, new) = (MariaDb::start(), MariaDb::start());
        for (server, value) in [(&old, 1), (&new, 2)] {
            database(server, "m").migrate(FIRST).await.unwrap();
            server.execute(&format!("UPDATE m.a SET x = {value}"));
            server.create_user("u", "m");
        }
        let forwarder = Forwarder::start(old.address());
        let url = format!("mysql://u@{}/m", forwarder.address());
        (Self { old, new, forwarder }, Database::new(&url, 4).unwrap())
    }

    fn fail_over(&self) {
        self.old.set_read_only(true);
        self.forwarder.lead_to(self.new.address());
    }

    /// Waits until no session of ours is left at the old server.
    async fn until_left(&self) {
        let sessions = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'u'";
        until(async || self.old.execute(sessions) == "0\n").await;
    }
}

async fn read(database: &Database) -> i64 {
    let mut connection = database.connection().await.unwrap();
    let found = connection.query_first("SELECT x FROM a").await;
    connection.settle(&found);
    found.unwrap().unwrap()
}

async fn write(database: &Database) -> Result<(), Failure> {
    let mut connection = database.connection().await.unwrap();
    let written = connection.query_drop("UPDATE a SET x = x").await;
    connection.settle(&written);
    written.map_err(|error| failure(&error))
}

/// Connections that were used and are idle now.
async fn warm_up(database: &Database) {
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(database.connection().await.unwrap());
    }
    held.into_iter().for_each(Connection::release);
}

#[tokio::test]
async fn one_refused_write_replaces_every_connection_made_before() {
    let (pair, database) = Pair::start().await;
    let lane = database.dedicated(Duration::from_mins(1)).await.unwrap();
    warm_up(&database).await;
    let in_use = database.connection().await.unwrap();
    assert!(lane.is_current());
    pair.fail_over();
    assert_eq!(write(&database).await, Err(Failure::ReadOnly));
    assert!(!lane.is_current());
    drop(lane);
    assert_eq!((read(&database).await, write(&database).await), (2, Ok(())));
    // What was in use is not used again.
    in_use.release();
    assert_eq!((read(&database).await, write(&database).await), (2, Ok(())));
    pair.until_left().await;
}

#[tokio::test]
async fn reads_alone_leave_a_server_that_has_become_read_only() {
    let (pair, database) = Pair::start().await;
    warm_up(&database).await;
    assert_eq!(read(&database).await, 1);
    pair.fail_over();
    // Busy all the time, so that no connection is asked because it was idle.
    until(async || read(&database).await == 2).await;
    for _ in 0..20 {
        assert_eq!(read(&database).await, 2);
    }
    pair.until_left().await;
}

#[tokio::test]
async fn reads_go_on_while_every_server_refuses_writes() {
    let (pair, database) = Pair::start().await;
    pair.old.set_read_only(true);
    let started = tokio::time::Instant::now();
    // Longer than a connection is used without being asked.
    while started.elapsed() < Duration::from_secs(5) {
        assert_eq!(read(&database).await, 1);
        assert_eq!(write(&database).await, Err(Failure::ReadOnly));
    }
    pair.old.set_read_only(false);
    assert_eq!(write(&database).await, Ok(()));
    let opened = pair.old.execute("SHOW GLOBAL STATUS LIKE 'Connections'");
    let opened: u32 = opened.split_whitespace().last().unwrap().parse().unwrap();
    assert!(opened < 100, "{opened} connections: they must not be replaced at every refusal");
}

#[tokio::test]
async fn a_commit_that_a_read_only_server_refuses_has_committed_nothing() {
    let (pair, database) = Pair::start().await;
    let mut connection = database.connection().await.unwrap();
    connection.query_drop("START TRANSACTION").await.unwrap();
    connection.query_drop("UPDATE a SET x = 7").await.unwrap();
    pair.old.set_read_only(true);
    let error = connection.query_drop("COMMIT").await.unwrap_err();
    assert_eq!(failure(&error), Failure::ReadOnly, "{error}");
    assert!(failure(&error).is_rollback());
    assert_eq!(pair.old.execute("SELECT x FROM m.a"), "1\n");
}

#[tokio::test]
async fn errors_of_servers_that_go_are_told_apart() {
    async fn error(database: &Database, statement: &str) -> Failure {
        let mut connection = database.connection().await.unwrap();
        failure(&connection.query_drop(statement).await.unwrap_err())
    }
    let (pair, database) = Pair::start().await;
    pair.old.execute("SET GLOBAL tx_read_only = 1");
    assert_eq!(error(&database, "UPDATE a SET x = 3").await, Failure::ReadOnly);
    pair.old.execute("SET GLOBAL tx_read_only = 0");
    let limited = "SET STATEMENT max_statement_time = 0.01 FOR SELECT SLEEP(60)";
    assert_eq!(error(&database, limited).await, Failure::Interrupted);
    for (kill, expected) in [("KILL QUERY", Failure::Interrupted), ("KILL", Failure::Disconnected)]
    {
        let mut killed = database.connection().await.unwrap();
        let id: u64 = killed.query_first("SELECT CONNECTION_ID()").await.unwrap().unwrap();
        let running = tokio::spawn(async move { sleep(&mut killed).await });
        let sleeping = format!(
            "SELECT COUNT(*) FROM information_schema.processlist
             WHERE id = {id} AND state = 'User sleep'"
        );
        until(async || pair.old.execute(&sleeping) == "1\n").await;
        pair.old.execute(&format!("{kill} {id}"));
        let error = running.await.unwrap().unwrap_err();
        assert!(failure(&error) == expected, "{kill}: {error}");
    }
}

async fn sleep(conn: &mut Conn) -> mysql_async::Result<()> {
    // A sleep that is ended returns 1; the statement after it does not run on.
    conn.query_drop("SELECT SLEEP(60) FROM a WHERE SLEEP(60) = 0 UNION SELECT x FROM a").await
}

#[tokio::test]
async fn a_server_that_takes_too_little_is_refused() {
    for (bytes, is_enough) in [(PACKET_BYTES_LEAST, true), (PACKET_BYTES_LEAST - 1024, false)] {
        let server = MariaDb::start_with(&[&format!("--max-allowed-packet={bytes}")]);
        let database = database(&server, "m");
        let [migrated, checked] =
            [database.migrate(FIRST).await, database.check_schema(FIRST).await];
        if is_enough {
            migrated.unwrap();
            checked.unwrap();
            let lane = database.dedicated(Duration::from_mins(1)).await.unwrap();
            assert_eq!(lane.packet_bytes_max(), bytes);
        } else {
            let said = migrated.unwrap_err().to_string();
            assert_eq!(said, checked.unwrap_err().to_string());
            assert_eq!(
                said,
                "the database takes packets of at most 15360 bytes, and 16384 are needed: \
                 raise the server's variable max_allowed_packet"
            );
        }
    }
}
