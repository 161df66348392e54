//! Whose a schema is, and which installation it belongs to.

use mysql_async::{Conn, prelude::Queryable as _};

use super::Error;
use crate::{
    installation::{Installation, InvalidInstallation},
    store::owner::{Found, Schema},
};

/// Accepts a schema of this service, and one in which there is nothing.
pub(super) async fn check_owner(
    conn: &mut Conn,
    place: &str,
    schema: &Schema,
) -> Result<(), Error> {
    let found = found(conn).await?;
    let refused = |owner| Error::WrongOwner { place: place.to_owned(), owner };
    schema.check(&found).map_err(refused)
}

async fn found(conn: &mut Conn) -> mysql_async::Result<Found> {
    let mut tables: Vec<String> = conn
        .query(
            "SELECT table_name FROM information_schema.tables
             WHERE table_schema = DATABASE() ORDER BY table_name",
        )
        .await?;
    // Other programs have a table of this name, but not with this column.
    let ours: Option<i64> = conn
        .query_first(
            "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
             AND table_name = 'schema_migrations' AND column_name = 'statements_begun'",
        )
        .await?;
    let is_migrated = ours == Some(1);
    let mut recorded = None;
    if is_migrated {
        if tables.iter().any(|table| table == "installation") {
            recorded = conn.query_first("SELECT service FROM installation").await?;
        }
        tables.retain(|table| !["schema_migrations", "installation"].contains(&table.as_str()));
    }
    Ok(Found { recorded, is_migrated, tables })
}

/// The recorded installation, or else `new`, which is recorded. Of several that record at once, one
/// does.
pub(super) async fn settle(conn: &mut Conn, new: Installation) -> Result<Installation, Error> {
    if let Some(recorded) = recorded(conn).await? {
        return Ok(recorded);
    }
    let sql = "UPDATE installation SET installation_id = ? WHERE installation_id IS NULL";
    conn.exec_drop(sql, (new.to_string(),)).await?;
    recorded(conn).await?.ok_or(Error::Installation(InvalidInstallation))
}

async fn recorded(conn: &mut Conn) -> Result<Option<Installation>, Error> {
    let row: Option<Option<String>> =
        conn.query_first("SELECT installation_id FROM installation").await?;
    let recorded = row.ok_or(InvalidInstallation)?;
    Ok(recorded.map(|text| text.parse()).transpose()?)
}
