//! The table `email_respellings`: accounts whose email was stored as earlier versions compared it.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::email;

/// Accounts in one transaction: few enough that other writers of the file need not give up.
const ACCOUNTS_MAX: u32 = 500;

/// Computes what is compared of every address that is listed, and empties the list. A crash loses
/// nothing: what was done is off the list.
pub(super) fn respell(db: &mut Connection) -> rusqlite::Result<()> {
    loop {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let listed: Vec<(i64, String, String)> = tx
            .prepare_cached(
                "SELECT a.id, a.email, a.email_normalised
                 FROM email_respellings r INNER JOIN accounts a ON a.id = r.account_id
                 ORDER BY a.id LIMIT ?",
            )?
            .query_map([ACCOUNTS_MAX], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        if listed.is_empty() {
            return tx.commit();
        }
        for (id, email, stored) in listed {
            let normalised = email::normalise(&email);
            if normalised != stored {
                save(&tx, id, &normalised)?;
            }
            tx.prepare_cached("DELETE FROM email_respellings WHERE account_id = ?")?
                .execute([id])?;
        }
        tx.commit()?;
    }
}

fn save(db: &Connection, id: i64, normalised: &str) -> rusqlite::Result<()> {
    let other: Option<i64> = db
        .prepare_cached("SELECT id FROM accounts WHERE email_normalised = ?")?
        .query_row([normalised], |row| row.get(0))
        .optional()?;
    if let Some(other) = other {
        email::warn_of_one_address(id, other);
        return Ok(());
    }
    db.prepare_cached("UPDATE accounts SET email_normalised = ? WHERE id = ?")?
        .execute(params![normalised, id])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use service::store::{owner::Schema, sqlite};

    use super::{super::SCHEMA, respell};
    use crate::{SqliteStore, Store as _};

    /// As version 0.1 stored them: decomposed Korean, quotes, and one address twice.
    #[tokio::test]
    async fn addresses_of_before_are_compared_as_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account.db");
        let decomposed = "\u{1100}\u{1161}@example.com";
        let emails = ["ada@example.com", decomposed, "\"bob\"@example.com", "bob@example.com"];
        {
            let first = Schema { migrations: &SCHEMA.migrations[..1], ..*SCHEMA };
            let db = sqlite::open(&path, &first).unwrap();
            for (id, email) in (10_001..).zip(emails) {
                db.execute(
                    "INSERT INTO accounts (id, name, email, email_normalised, password_hash,
                         is_valid, created_at, updated_at)
                     VALUES (?1, 'A', ?2, ?2, 'hash', 1, 0, 0)",
                    (id, email),
                )
                .unwrap();
            }
            // As the service had, which reserves ids before it uses them.
            let reserved = "UPDATE id_blocks SET next_value = 10101 WHERE name = 'accounts'";
            db.execute(reserved, []).unwrap();
        }
        let store = SqliteStore::open(&path, &service::fatal::Reporter::default()).unwrap();
        let of = async |email: &str| {
            let found = store.credentials(email.to_owned()).await.unwrap();
            found.map(|credentials| credentials.account.id)
        };
        assert_eq!(of("ada@example.com").await, Some(10_001));
        assert_eq!(of("가@example.com").await, Some(10_002));
        assert_eq!(of(decomposed).await, None);
        // Two accounts with one address keep what they were found by.
        assert_eq!(of("\"bob\"@example.com").await, Some(10_003));
        assert_eq!(of("bob@example.com").await, Some(10_004));
        let mut db = sqlite::connect(&path).unwrap();
        let listed: i64 =
            db.query_row("SELECT COUNT(*) FROM email_respellings", [], |row| row.get(0)).unwrap();
        assert_eq!(listed, 0);
        respell(&mut db).unwrap();
    }
}
