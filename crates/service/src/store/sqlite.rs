//! SQLite as both services use it: opened with the same durability, migrated the same way, and
//! reached from async code through a small pool whose statements run on threads that may block.

mod checkpoint;
mod evidence;
mod failure;
mod foreign_log;
mod installation;
mod pool;
mod snapshot;
mod watch;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, config::DbConfig,
};

pub use self::{
    checkpoint::checkpoint_at,
    evidence::{Opened, check_readable, open_to_read},
    failure::{Failure, failure, report_if_fatal, report_if_in_doubt},
    installation::settle_installation,
    pool::Pool,
    snapshot::Snapshot,
    watch::{Watch, Watching},
};

use self::installation::check_owner;
use super::{
    counter::{Counter, CounterError},
    owner::{Schema, WrongOwner},
};
use crate::{
    files,
    waiting::{Waiting, waiting_for},
};

/// Why an embedded database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file was written by a newer version of the program.
    #[error(
        "{path} has schema version {found}, but this program knows only up to {known}: \
         use the newer program"
    )]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// Its schema version.
        found: usize,
        /// The newest version known here.
        known: usize,
    },
    /// There is no file.
    #[error("there is no database {}", .path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is there, or may be, and cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log beside the file is not the log of this file.
    #[error(
        "{} is not the log of {}: {reason}. Something was put in the place of a database whose \
         process had been killed. Use `my-pay admin restore`, which moves both aside",
        .log.display(), .path.display()
    )]
    ForeignLog {
        /// The database file.
        path: PathBuf,
        /// The log.
        log: PathBuf,
        /// How that was noticed.
        reason: &'static str,
    },
    /// A file could not be written or flushed.
    #[error("a file of the embedded database failed")]
    Io(#[from] io::Error),
    /// The file is the database of another service or program. Nothing in it was changed.
    #[error("{path} {owner}")]
    WrongOwner {
        /// The database file.
        path: PathBuf,
        /// Whose it is.
        owner: WrongOwner,
    },
    /// SQLite said no.
    #[error("the embedded database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// A counter of ids contradicts the rows.
    #[error(transparent)]
    Counter(#[from] CounterError),
    /// A commit failed in such a way that it may be in the log: only a new start tells.
    #[error("the outcome of a commit is unknown")]
    OutcomeUnknown(#[source] rusqlite::Error),
    /// The process is about to end because of an earlier failure; nothing was done.
    #[error("the embedded database is not used any more after a failure")]
    Abandoned,
    /// Every connection was busy for too long; nothing was done.
    #[error("the embedded database is busy")]
    Busy,
    /// The work panicked; nothing was committed.
    #[error("work on the embedded database panicked")]
    Panicked,
}

/// How long to wait for a lock of another process, or for a free connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a database, creates it if it is not there, and migrates it. Its files are for their owner
/// only, and their names are on disk when this returns. The database of another service or program
/// is refused and not changed.
pub fn open(path: &Path, schema: &Schema) -> Result<Connection, Error> {
    foreign_log::refuse(path)?;
    let _waiting = waiting_for_locks(path);
    let is_new = !has_content(path)?;
    if is_new && has_content(&log_of(path))? {
        let reason = "the database itself is missing or empty";
        return Err(Error::ForeignLog { path: path.to_owned(), log: log_of(path), reason });
    }
    if !path.exists() {
        files::make_file(path)?;
    }
    let mut connection = open_owned(path, schema)?;
    // SQLite gives the files beside a database the mode of the database.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        files::narrow(&files::beside(path, suffix))?;
    }
    set_up(&connection)?;
    if is_new {
        tracing::warn!(database = %path.display(), "a new, empty database is made");
    }
    migrate(&mut connection, path, schema)?;
    checkpoint::settle_log(&connection, path)?;
    files::flush_names(files::folder_of(path))?;
    Ok(connection)
}

/// Opens a database that must be there, of whatever version. The database of another service or
/// program is refused and not changed.
pub fn open_existing(path: &Path, schema: &Schema) -> Result<Connection, Error> {
    let connection = open_owned(path, schema)?;
    set_up(&connection)?;
    Ok(connection)
}

fn open_owned(path: &Path, schema: &Schema) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The log beside another service's file may not be its own: closing must not copy it into it.
    let keep_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(keep_log, true)?;
    check_owner(&connection, path, schema)?;
    connection.set_db_config(keep_log, false)?;
    Ok(connection)
}

/// Refuses a database whose counters contradict its rows.
pub fn check_counters(connection: &Connection, counters: &[Counter]) -> Result<(), Error> {
    for counter in counters {
        let newest = connection.query_row(&counter.newest_sql(), [], |row| row.get(0))?;
        let next = connection.query_row(&counter.next_sql(), [], |row| row.get(0)).optional()?;
        counter.check(newest, next)?;
    }
    Ok(())
}

fn has_content(path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(found.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The write-ahead log of a database.
fn log_of(path: &Path) -> PathBuf {
    files::beside(path, "-wal")
}

/// A missing permission is not a missing file.
fn unreadable(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { path },
        _ => Error::Unreadable { path, source },
    }
}

fn waiting_for_locks(path: &Path) -> Waiting {
    waiting_for(format!("the database {}, which another process may have locked", path.display()))
}

/// Opens a further connection to a database that [`open`] has migrated.
pub fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    set_up(&connection)?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    // FULL: a commit returns when the log is on disk. A power cut loses nothing that was answered.
    // Small pages, because a balance that changes here and there costs its whole page in the log.
    connection.execute_batch(
        "PRAGMA page_size = 2048;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path, schema: &Schema) -> Result<(), Error> {
    let migrations = schema.migrations;
    // The write lock is taken before the version is read, so two processes never migrate at once.
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = schema_version(&tx)?;
    let Some(pending) = migrations.get(found..) else {
        return Err(Error::TooNew { path: path.to_owned(), found, known: migrations.len() });
    };
    if !pending.is_empty() {
        for migration in pending {
            tx.execute_batch(migration)?;
        }
        let newest = i64::try_from(migrations.len()).expect("migrations are few");
        tx.pragma_update(None, "user_version", newest)?;
    }
    tx.commit()?;
    Ok(())
}

fn schema_version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::owner::Migrations;

    const fn schema(migrations: Migrations) -> Schema {
        Schema { service: "test", first_tables: &["a"], migrations }
    }

    #[test]
    fn migrations_run_once_and_a_newer_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let first = schema(&["CREATE TABLE a (x)"]);
        let second = schema(&["CREATE TABLE a (x)", "CREATE TABLE b (x)"]);
        open(&path, &first).unwrap();
        open(&path, &second).unwrap();
        open(&path, &second).unwrap();
        let refusal = open(&path, &first).unwrap_err().to_string();
        assert!(
            refusal.contains("schema version 2, but this program knows only up to 1"),
            "{refusal}"
        );
    }

    #[test]
    fn another_program_s_database_is_refused_and_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE posts (x)").unwrap();
        drop(other);
        let before = std::fs::read(&path).unwrap();
        let ours = schema(&["CREATE TABLE a (x)"]);
        let read = open_to_read(&path, &ours).map(|opened| opened.db);
        for refused in [open(&path, &ours), read] {
            let refused = refused.unwrap_err().to_string();
            let expected = "a.db is the database of another program, as it has the table `posts`";
            assert!(refused.contains(expected), "{refused}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no log was made");
    }
}
