//! The table `email_respellings`: accounts whose email was stored as earlier versions compared it.

use std::time::Duration;

use mysql_async::{Conn, Result, prelude::Queryable};
use service::store::mysql::{Database, Error};

use super::accounts;
use crate::email;

/// How long one account may take, waiting for locks included.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Computes what is compared of every address that is listed, and empties the list. Several
/// instances may do this at once; a crash loses nothing: what was done is off the list.
pub(super) async fn respell(database: &Database) -> std::result::Result<(), Error> {
    let mut connection = database.connection().await?;
    let mut has_more = true;
    while has_more {
        let next = tokio::time::timeout(TIMEOUT, respell_next(&mut connection)).await;
        has_more = next.map_err(|_late| Error::TimedOut)??;
    }
    connection.release();
    Ok(())
}

/// One account of the list, in a transaction of its own. `false` if the list is empty.
async fn respell_next(conn: &mut Conn) -> Result<bool> {
    conn.query_drop("START TRANSACTION").await?;
    let is_done = respell_first(conn).await?;
    conn.query_drop("COMMIT").await?;
    Ok(is_done)
}

async fn respell_first(conn: &mut Conn) -> Result<bool> {
    let next = "SELECT account_id FROM email_respellings ORDER BY account_id LIMIT 1";
    let Some(id) = conn.query_first::<i64, _>(next).await? else { return Ok(false) };
    if let Some(account) = accounts::lock(conn, id).await? {
        let normalised = email::normalise(&account.email);
        let other: Option<i64> = conn
            .exec_first(
                "SELECT id FROM accounts WHERE email_normalised = ? AND id <> ?",
                (normalised.as_bytes(), id),
            )
            .await?;
        match other {
            Some(other) => email::warn_of_one_address(id, other),
            None => {
                conn.exec_drop(
                    "UPDATE accounts SET email_normalised = ? WHERE id = ?",
                    (normalised.as_bytes(), id),
                )
                .await?;
            }
        }
    }
    conn.exec_drop("DELETE FROM email_respellings WHERE account_id = ?", (id,)).await?;
    Ok(true)
}
