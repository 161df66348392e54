//! The table `demonstration`: whether the accounts are those of a demonstration.

use rusqlite::Connection;

/// Marks the database for good unless there are accounts. Returns whether it is marked.
pub(super) fn mark(db: &Connection) -> rusqlite::Result<bool> {
    db.execute(
        "INSERT INTO demonstration (id)
         SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM accounts)
         ON CONFLICT (id) DO NOTHING",
        [],
    )?;
    is_marked(db)
}

pub(super) fn is_marked(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM demonstration)", [], |row| row.get(0))
}
