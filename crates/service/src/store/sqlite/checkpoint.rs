//! Copying the log of an embedded database into its file: at the start, so that nothing is told
//! that may not be on disk, and whenever the log has grown, so that it stays small.

use std::path::Path;

use rusqlite::{Connection, hooks::Wal};

use super::{
    Error,
    failure::{Failure, failure, report_checkpoint},
};
use crate::{fatal::Reporter, http::problem::chain};

/// From now on copies the log into the file after each commit that leaves so many pages in it, as
/// SQLite does by itself, except that a failure is noticed: SQLite forgets it, and the log would
/// grow without end.
pub fn checkpoint_at(
    connection: &mut Connection,
    pages: i32,
    fatal: &Reporter,
) -> Result<(), Error> {
    let fatal = fatal.clone();
    let path = connection.path().unwrap_or_default().to_owned();
    let mut is_put_off = false;
    let checkpoint = move |log: &mut Wal, grown: i32| {
        if grown < pages || fatal.is_reported() {
            return Ok(());
        }
        let result = log.checkpoint();
        match &result {
            // A reader or another checkpoint is in the way: the next commit tries again.
            Ok(()) => {}
            Err(error) if failure(error) == Failure::Busy => {}
            // Nothing is lost: all of it is in the log, which is on disk.
            Err(error) if failure(error) == Failure::Full => {
                if !is_put_off {
                    tracing::warn!(
                        path,
                        error = %chain(error),
                        "the log cannot be copied into the embedded database"
                    );
                }
            }
            Err(error) => report_checkpoint(&fatal, &path, error),
        }
        is_put_off = result.is_err();
        // The commit was made, whatever became of the copy.
        Ok(())
    };
    Ok(connection.wal_hook(Some(checkpoint))?)
}

/// Copies what an earlier process left in the log into the file, and flushes it. The process may
/// have ended because a flush of the log failed: then the system still shows what the disk does not
/// have, and only what is written again is on disk.
pub(super) fn settle_log(connection: &Connection, path: &Path) -> Result<(), Error> {
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let is_busy: bool = connection.query_row(sql, [], |row| row.get(0))?;
    if is_busy {
        tracing::warn!(
            path = %path.display(),
            "another process reads the embedded database, so its log is not emptied at the start"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::sqlite::connect;

    fn rows(db: &Connection) -> i64 {
        db.query_row("SELECT COUNT(*) FROM a", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_a_log_holds_is_in_the_file_before_anything_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from.db", "to.db"].map(|name| folder.path().join(name));
        fs::write(&from, "").unwrap();
        let db = connect(&from).unwrap();
        db.execute_batch("CREATE TABLE a (x); INSERT INTO a VALUES (1), (2)").unwrap();
        // As a killed process leaves them.
        fs::copy(&from, &to).unwrap();
        fs::copy(from.with_extension("db-wal"), to.with_extension("db-wal")).unwrap();
        let left = connect(&to).unwrap();
        settle_log(&left, &to).unwrap();
        assert_eq!(fs::metadata(to.with_extension("db-wal")).unwrap().len(), 0);
        let alone = folder.path().join("alone.db");
        fs::copy(&to, &alone).unwrap();
        assert_eq!(rows(&Connection::open(alone).unwrap()), 2);
    }

    #[test]
    fn a_log_that_has_grown_is_copied_and_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        fs::write(&path, "").unwrap();
        let mut db = connect(&path).unwrap();
        let fatal = Reporter::default();
        checkpoint_at(&mut db, 20, &fatal).unwrap();
        db.execute_batch("CREATE TABLE a (x)").unwrap();
        for _ in 0..200 {
            db.execute("INSERT INTO a VALUES (1)", []).unwrap();
        }
        let log = fs::metadata(path.with_extension("db-wal")).unwrap().len();
        assert!(log < 40 * 2_100, "{log}");
        assert!(!fatal.is_reported());
        let alone = folder.path().join("alone.db");
        fs::copy(&path, &alone).unwrap();
        assert!(rows(&Connection::open(alone).unwrap()) > 100);
    }
}
