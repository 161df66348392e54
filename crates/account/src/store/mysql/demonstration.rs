//! The table `demonstration`: whether the accounts are those of a demonstration.

use mysql_async::{Conn, Result, prelude::Queryable as _};

pub(super) async fn is_marked(conn: &mut Conn) -> Result<bool> {
    let mark: Option<i64> = conn.query_first("SELECT id FROM demonstration").await?;
    Ok(mark.is_some())
}
