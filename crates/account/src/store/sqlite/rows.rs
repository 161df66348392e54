//! How rows and values read and write in SQLite, for every table alike.

use rusqlite::{Connection, Row};
use service::{
    clock::Timestamp,
    contract::{account_feed::Standing, introspection::TokenDigest},
};

use crate::api_keys::Manager;

/// A column of microseconds.
pub(super) fn timestamp(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_micros(row.get(column)?))
}

/// A column of microseconds that may be empty.
pub(super) fn moment(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

/// A column of the key that did something; empty if a command did.
pub(super) fn manager(row: &Row<'_>, column: &str) -> rusqlite::Result<Manager> {
    let id: Option<i64> = row.get(column)?;
    Ok(id.map_or(Manager::Command, |id| Manager::ApiKey { id }))
}

/// As [`manager`] reads it.
pub(super) const fn manager_id(manager: Manager) -> Option<i64> {
    match manager {
        Manager::Command => None,
        Manager::ApiKey { id } => Some(id),
    }
}

/// A column of a digest.
pub(super) fn digest(row: &Row<'_>, column: &str) -> rusqlite::Result<TokenDigest> {
    Ok(TokenDigest(row.get(column)?))
}

/// The standing that `is_valid` and `closed_at` stand for.
pub(super) fn standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    let closed_at: Option<i64> = row.get("closed_at")?;
    let is_valid: bool = row.get("is_valid")?;
    Ok(match (closed_at, is_valid) {
        (Some(_), _) => Standing::Closed,
        (None, true) => Standing::Active,
        (None, false) => Standing::Suspended,
    })
}

/// The number of migrations that the database has had.
pub(super) fn schema_version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}
