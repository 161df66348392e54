//! The table `id_blocks`: where the next ids start.

use mysql_async::{Conn, Error, Result, prelude::Queryable};

/// Sets `count` ids aside and returns the first. The row's lock makes callers queue until they
/// commit.
pub(super) async fn reserve(conn: &mut Conn, name: &str, count: u32) -> Result<i64> {
    conn.exec_drop(
        "UPDATE id_blocks SET next_value = next_value + ? WHERE name = ?",
        (count, name),
    )
    .await?;
    let next: Option<i64> =
        conn.exec_first("SELECT next_value FROM id_blocks WHERE name = ?", (name,)).await?;
    let next = next.ok_or_else(|| Error::Other(format!("no ids of the name `{name}`").into()))?;
    Ok(next - i64::from(count))
}

/// Holds a counter's row until the transaction ends.
pub(super) async fn lock(conn: &mut Conn, name: &str) -> Result<()> {
    conn.exec_drop("SELECT next_value FROM id_blocks WHERE name = ? FOR UPDATE", (name,)).await
}

/// Reads a row that every healthy database has, and asks for a write of a row that none has: a
/// server that takes no writes refuses it, and nobody waits for it.
pub(super) async fn probe(conn: &mut Conn) -> Result<()> {
    let found: Option<i64> =
        conn.query_first("SELECT next_value FROM id_blocks WHERE name = 'accounts'").await?;
    found.ok_or_else(|| Error::Other("the table id_blocks is empty".into()))?;
    conn.query_drop("UPDATE id_blocks SET next_value = next_value WHERE name = 'none'").await
}
