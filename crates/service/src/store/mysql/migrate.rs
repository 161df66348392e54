//! Migrations. A statement that defines a table commits by itself and cannot be rolled back, so
//! what was begun and what was done is recorded statement by statement, and a crash costs nothing.

use std::{cmp::Ordering, time::Duration};

use mysql_async::{Conn, ServerError, prelude::Queryable as _};

use super::{
    Error,
    installation::check_owner,
    wait::{Report, reported},
};
use crate::store::owner::Schema;

/// How long migrating may take. On large tables a statement takes its time.
pub(super) const TIMEOUT: Duration = Duration::from_hours(1);

/// How long to wait for another instance that is migrating.
const LOCK_SECONDS: u64 = 60;

/// Held while migrating. Freed by the server when the connection ends, however that happens. Locks
/// are the whole server's, and so is their length of 64.
pub(super) const LOCK: &str = "CONCAT('my-pay-migrate-', LEFT(SHA2(DATABASE(), 256), 40))";

/// `version` counts from 1.
pub(super) const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    statements_begun BIGINT NOT NULL,
    statements_done BIGINT NOT NULL,
    is_done BIGINT NOT NULL)";

/// The servers' code for a table that is not there.
const NO_SUCH_TABLE: u16 = 1146;

/// What the servers say of a definition that was made already: a table, a column, an index or a
/// rule is there, or what is to be dropped is gone.
const MADE_ALREADY: &[u16] = &[1050, 1051, 1060, 1061, 1091, 1826, 3822];

/// What a step may wait for.
const VERSIONS: &str = "the table schema_migrations, which another session may have locked \
     (SHOW FULL PROCESSLIST on the server names the sessions)";
const OTHER_INSTANCE: &str = "another instance that is migrating the schema";

pub(super) async fn migrate(
    conn: &mut Conn,
    place: &str,
    schema: &Schema,
    report: Report,
) -> Result<(), Error> {
    let migrations = schema.migrations;
    reported(report, VERSIONS, check_owner(conn, place, schema)).await?;
    // A schema that is up to date is left alone, so that this needs no rights to define anything.
    if reported(report, VERSIONS, version(conn)).await? == migrations.len() {
        return Ok(());
    }
    let lock = format!("SELECT GET_LOCK({LOCK}, {LOCK_SECONDS})");
    let lock = conn.query_first::<Option<i64>, _>(lock);
    if reported(report, OTHER_INSTANCE, lock).await?.flatten() != Some(1) {
        return Err(Error::MigrationLocked);
    }
    // Another service may have made its tables here while this one was waiting.
    check_owner(conn, place, schema).await?;
    // Whatever the server's default is: money needs transactions.
    conn.query_drop("SET SESSION default_storage_engine = InnoDB").await?;
    let found = reported(report, VERSIONS, async {
        conn.query_drop(CREATE).await?;
        version(conn).await
    });
    let found = found.await?;
    let Some(pending) = migrations.get(found..) else {
        return Err(Error::TooNew { found, known: migrations.len() });
    };
    for (version, migration) in (found + 1..).zip(pending) {
        run(conn, version, migration, report).await?;
    }
    Ok(conn.query_drop(format!("SELECT RELEASE_LOCK({LOCK})")).await?)
}

pub(super) async fn check(
    conn: &mut Conn,
    place: &str,
    schema: &Schema,
    report: Report,
) -> Result<(), Error> {
    reported(report, VERSIONS, check_owner(conn, place, schema)).await?;
    let found = reported(report, VERSIONS, version(conn)).await?;
    let known = schema.migrations.len();
    match found.cmp(&known) {
        Ordering::Less => Err(Error::TooOld { found, known }),
        Ordering::Equal => check_engine(conn).await,
        Ordering::Greater => Err(Error::TooNew { found, known }),
    }
}

/// Refuses tables without transactions, as somebody may have altered or restored them.
async fn check_engine(conn: &mut Conn) -> Result<(), Error> {
    let other = conn
        .query_first::<(String, String), _>(
            "SELECT table_name, engine FROM information_schema.tables
             WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'
             AND engine <> 'InnoDB' ORDER BY table_name LIMIT 1",
        )
        .await?;
    other.map_or(Ok(()), |(table, engine)| Err(Error::WrongEngine { table, engine }))
}

async fn version(conn: &mut Conn) -> Result<usize, Error> {
    let done = conn
        .query_first::<Option<i64>, _>(
            "SELECT MAX(version) FROM schema_migrations WHERE is_done = 1",
        )
        .await;
    match done {
        Ok(done) => Ok(usize::try_from(done.flatten().unwrap_or(0)).unwrap_or(usize::MAX)),
        Err(mysql_async::Error::Server(error)) if error.code == NO_SUCH_TABLE => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// What was begun of a migration, and what was done.
#[derive(Debug, Clone, Copy)]
struct Progress {
    version: i64,
    begun: i64,
    done: i64,
}

async fn run(
    conn: &mut Conn,
    version: usize,
    migration: &str,
    report: Report,
) -> Result<(), Error> {
    let version = i64::try_from(version).expect("migrations are few");
    let mut progress = reported(report, VERSIONS, load(conn, version)).await?;
    for (number, statement) in (1_i64..).zip(statements(migration)) {
        if number <= progress.done {
            continue;
        }
        let what = format!(
            "statement {number} of migration {version}, which may wait for another session's lock \
             (SHOW FULL PROCESSLIST on the server names the sessions)"
        );
        if changes_rows(&statement) {
            progress = Progress { begun: number, done: number, ..progress };
            reported(report, &what, change_rows(conn, progress, &statement)).await?;
        } else {
            reported(report, &what, define(conn, &mut progress, number, &statement)).await?;
        }
    }
    let sql = "UPDATE schema_migrations SET is_done = 1 WHERE version = ?";
    let done = conn.exec_drop(sql, (progress.version,));
    Ok(reported(report, VERSIONS, done).await?)
}

/// Runs a statement in the transaction that records it.
async fn change_rows(conn: &mut Conn, progress: Progress, statement: &str) -> Result<(), Error> {
    conn.query_drop("START TRANSACTION").await?;
    conn.query_drop(statement).await?;
    save(conn, progress).await?;
    Ok(conn.query_drop("COMMIT").await?)
}

/// Runs a statement that commits by itself.
async fn define(
    conn: &mut Conn,
    progress: &mut Progress,
    number: i64,
    statement: &str,
) -> Result<(), Error> {
    // It was begun before, and nobody saw how it ended.
    let is_resumed = progress.begun == number;
    progress.begun = number;
    save(conn, *progress).await?;
    match conn.query_drop(statement).await {
        Ok(()) => {}
        Err(mysql_async::Error::Server(ServerError { code, .. }))
            if is_resumed && MADE_ALREADY.contains(&code) => {}
        Err(error) => {
            if !error.is_fatal() {
                // It was refused, so what it would make is not there because of it.
                progress.begun = progress.done;
                save(conn, *progress).await?;
            }
            return Err(error.into());
        }
    }
    progress.done = number;
    Ok(save(conn, *progress).await?)
}

async fn load(conn: &mut Conn, version: i64) -> mysql_async::Result<Progress> {
    conn.exec_drop(
        "INSERT INTO schema_migrations (version, statements_begun, statements_done, is_done)
         VALUES (?, 0, 0, 0) ON DUPLICATE KEY UPDATE version = schema_migrations.version",
        (version,),
    )
    .await?;
    let sql = "SELECT statements_begun, statements_done FROM schema_migrations WHERE version = ?";
    let (begun, done) = conn.exec_first(sql, (version,)).await?.unwrap_or((0, 0));
    Ok(Progress { version, begun, done })
}

async fn save(conn: &mut Conn, progress: Progress) -> mysql_async::Result<()> {
    conn.exec_drop(
        "UPDATE schema_migrations SET statements_begun = ?, statements_done = ? WHERE version = ?",
        (progress.begun, progress.done, progress.version),
    )
    .await
}

/// Whether a statement can be rolled back.
fn changes_rows(statement: &str) -> bool {
    let word = statement.split_whitespace().next().unwrap_or_default();
    ["INSERT", "UPDATE", "DELETE"].contains(&word)
}

/// The statements of a file: each ends with a semicolon at the end of a line.
fn statements(migration: &str) -> Vec<String> {
    let without_comments: Vec<&str> =
        migration.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    without_comments
        .join("\n")
        .split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';').to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_parted_into_statements() {
        let file = "-- why; this\n\nCREATE TABLE a (\n  -- what;\n  b BIGINT\n);\nINSERT INTO a\n  \
                    VALUES (1);\n";
        assert_eq!(
            statements(file),
            ["CREATE TABLE a (\n  b BIGINT\n)", "INSERT INTO a\n  VALUES (1)"]
        );
        assert_eq!(statements("SELECT 1;"), ["SELECT 1"]);
        assert_eq!(statements("-- nothing\n"), Vec::<String>::new());
    }
}
