//! A database as it is at one moment, copied beside the service that goes on writing. One read
//! transaction is held for the whole copy: SQLite's backup starts again after each foreign commit
//! only if it has to begin a transaction of its own.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use super::{BUSY_TIMEOUT, Error, Opened, open_to_read};
use crate::store::owner::Schema;

/// Pages copied at a time: 2 MiB. In between the caller may stop.
const STEP_PAGES: i32 = 1024;

/// Checkpoints after a copy, at most. A busy writer adds to the log during each of them.
const CHECKPOINTS_MAX: usize = 4;
/// A log with fewer frames than this to copy back is left to the writer.
const FRAMES_LEFT: i64 = 4096;

/// A database at one moment. As long as it exists, the log cannot begin again and grows with every
/// commit of the service.
#[derive(Debug)]
pub struct Snapshot {
    opened: Opened,
    path: PathBuf,
    bytes: u64,
    schema_version: usize,
}

impl Snapshot {
    /// The database in this file, which must be there, at this moment.
    pub fn take(path: &Path, schema: &Schema) -> Result<Self, Error> {
        let opened = open_to_read(path, schema)?;
        opened.db.execute_batch("BEGIN")?;
        // The first read takes the snapshot; BEGIN alone does not.
        let number = |pragma| opened.db.query_row(pragma, [], |row| row.get::<_, i64>(0));
        let schema_version = number("PRAGMA user_version")?;
        let bytes = number("PRAGMA page_count")? * number("PRAGMA page_size")?;
        Ok(Self {
            opened,
            path: path.to_owned(),
            bytes: u64::try_from(bytes).expect("sizes are not negative"),
            schema_version: usize::try_from(schema_version).expect("it is known here"),
        })
    }

    /// For reads of this moment.
    pub fn connection(&self) -> &Connection {
        &self.opened.db
    }

    /// What is said about how it was read, if anything is.
    pub fn note(&self) -> Option<&str> {
        self.opened.note.as_deref()
    }

    /// How large a copy is.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many migrations it has had.
    pub const fn schema_version(&self) -> usize {
        self.schema_version
    }

    /// Copies it into a new file, for its owner only, which needs no log and is on disk when this
    /// returns. `go_on` is called between steps and stops the copy by an error.
    pub fn copy<E: From<Error>>(
        &self,
        to: &Path,
        mut go_on: impl FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let file = create(to)?;
        let mut copy = open_copy(to)?;
        let failed = |error: rusqlite::Error| E::from(error.into());
        {
            let backup = Backup::new(self.connection(), &mut copy).map_err(failed)?;
            loop {
                go_on()?;
                match backup.step(STEP_PAGES).map_err(failed)? {
                    StepResult::Done => break,
                    StepResult::More => {}
                    // Nobody else has the copy, and a snapshot is never locked.
                    _ => return Err(E::from(Error::Busy)),
                }
            }
        }
        copy.close().map_err(|(_, error)| failed(error))?;
        // The copied header says that there is a log. Without, it can be read where nothing may be
        // written, and a log that is left beside it is known not to be its own.
        let copy = open_copy(to)?;
        copy.pragma_update(None, "journal_mode", "DELETE").map_err(failed)?;
        copy.close().map_err(|(_, error)| failed(error))?;
        file.sync_all().map_err(|error| E::from(error.into()))
    }

    /// Ends the snapshot, and copies into the database what it has held back in the log, so that
    /// the service need not do that at once.
    pub fn release(self) -> Result<(), Error> {
        let db = &self.opened.db;
        db.execute_batch("COMMIT")?;
        if self.opened.is_shared {
            for _ in 0..CHECKPOINTS_MAX {
                let left = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                    Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)
                })?;
                if left < FRAMES_LEFT {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn create(path: &Path) -> Result<File, Error> {
    Ok(OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?)
}

/// Neither a journal nor flushes: what is not complete is thrown away.
fn open_copy(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(path, flags)?;
    copy.busy_timeout(BUSY_TIMEOUT)?;
    copy.pragma_update(None, "synchronous", "OFF")?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, thread};

    use super::*;
    use crate::store::sqlite::open;

    const SCHEMA: &Schema =
        &Schema { service: "test", first_tables: &["a"], migrations: &["CREATE TABLE a (x)"] };

    fn count(db: &Connection) -> i64 {
        db.query_row("SELECT COUNT(*) FROM a", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_copy_is_of_one_moment_however_much_is_written_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let [path, to] = ["a.db", "copy.db"].map(|name| folder.path().join(name));
        let writer = open(&path, SCHEMA).unwrap();
        let mut insert = writer.prepare("INSERT INTO a VALUES (randomblob(1500))").unwrap();
        for _ in 0..5_000 {
            insert.execute([]).unwrap();
        }
        let snapshot = Snapshot::take(&path, SCHEMA).unwrap();
        insert.execute([]).unwrap();
        // Another connection commits between any two steps.
        let mut steps = 0;
        let go_on = || {
            steps += 1;
            insert.execute([])?;
            Ok::<_, Error>(())
        };
        snapshot.copy(&to, go_on).unwrap();
        assert!(steps > 4, "it was copied in one step, which shows nothing");
        assert_eq!(count(snapshot.connection()), 5_000);
        snapshot.release().unwrap();
        let copied = open_to_read(&to, SCHEMA).unwrap();
        assert_eq!(count(&copied.db), 5_000);
        let whole: String =
            copied.db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(count(&writer) > 5_000 + 4);
    }

    #[test]
    fn a_copy_that_is_stopped_ends_in_the_caller_s_error() {
        let folder = tempfile::tempdir().unwrap();
        let [path, to] = ["a.db", "copy.db"].map(|name| folder.path().join(name));
        drop(open(&path, SCHEMA).unwrap());
        let snapshot = Snapshot::take(&path, SCHEMA).unwrap();
        let stopped = snapshot.copy(&to, || Err::<(), Error>(Error::Panicked));
        assert!(matches!(stopped, Err(Error::Panicked)), "{stopped:?}");
    }

    #[test]
    fn what_a_snapshot_held_back_is_copied_into_the_database_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = open(&path, SCHEMA).unwrap();
        let snapshot = Snapshot::take(&path, SCHEMA).unwrap();
        let size = || fs::metadata(&path).unwrap().len();
        let before = size();
        let writing = thread::spawn(move || {
            for _ in 0..2_000 {
                writer.execute("INSERT INTO a VALUES (randomblob(1500))", []).unwrap();
            }
            writer
        });
        let writer = writing.join().unwrap();
        assert_eq!(size(), before, "the snapshot holds the checkpoint back");
        snapshot.release().unwrap();
        assert!(size() > before + 2_000 * 1_500);
        assert_eq!(count(&writer), 2_000);
    }
}
