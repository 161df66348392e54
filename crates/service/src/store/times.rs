//! The newest time by which a service has run, in the table `service_clock` of its database.

use std::path::Path;

use mysql_async::{Params, Row, prelude::Queryable as _};
use rusqlite::OptionalExtension as _;
use tokio::time::{Duration, timeout};

use super::{
    mysql::{self, Database},
    sqlite::{self, Pool},
};
use crate::{
    BoxFuture,
    clock::Timestamp,
    fatal::Reporter,
    timekeeping::{KnownTime, RecordError, TimeRecord},
};

/// In an embedded database, on a connection of its own.
#[derive(Debug)]
pub struct SqliteTimes(Pool);

impl SqliteTimes {
    /// In the database of this file, whose migrations have made the table.
    /// A failure after which the process must end is reported to `fatal`.
    pub fn open(path: &Path, fatal: &Reporter) -> Result<Self, sqlite::Error> {
        Ok(Self(Pool::new(vec![sqlite::connect(path)?], fatal.clone())))
    }

    fn keep(&self, sql: &'static str, time: Timestamp) -> BoxFuture<'_, Result<(), RecordError>> {
        Box::pin(async move {
            let kept = self.0.transact(move |tx| tx.execute(sql, [time.as_micros()]));
            Ok(kept.await.map(|_rows| ())?)
        })
    }
}

impl TimeRecord for SqliteTimes {
    fn read(&self) -> BoxFuture<'_, Result<KnownTime, RecordError>> {
        Box::pin(async move {
            let newest = self.0.run(|db| {
                let sql = "SELECT newest_at FROM service_clock WHERE id = 1";
                db.query_row(sql, [], |row| row.get(0)).optional()
            });
            let newest = newest.await?.map(Timestamp::from_micros);
            // The server is this process, whose clock is no other.
            Ok(KnownTime { newest, server: None })
        })
    }

    fn advance(&self, to: Timestamp) -> BoxFuture<'_, Result<(), RecordError>> {
        const SQL: &str = "INSERT INTO service_clock (id, newest_at) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET newest_at = max(newest_at, excluded.newest_at)";
        self.keep(SQL, to)
    }

    fn replace(&self, with: Timestamp) -> BoxFuture<'_, Result<(), RecordError>> {
        const SQL: &str = "INSERT INTO service_clock (id, newest_at) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET newest_at = excluded.newest_at";
        self.keep(SQL, with)
    }
}

/// How long a server may take to answer.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// On a server, which all instances of the service share.
#[derive(Debug)]
pub struct MySqlTimes(Database);

impl MySqlTimes {
    /// In the schema of this database, whose migrations have made the table.
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    async fn run(&self, sql: &str, params: impl Into<Params>) -> Result<Option<Row>, RecordError> {
        let mut connection = self.0.connection().await?;
        let done = timeout(STATEMENT_TIMEOUT, connection.exec_first(sql, params.into())).await;
        let done = done.map_err(|_| mysql::Error::TimedOut)?;
        connection.settle(&done);
        Ok(done?)
    }

    fn keep(&self, sql: &'static str, time: Timestamp) -> BoxFuture<'_, Result<(), RecordError>> {
        Box::pin(async move { self.run(sql, (time.as_micros(),)).await.map(|_nothing| ()) })
    }
}

impl TimeRecord for MySqlTimes {
    fn read(&self) -> BoxFuture<'_, Result<KnownTime, RecordError>> {
        const SQL: &str = "SELECT
             TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)),
             (SELECT newest_at FROM service_clock WHERE id = 1)";
        Box::pin(async move {
            let row = self.run(SQL, ()).await?.ok_or("the server did not tell the time")?;
            let (server, newest): (i64, Option<i64>) = mysql_async::from_row_opt(row)?;
            let server = Some(Timestamp::from_micros(server));
            Ok(KnownTime { newest: newest.map(Timestamp::from_micros), server })
        })
    }

    fn advance(&self, to: Timestamp) -> BoxFuture<'_, Result<(), RecordError>> {
        const SQL: &str = "INSERT INTO service_clock (id, newest_at) VALUES (1, ?)
             ON DUPLICATE KEY UPDATE newest_at = GREATEST(newest_at, VALUES(newest_at))";
        self.keep(SQL, to)
    }

    fn replace(&self, with: Timestamp) -> BoxFuture<'_, Result<(), RecordError>> {
        const SQL: &str = "INSERT INTO service_clock (id, newest_at) VALUES (1, ?)
             ON DUPLICATE KEY UPDATE newest_at = VALUES(newest_at)";
        self.keep(SQL, with)
    }
}

#[cfg(test)]
mod tests {
    use testing::MariaDb;

    use super::*;
    use crate::{
        clock::Clock,
        store::owner::Schema,
        timekeeping::{Bounds, Keeper, StartError, check_at_start},
    };

    const SCHEMA: &Schema = &Schema {
        service: "test",
        first_tables: &["service_clock"],
        migrations: &[
            "CREATE TABLE service_clock (id BIGINT PRIMARY KEY, newest_at BIGINT NOT NULL)",
        ],
    };
    const BOUNDS: Bounds = Bounds {
        stopped_max: Duration::from_hours(7 * 24),
        difference_max: Duration::from_mins(1),
    };

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    /// What every store of times does.
    async fn check(record: &dyn TimeRecord) {
        let newest = async || record.read().await.unwrap().newest;
        assert_eq!(newest().await, None);
        for (to, expected) in [(5, 5), (3, 5), (5, 5), (8, 8)] {
            record.advance(at(to)).await.unwrap();
            assert_eq!(newest().await, Some(at(expected)), "{to}");
        }
        record.replace(at(2)).await.unwrap();
        assert_eq!(newest().await, Some(at(2)));
    }

    #[tokio::test]
    async fn an_embedded_database_keeps_the_newest_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        sqlite::open(&path, SCHEMA).unwrap();
        let record = SqliteTimes::open(&path, &Reporter::default()).unwrap();
        check(&record).await;
        assert_eq!(record.read().await.unwrap().server, None, "it has no clock of its own");
    }

    #[tokio::test]
    async fn a_server_keeps_the_newest_time_and_tells_its_own() {
        let name = MariaDb::shared().fresh_database();
        let database = Database::new(&MariaDb::shared().url(&name), 2).unwrap();
        database.migrate(SCHEMA).await.unwrap();
        let record = MySqlTimes::new(database.clone());
        check(&record).await;
        let clock = Clock::system();
        let before = clock.now();
        let server = record.read().await.unwrap().server.unwrap();
        let (after, second) = (clock.now(), Duration::from_secs(1));
        assert!(before <= server.plus(second) && server <= after.plus(second), "{server}");
        database.close().await;
    }

    /// The server is on another machine, whose clock is a day ahead. Nothing else is known.
    #[tokio::test]
    async fn a_clock_that_differs_from_the_servers_is_refused() {
        let mariadb = MariaDb::start();
        mariadb.create_database("a");
        mariadb.execute(
            "CREATE USER 'other'@'%' IDENTIFIED BY 'secret';
             GRANT ALL ON a.* TO 'other'@'%';
             SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() + 86400';",
        );
        let database = Database::new(&mariadb.url_for("other", "secret", "a"), 2).unwrap();
        database.migrate(SCHEMA).await.unwrap();
        let record = std::sync::Arc::new(MySqlTimes::new(database.clone()));
        let keeper = Keeper { service: "money", record: record.clone() };
        let refused = check_at_start(&[keeper], &Clock::system(), BOUNDS, None).await;
        let refusal = refused.unwrap_err();
        assert!(matches!(refusal, StartError::Implausible { .. }), "{refusal}");
        assert!(refusal.to_string().contains("the clock of the database's server"), "{refusal}");
        assert_eq!(record.read().await.unwrap().newest, None, "nothing was changed");
        database.close().await;
    }
}
