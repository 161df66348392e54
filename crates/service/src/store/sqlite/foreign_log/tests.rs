//! Files of a process that was killed, and what may be put in their place.

use std::fs;

use rusqlite::{Connection, config::DbConfig};
use tempfile::TempDir;

use super::*;
use crate::store::{
    owner::Schema,
    sqlite::{self, Snapshot},
};

const SCHEMA: &Schema = &Schema {
    service: "test",
    first_tables: &["a", "b", "c"],
    migrations: &["CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x)"],
};

/// A database whose process was killed, with rows of this many in its log.
struct Killed {
    folder: TempDir,
    db: Connection,
}

impl Killed {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = sqlite::open(&folder.path().join("a.db"), SCHEMA).unwrap();
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        Self { folder, db }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn insert(&self, rows: i64) {
        let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
            INSERT INTO a SELECT randomblob(500) FROM n";
        self.db.execute(sql, [rows]).unwrap();
    }

    fn checkpoint(&self, mode: &str) {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        self.db.query_row(&sql, [], |_| Ok(())).unwrap();
    }

    fn rows(&self) -> i64 {
        self.db.query_row("SELECT COUNT(*) FROM a", [], |row| row.get(0)).unwrap()
    }

    /// What a start says about `database` in the place of the file, with the log that is there now.
    fn start_with(&self, database: &Path) -> Result<i64, String> {
        let new = tempfile::tempdir().unwrap();
        let path = new.path().join("a.db");
        fs::copy(database, &path).unwrap();
        fs::copy(self.path("a.db-wal"), new.path().join("a.db-wal")).unwrap();
        match sqlite::open(&path, SCHEMA) {
            Ok(db) => Ok(db.query_row("SELECT COUNT(*) FROM a", [], |row| row.get(0)).unwrap()),
            Err(error @ Error::ForeignLog { .. }) => Err(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
}

fn refused(found: Result<i64, String>, reason: &str) {
    let message = found.unwrap_err();
    assert!(
        message.contains(reason) && message.contains("a.db-wal is not the log of"),
        "{message}"
    );
}

#[test]
fn a_killed_process_s_own_files_are_taken_whatever_was_checkpointed() {
    let killed = Killed::start();
    let own = killed.path("a.db");
    assert_eq!(killed.start_with(&own), Ok(0), "the migration is still in the log");
    for (rows, mode) in [(3, "PASSIVE"), (400, "PASSIVE"), (1, "TRUNCATE"), (2, ""), (900, "")] {
        killed.insert(rows);
        assert_eq!(killed.start_with(&own), Ok(killed.rows()));
        if !mode.is_empty() {
            killed.checkpoint(mode);
            assert_eq!(killed.start_with(&own), Ok(killed.rows()), "after {mode}");
        }
    }
    // The log's end is torn, as by a crash while it was written.
    let log = fs::OpenOptions::new().write(true).open(killed.path("a.db-wal")).unwrap();
    let length = log.metadata().unwrap().len();
    let before = killed.rows();
    killed.insert(1);
    log.set_len(length + 1000).unwrap();
    assert_eq!(killed.start_with(&own), Ok(before));
}

#[test]
fn a_reader_that_holds_a_checkpoint_up_leaves_a_log_that_is_taken() {
    let killed = Killed::start();
    killed.insert(300);
    let snapshot = Snapshot::take(&killed.path("a.db"), SCHEMA).unwrap();
    killed.insert(300);
    killed.checkpoint("PASSIVE");
    assert_eq!(killed.start_with(&killed.path("a.db")), Ok(600));
    drop(snapshot);
}

#[test]
fn a_backup_in_the_place_of_a_killed_process_s_file_is_noticed() {
    let killed = Killed::start();
    killed.insert(5);
    let [ours, sqlites, vacuumed, old] =
        ["ours", "sqlites", "vacuumed", "old"].map(|name| killed.path(name));
    let snapshot = Snapshot::take(&killed.path("a.db"), SCHEMA).unwrap();
    snapshot.copy::<Error>(&ours, || Ok(())).unwrap();
    drop(snapshot);
    killed.db.backup("main", &sqlites, rusqlite::backup::NO_PROGRESS).unwrap();
    killed.db.execute("VACUUM INTO ?1", [vacuumed.to_str().unwrap()]).unwrap();
    killed.checkpoint("TRUNCATE");
    fs::copy(killed.path("a.db"), &old).unwrap();
    killed.insert(1);
    // The log continues this one exactly: that it was copied cannot be seen, and nothing is lost.
    assert_eq!(killed.start_with(&old), Ok(6));
    for round in 0..2 {
        refused(killed.start_with(&ours), "the file was written without a log");
        refused(killed.start_with(&vacuumed), "the file was written without a log");
        if round == 1 {
            refused(killed.start_with(&sqlites), "the file is a copy");
            refused(killed.start_with(&old), "the log continues a longer file");
        }
        killed.insert(500);
        killed.checkpoint("TRUNCATE");
        killed.insert(500);
    }
}

#[test]
fn a_log_without_a_commit_is_of_no_database() {
    let killed = Killed::start();
    killed.insert(5);
    let copy = killed.path("copy");
    let snapshot = Snapshot::take(&killed.path("a.db"), SCHEMA).unwrap();
    snapshot.copy::<Error>(&copy, || Ok(())).unwrap();
    drop(snapshot);
    for content in [&b""[..], &[0; 5000], b"no log at all"] {
        let log = killed.path("copy-wal");
        fs::write(&log, content).unwrap();
        refuse(&copy).unwrap();
    }
}
