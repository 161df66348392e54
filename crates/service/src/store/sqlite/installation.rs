//! Whose a database file is, and which installation it belongs to.

use std::path::Path;

use rusqlite::{Connection, types::Type};

use super::{Error, schema_version};
use crate::{
    installation::Installation,
    store::owner::{Found, Schema},
};

/// Accepts a database of this service, and one in which there is nothing.
pub(super) fn check_owner(
    connection: &Connection,
    path: &Path,
    schema: &Schema,
) -> Result<(), Error> {
    let found = found(connection)?;
    let refused = |owner| Error::WrongOwner { path: path.to_owned(), owner };
    schema.check(&found).map_err(refused)
}

fn found(connection: &Connection) -> rusqlite::Result<Found> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE \
         '~' ORDER BY name",
    )?;
    let names = statement.query_map([], |row| row.get(0))?;
    let mut tables = names.collect::<rusqlite::Result<Vec<String>>>()?;
    let is_migrated = schema_version(connection)? > 0;
    let mut recorded = None;
    if is_migrated && tables.iter().any(|table| table == "installation") {
        tables.retain(|table| table != "installation");
        recorded =
            connection.query_row("SELECT service FROM installation", [], |row| row.get(0))?;
    }
    Ok(Found { recorded, is_migrated, tables })
}

/// The installation that this database belongs to: the recorded one, or else `new`, which is
/// recorded. To be called in a write transaction.
pub fn settle_installation(
    connection: &Connection,
    new: Installation,
) -> rusqlite::Result<Installation> {
    let recorded: Option<String> =
        connection.query_row("SELECT installation_id FROM installation", [], |row| row.get(0))?;
    if let Some(recorded) = recorded {
        let damaged =
            |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error));
        return recorded.parse().map_err(damaged);
    }
    connection.execute("UPDATE installation SET installation_id = ?", [new.to_string()])?;
    Ok(new)
}
