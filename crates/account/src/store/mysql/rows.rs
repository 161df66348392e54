//! How rows and values read and write in MySQL, for every table alike.

use mysql_async::{Error, Result, Row, prelude::FromValue};
use service::{
    clock::Timestamp,
    contract::{account_feed::Standing, introspection::TokenDigest},
};

use crate::api_keys::Manager;

/// A column by its name.
pub(super) fn get<T: FromValue>(row: &Row, column: &str) -> Result<T> {
    match row.get_opt(column) {
        Some(Ok(value)) => Ok(value),
        Some(Err(_)) | None => Err(misfit(column)),
    }
}

/// A column of microseconds.
pub(super) fn timestamp(row: &Row, column: &str) -> Result<Timestamp> {
    Ok(Timestamp::from_micros(get(row, column)?))
}

/// A column of microseconds that may be empty.
pub(super) fn moment(row: &Row, column: &str) -> Result<Option<Timestamp>> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_micros))
}

/// A column of the key that did something; empty if a command did.
pub(super) fn manager(row: &Row, column: &str) -> Result<Manager> {
    let id: Option<i64> = get(row, column)?;
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
pub(super) fn digest(row: &Row, column: &str) -> Result<TokenDigest> {
    let bytes: Vec<u8> = get(row, column)?;
    bytes.try_into().map(TokenDigest).map_err(|_| misfit(column))
}

/// The standing that `is_valid` and `closed_at` stand for.
pub(super) fn standing(row: &Row) -> Result<Standing> {
    let closed_at: Option<i64> = get(row, "closed_at")?;
    let is_valid: bool = get(row, "is_valid")?;
    Ok(match (closed_at, is_valid) {
        (Some(_), _) => Standing::Closed,
        (None, true) => Standing::Active,
        (None, false) => Standing::Suspended,
    })
}

pub(super) fn misfit(column: &str) -> Error {
    Error::Other(format!("the column `{column}` has a value that it cannot have").into())
}
