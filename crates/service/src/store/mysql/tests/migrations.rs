//! Migrations of several instances, and migrations that break off.

use std::sync::Mutex;

use super::{super::Waiting, *};

#[tokio::test]
async fn migrations_run_once_however_many_instances_start() {
    let server = MariaDb::start();
    let database = database(&server, "m");
    let instances: Vec<_> = (0..8)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move { database.migrate(SECOND).await })
        })
        .collect();
    for instance in instances {
        instance.await.unwrap().unwrap();
    }
    assert_eq!(count(&database, "a").await, 1);
    database.check_schema(SECOND).await.unwrap();
    let too_new = database.migrate(FIRST).await.unwrap_err();
    assert!(matches!(too_new, Error::TooNew { found: 2, known: 1 }), "{too_new}");
    assert!(matches!(database.check_schema(FIRST).await, Err(Error::TooNew { .. })));

    server.create_database("empty");
    let empty = Database::new(&server.url("empty"), 1).unwrap();
    let too_old = empty.check_schema(SECOND).await.unwrap_err();
    assert!(matches!(too_old, Error::TooOld { found: 0, known: 2 }), "{too_old}");
}

/// Waits until a migration has come so far.
async fn reached(server: &MariaDb, progress: &str) {
    let query = "SELECT statements_begun, statements_done FROM m.schema_migrations";
    let exists = "SELECT COUNT(*) FROM information_schema.tables
        WHERE table_schema = 'm' AND table_name = 'schema_migrations'";
    while server.execute(exists) == "0\n" || server.execute(query) != format!("{progress}\n") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_the_middle_repeats_nothing() {
    const SLOW: &Schema = &schema(&["CREATE TABLE a (x BIGINT NOT NULL PRIMARY KEY);
        INSERT INTO a (x) VALUES (1);
        CREATE TABLE b (x BIGINT NOT NULL);
        INSERT INTO b (x) SELECT SLEEP(0.5) FROM a;"]);
    let mut server = MariaDb::start();
    let migrating = database(&server, "m");
    let first = tokio::spawn(async move { migrating.migrate(SLOW).await });
    reached(&server, "3\t3").await;
    server.restart();
    assert!(first.await.unwrap().is_err());

    let database = Database::new(&server.url("m"), 1).unwrap();
    let unfinished = database.check_schema(SLOW).await.unwrap_err();
    assert!(matches!(unfinished, Error::TooOld { found: 0, known: 1 }), "{unfinished}");
    database.migrate(SLOW).await.unwrap();
    database.check_schema(SLOW).await.unwrap();
    assert_eq!((count(&database, "a").await, count(&database, "b").await), (1, 1));
}

#[tokio::test]
async fn a_definition_that_was_made_but_not_recorded_is_taken_as_made() {
    const MIGRATIONS: &Schema = &schema(&["CREATE TABLE a (x BIGINT NOT NULL);
        ALTER TABLE a ADD COLUMN y BIGINT NOT NULL;
        ALTER TABLE a ADD CONSTRAINT y_small CHECK (y < 9);
        CREATE INDEX a_by_y ON a (y);
        ALTER TABLE a DROP COLUMN x;
        DROP TABLE a;"]);
    let server = MariaDb::start();
    let database = database(&server, "m");
    for crashed_after in 1..=6 {
        server.execute("DROP DATABASE m");
        server.create_database("m");
        let statements: Vec<&str> =
            MIGRATIONS.migrations[0].split(';').take(crashed_after).collect();
        server.execute(&format!("USE m; {}", statements.join(";")));
        server.execute(&format!("USE m; {}", super::super::migrate::CREATE));
        let (begun, done) = (crashed_after, crashed_after - 1);
        server.execute(&format!("INSERT INTO m.schema_migrations VALUES (1, {begun}, {done}, 0)"));
        database.migrate(MIGRATIONS).await.unwrap();
        assert_eq!(server.execute("SHOW TABLES IN m"), "schema_migrations\n");
    }
}

#[tokio::test]
async fn somebody_elses_table_is_not_taken_for_ours() {
    const MIGRATIONS: &Schema = &schema(&["CREATE TABLE c (x BIGINT NOT NULL);
        CREATE TABLE a (x BIGINT NOT NULL);
        INSERT INTO a (x) VALUES (1);
        INSERT INTO a (x) VALUES (2), (NULL);"]);
    let server = MariaDb::start();
    let database = database(&server, "m");
    server.execute("CREATE TABLE m.a (other BIGINT NOT NULL)");
    let refusal = database.migrate(MIGRATIONS).await.unwrap_err();
    assert!(matches!(refusal, Error::WrongOwner { .. }), "{refusal}");
    assert_eq!(server.execute("SHOW TABLES IN m"), "a\n", "nothing was made");
    // The same table beside a migration that was begun before.
    server.execute(&format!("USE m; {}", super::super::migrate::CREATE));
    for _ in 0..2 {
        let refusal = database.migrate(MIGRATIONS).await.unwrap_err();
        assert!(matches!(refusal, Error::Database(_)), "{refusal}");
    }
    server.execute("DROP TABLE m.a");
    // Now it breaks off at its end, again and again, and no row is there twice.
    for _ in 0..2 {
        database.migrate(MIGRATIONS).await.unwrap_err();
        assert_eq!(count(&database, "a").await, 1);
    }
}

#[tokio::test]
async fn a_schema_that_is_up_to_date_needs_no_rights_to_migrate() {
    let server = MariaDb::start();
    database(&server, "m").migrate(SECOND).await.unwrap();
    server.execute("CREATE USER u IDENTIFIED BY 'p'; GRANT SELECT ON m.* TO u");
    let serving = Database::new(&server.url_for("u", "p", "m"), 1).unwrap();
    serving.migrate(SECOND).await.unwrap();
    serving.check_schema(SECOND).await.unwrap();
    serving.migrate(FIRST).await.unwrap_err();
}

#[tokio::test]
async fn tables_have_transactions_whatever_the_servers_default() {
    let server = MariaDb::start();
    server.execute("SET GLOBAL default_storage_engine = MyISAM");
    let database = database(&server, "m");
    database.migrate(SECOND).await.unwrap();
    database.check_schema(SECOND).await.unwrap();
    server.execute("ALTER TABLE m.a ENGINE = MyISAM");
    let refusal = database.check_schema(SECOND).await.unwrap_err().to_string();
    assert_eq!(
        refusal,
        "the table a is kept by MyISAM, which has no transactions: InnoDB is needed"
    );
}

/// What was reported, by every test at once: a report is a plain function.
static REPORTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note(waiting: &Waiting<'_>) {
    assert!(waiting.since >= Duration::from_secs(1), "{waiting:?}");
    REPORTED.lock().unwrap().push(waiting.what.to_owned());
}

/// Starts a migration while another session holds a lock, waits for the report, and drops it.
async fn break_off(server: &MariaDb, schema: &str, locked: &str, reported: &str) {
    database(server, schema).migrate(FIRST).await.unwrap();
    let other = Database::new(&server.url(schema), 1).unwrap();
    let mut other = other.dedicated(Duration::from_mins(1)).await.unwrap();
    other.query_drop(locked).await.unwrap();
    let database = Database::reporting(&server.url(schema), 1, note).unwrap();
    let migrating = tokio::spawn(async move { database.migrate(THIRD).await });
    until(async || REPORTED.lock().unwrap().iter().any(|what| what.contains(reported))).await;
    migrating.abort();
    assert!(migrating.await.unwrap_err().is_cancelled());
    // The other session still holds its lock, and the one that waited for it is gone.
    let sessions =
        format!("SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{schema}'");
    until(async || server.execute(&sessions) == "1\n").await;
    drop(other);
    Database::new(&server.url(schema), 1).unwrap().migrate(THIRD).await.unwrap();
}

const THIRD: &Schema = &schema(&[CREATE_A, "ALTER TABLE a ADD COLUMN y BIGINT NOT NULL;"]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_says_what_it_waits_for_and_leaves_nothing_locked_when_it_is_dropped() {
    let server = MariaDb::start();
    let lock = format!("SELECT GET_LOCK({}, 0)", super::super::migrate::LOCK);
    for (schema, locked, reported) in [
        ("versions", "LOCK TABLES schema_migrations WRITE", "schema_migrations"),
        ("instance", lock.as_str(), "another instance that is migrating"),
        ("statement", "LOCK TABLES a READ", "statement 1 of migration 2"),
    ] {
        break_off(&server, schema, locked, reported).await;
    }
}

#[tokio::test]
async fn a_start_says_that_no_connection_is_taken() {
    let server = MariaDb::start();
    server.create_database("frozen");
    server.stop();
    let database = Database::reporting(&server.url("frozen"), 1, note).unwrap();
    let refusal = database.migrate(FIRST).await.unwrap_err();
    assert!(matches!(refusal, Error::TimedOut), "{refusal}");
    let expected = format!("the server at {} to take a connection", server.address());
    assert!(REPORTED.lock().unwrap().contains(&expected));
    server.resume();
}
