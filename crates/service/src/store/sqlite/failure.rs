//! What an error of SQLite means for the request at hand and for the process.

use rusqlite::{Connection, Error, ffi};

use crate::{fatal::Reporter, http::problem::chain};

/// Kinds of errors that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Another connection is in the way.
    Busy,
    /// A value breaks a rule of its table.
    ConstraintViolated,
    /// The file system has no room. In a commit too, nothing was done: the frame that makes a
    /// transaction count is the last one of the log to be written.
    Full,
    /// The machine cannot do it now: memory, descriptors, locks, permissions, a write or a read.
    Unavailable,
    /// The disk refused a flush. A later flush that succeeds proves nothing.
    FlushRefused,
    /// The file is damaged, unreadable, no database, or another file than the one that was opened.
    Damaged,
    /// Anything else: a defect.
    Other,
}

impl Failure {
    /// Whether the process cannot keep its promises after it: what is in the files is in doubt, and
    /// only a new start, which reads the log from its beginning, settles it.
    pub const fn is_fatal(self) -> bool {
        match self {
            Self::FlushRefused | Self::Damaged => true,
            Self::Busy
            | Self::ConstraintViolated
            | Self::Full
            | Self::Unavailable
            | Self::Other => false,
        }
    }

    /// Whether a commit that ended with it was certainly not made. Otherwise its last frame may be
    /// in the log, where the next start would find it.
    pub const fn is_certain_in_commit(self) -> bool {
        match self {
            Self::Busy | Self::ConstraintViolated | Self::Full => true,
            Self::Unavailable | Self::FlushRefused | Self::Damaged | Self::Other => false,
        }
    }
}

/// The kind of an error.
pub fn failure(error: &Error) -> Failure {
    match error {
        Error::SqliteFailure(error, _) => of_code(error.extended_code),
        _ => Failure::Other,
    }
}

/// Reports an error after which the process must end.
pub fn report_if_fatal(fatal: &Reporter, db: &Connection, error: &Error) {
    if failure(error).is_fatal() {
        report(fatal, db, error);
    }
}

/// Reports an error of a commit that may have been made: only a new start tells whether it was.
pub fn report_if_in_doubt(fatal: &Reporter, db: &Connection, error: &Error) {
    if !failure(error).is_certain_in_commit() {
        report(fatal, db, error);
    }
}

/// Reports that the log cannot be copied into the file.
pub(super) fn report_checkpoint(fatal: &Reporter, path: &str, error: &Error) {
    fatal.report(format!(
        "the log of the embedded database {path} cannot be copied into it: {}",
        chain(error)
    ));
}

fn report(fatal: &Reporter, db: &Connection, error: &Error) {
    let path = db.path().unwrap_or_default();
    fatal.report(format!("the embedded database {path} failed: {}", chain(error)));
}

/// The kind of an extended result code (SQLite's documentation, "Result and Error Codes").
fn of_code(code: i32) -> Failure {
    match code {
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => Failure::FlushRefused,
        // EIO of a read is CORRUPTFS; DATA is a checksum that does not fit.
        ffi::SQLITE_IOERR_CORRUPTFS
        | ffi::SQLITE_IOERR_DATA
        | ffi::SQLITE_IOERR_VNODE
        | ffi::SQLITE_READONLY_DBMOVED => Failure::Damaged,
        _ => of_primary_code(code & 0xff),
    }
}

fn of_primary_code(code: i32) -> Failure {
    match code {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => Failure::Busy,
        ffi::SQLITE_CONSTRAINT => Failure::ConstraintViolated,
        ffi::SQLITE_FULL => Failure::Full,
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Failure::Damaged,
        ffi::SQLITE_IOERR
        | ffi::SQLITE_NOMEM
        | ffi::SQLITE_CANTOPEN
        | ffi::SQLITE_READONLY
        | ffi::SQLITE_PERM
        | ffi::SQLITE_INTERRUPT
        | ffi::SQLITE_NOLFS => Failure::Unavailable,
        _ => Failure::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Failure = Failure::Busy;
    const UNAVAILABLE: Failure = Failure::Unavailable;
    const FLUSH: Failure = Failure::FlushRefused;
    const DAMAGED: Failure = Failure::Damaged;

    #[test]
    fn every_error_of_the_disk_has_its_kind() {
        let table = [
            (ffi::SQLITE_BUSY, BUSY),
            (ffi::SQLITE_BUSY_RECOVERY, BUSY),
            (ffi::SQLITE_BUSY_SNAPSHOT, BUSY),
            (ffi::SQLITE_BUSY_TIMEOUT, BUSY),
            (ffi::SQLITE_LOCKED, BUSY),
            (ffi::SQLITE_LOCKED_SHAREDCACHE, BUSY),
            (ffi::SQLITE_PROTOCOL, BUSY),
            (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, Failure::ConstraintViolated),
            (ffi::SQLITE_CONSTRAINT_TRIGGER, Failure::ConstraintViolated),
            (ffi::SQLITE_FULL, Failure::Full),
            (ffi::SQLITE_IOERR, UNAVAILABLE),
            (ffi::SQLITE_IOERR_READ, UNAVAILABLE),
            (ffi::SQLITE_IOERR_SHORT_READ, UNAVAILABLE),
            (ffi::SQLITE_IOERR_WRITE, UNAVAILABLE),
            (ffi::SQLITE_IOERR_FSYNC, FLUSH),
            (ffi::SQLITE_IOERR_DIR_FSYNC, FLUSH),
            (ffi::SQLITE_IOERR_TRUNCATE, UNAVAILABLE),
            (ffi::SQLITE_IOERR_FSTAT, UNAVAILABLE),
            (ffi::SQLITE_IOERR_UNLOCK, UNAVAILABLE),
            (ffi::SQLITE_IOERR_RDLOCK, UNAVAILABLE),
            (ffi::SQLITE_IOERR_DELETE, UNAVAILABLE),
            (ffi::SQLITE_IOERR_NOMEM, UNAVAILABLE),
            (ffi::SQLITE_IOERR_ACCESS, UNAVAILABLE),
            (ffi::SQLITE_IOERR_CHECKRESERVEDLOCK, UNAVAILABLE),
            (ffi::SQLITE_IOERR_LOCK, UNAVAILABLE),
            (ffi::SQLITE_IOERR_CLOSE, UNAVAILABLE),
            (ffi::SQLITE_IOERR_SHMOPEN, UNAVAILABLE),
            (ffi::SQLITE_IOERR_SHMSIZE, UNAVAILABLE),
            (ffi::SQLITE_IOERR_SHMLOCK, UNAVAILABLE),
            (ffi::SQLITE_IOERR_SHMMAP, UNAVAILABLE),
            (ffi::SQLITE_IOERR_SEEK, UNAVAILABLE),
            (ffi::SQLITE_IOERR_MMAP, UNAVAILABLE),
            (ffi::SQLITE_IOERR_VNODE, DAMAGED),
            (ffi::SQLITE_IOERR_DATA, DAMAGED),
            (ffi::SQLITE_IOERR_CORRUPTFS, DAMAGED),
            (ffi::SQLITE_CORRUPT, DAMAGED),
            (ffi::SQLITE_CORRUPT_INDEX, DAMAGED),
            (ffi::SQLITE_NOTADB, DAMAGED),
            (ffi::SQLITE_NOMEM, UNAVAILABLE),
            (ffi::SQLITE_CANTOPEN, UNAVAILABLE),
            (ffi::SQLITE_CANTOPEN_ISDIR, UNAVAILABLE),
            (ffi::SQLITE_READONLY, UNAVAILABLE),
            (ffi::SQLITE_READONLY_CANTLOCK, UNAVAILABLE),
            (ffi::SQLITE_READONLY_DIRECTORY, UNAVAILABLE),
            (ffi::SQLITE_READONLY_DBMOVED, DAMAGED),
            (ffi::SQLITE_PERM, UNAVAILABLE),
            (ffi::SQLITE_INTERRUPT, UNAVAILABLE),
            (ffi::SQLITE_ERROR, Failure::Other),
            (ffi::SQLITE_MISUSE, Failure::Other),
            (ffi::SQLITE_TOOBIG, Failure::Other),
        ];
        for (code, kind) in table {
            let error = Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(failure(&error), kind, "{error}");
            assert_eq!(kind.is_fatal(), matches!(kind, FLUSH | DAMAGED), "{error}");
        }
        assert_eq!(failure(&Error::QueryReturnedNoRows), Failure::Other);
    }
}
