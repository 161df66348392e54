//! Opening a database to read it, also where nothing may be written: a copy that is kept as
//! evidence, a read-only file system. Such a file is not touched, not even by root.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use tempfile::TempDir;

use super::{
    BUSY_TIMEOUT, Error, foreign_log, installation::check_owner, log_of, schema_version, unreadable,
};
use crate::store::owner::Schema;

/// A database that is open for reading.
#[derive(Debug)]
pub struct Opened {
    /// Changes nothing.
    pub db: Connection,
    /// Whether a service may be writing at the same time.
    pub is_shared: bool,
    /// What a reader of the result must know about how it was read.
    pub note: Option<String>,
    /// Ends after the connection.
    _copy: Option<TempDir>,
}

/// Opens a database that must be there, for reading beside the service that owns it. Changes
/// nothing.
pub fn open_to_read(path: &Path, schema: &Schema) -> Result<Opened, Error> {
    check_readable(path)?;
    let opened = if is_protected(path)? { open_protected(path)? } else { open_shared(path)? };
    opened.db.pragma_update(None, "query_only", true)?;
    check_owner(&opened.db, path, schema)?;
    let (found, known) = (schema_version(&opened.db)?, schema.migrations.len());
    if found > known {
        return Err(Error::TooNew { path: path.to_owned(), found, known });
    }
    Ok(opened)
}

/// Shows that a file is there and may be read. SQLite says the same of one that is missing and of
/// one that may not.
pub fn check_readable(path: &Path) -> Result<(), Error> {
    match fs::File::open(path) {
        Ok(_) => Ok(()),
        Err(cause) => Err(unreadable(path, cause)),
    }
}

/// Whether the file or its folder may not be written: by us, or by their modes, which root does not
/// feel and still should honour.
fn is_protected(path: &Path) -> io::Result<bool> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    for place in [path, folder] {
        let has_no_writer = fs::metadata(place)?.permissions().mode() & 0o222 == 0;
        if has_no_writer || accessat(CWD, place, Access::WRITE_OK, AtFlags::EACCESS).is_err() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Not `SQLITE_OPEN_READ_ONLY`: a reader of a write-ahead log takes its place in the log's index.
fn open_shared(path: &Path) -> Result<Opened, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let has_log = has_log(path)?;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    if has_log {
        // What a killed process left stays as it is: the last to close would empty it.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    }
    Ok(Opened { db, is_shared: true, note: None, _copy: None })
}

fn has_log(path: &Path) -> Result<bool, Error> {
    let log = log_of(path);
    match fs::metadata(&log) {
        Ok(found) => Ok(found.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(unreadable(&log, cause)),
    }
}

fn open_protected(path: &Path) -> Result<Opened, Error> {
    let shown = path.display();
    if !has_log(path)? {
        let db = open_read_only(path, "immutable=1")?;
        let note = format!("{shown} may not be written and has no log beside it: read as it is");
        return Ok(Opened { db, is_shared: false, note: Some(note), _copy: None });
    }
    foreign_log::refuse(path)?;
    // With the log's index a service may be at work, as another user.
    let db = open_read_only(path, "readonly_shm=1")?;
    match schema_version(&db) {
        Ok(_) => {
            let note = format!("{shown} may not be written: read together with its log");
            Ok(Opened { db, is_shared: false, note: Some(note), _copy: None })
        }
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
            ) =>
        {
            drop(db);
            open_copied(path)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is in the log cannot be read without an index, which cannot be made beside it: in a private
/// copy of both it can.
fn open_copied(path: &Path) -> Result<Opened, Error> {
    let folder = tempfile::Builder::new().prefix("my-pay-read-").tempdir()?;
    let copy = folder.path().join("copy.db");
    for (from, to) in [(path, &copy), (&log_of(path), &log_of(&copy))] {
        fs::copy(from, to).map_err(|cause| unreadable(from, cause))?;
        fs::set_permissions(to, fs::Permissions::from_mode(0o600))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&copy, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    let note = format!(
        "{} may not be written and has a log: both were read from a private copy",
        path.display()
    );
    Ok(Opened { db, is_shared: false, note: Some(note), _copy: Some(folder) })
}

fn open_read_only(path: &Path, parameter: &str) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(uri(path, parameter), flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    Ok(db)
}

/// A file as SQLite's URIs name it. Everything but what is never special is escaped.
fn uri(path: &Path, parameter: &str) -> PathBuf {
    let mut uri = "file:".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri += &format!("%{byte:02X}");
        }
    }
    PathBuf::from(format!("{uri}?{parameter}"))
}
