//! The table `id_blocks`: where the next ids start.

use rusqlite::{Connection, params};

/// Sets `count` ids aside and returns the first. The row's lock makes callers queue until they
/// commit.
pub(super) fn reserve(db: &Connection, name: &str, count: u32) -> rusqlite::Result<i64> {
    db.prepare_cached("UPDATE id_blocks SET next_value = next_value + ? WHERE name = ?")?
        .execute(params![count, name])?;
    let next: i64 = db
        .prepare_cached("SELECT next_value FROM id_blocks WHERE name = ?")?
        .query_row([name], |row| row.get(0))?;
    Ok(next - i64::from(count))
}

/// Writes a row that means nothing. Its value changes each time: SQLite writes no page whose bytes
/// stay as they are.
pub(super) fn write_probe(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO id_blocks (name, next_value) VALUES ('probe', 1)
         ON CONFLICT (name) DO UPDATE SET next_value = 3 - next_value",
    )?
    .execute([])?;
    Ok(())
}

/// Reads a row that every healthy database has.
pub(super) fn probe(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached("SELECT next_value FROM id_blocks WHERE name = 'accounts'")?
        .query_row([], |_row| Ok(()))
}
