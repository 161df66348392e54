//! The table `wallet_operations`, written beside the lane: SQLite's write lock makes batches and
//! operations one after the other.

use std::{path::Path, thread, time::Duration};

use ledger::{FreezeAction, WalletId, WalletStatus, freeze};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use service::{
    BoxFuture,
    clock::Timestamp,
    fatal::Reporter,
    operator::Operator,
    store::sqlite::{self, Pool},
};

use super::{SCHEMA, reads, rows};
use crate::{
    operations::{self, NewOperation, Operation, OperationRefusal},
    store::{Operations, StoreError, words},
};

/// How often it is tried to take the write lock. A busy lane leaves it free for moments only, which
/// the pauses of SQLite's own, up to 100 ms, would miss.
const LOCK_PAUSE: Duration = Duration::from_micros(500);
/// About 10 s, pauses and tries included.
const LOCK_TRIES_MAX: i32 = 16_000;

/// Why the database beside a service cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenExistingError {
    /// There is no file.
    #[error("there is no money database: start the service once to create it")]
    Missing,
    /// It was written by another version of the program.
    #[error(
        "the money database has schema version {found}, and this program knows {known}: \
         use the version that serves it"
    )]
    OtherVersion {
        /// Of the database.
        found: i64,
        /// Of this program.
        known: usize,
    },
    /// SQLite said no, or it is another service's.
    #[error("the money database cannot be opened")]
    Sqlite(#[from] sqlite::Error),
}

/// A connection for operators.
#[derive(Debug)]
pub struct SqliteOperations {
    pool: Pool,
}

impl SqliteOperations {
    /// Opens the database that a service has created and may be using. Never creates or migrates
    /// it: a schema must not change under a running service.
    pub fn open_existing(path: &Path) -> Result<Self, OpenExistingError> {
        match sqlite::check_readable(path) {
            Ok(()) => {}
            Err(sqlite::Error::Missing { .. }) => return Err(OpenExistingError::Missing),
            Err(error) => return Err(error.into()),
        }
        let connection = sqlite::open_existing(path, SCHEMA)?;
        let found = rows::schema_version(&connection).map_err(sqlite::Error::from)?;
        let known = SCHEMA.migrations.len();
        if usize::try_from(found) != Ok(known) {
            return Err(OpenExistingError::OtherVersion { found, known });
        }
        Ok(Self::with(connection, &Reporter::default())?)
    }

    /// Works on a connection to a database that is open. What ends the process is reported to
    /// `fatal`.
    pub(super) fn with(
        mut connection: Connection,
        fatal: &Reporter,
    ) -> Result<Self, sqlite::Error> {
        connection.busy_handler(Some(|tries| {
            thread::sleep(LOCK_PAUSE);
            tries < LOCK_TRIES_MAX
        }))?;
        // Copying the log into the file is the lane's work, or that of the last one to close it.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(Self { pool: Pool::new(vec![connection], fatal.clone()) })
    }
}

impl Operations for SqliteOperations {
    fn operate(
        &self,
        new: NewOperation,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Result<Operation, OperationRefusal>, StoreError>> {
        Box::pin(async move { Ok(self.pool.transact(move |tx| operate(tx, new, now)).await?) })
    }

    fn operations(
        &self,
        wallet_id: WalletId,
        before: Option<i64>,
        limit: u32,
    ) -> BoxFuture<'_, Result<Option<Vec<Operation>>, StoreError>> {
        Box::pin(
            async move { Ok(self.pool.run(move |db| list(db, wallet_id, before, limit)).await?) },
        )
    }
}

fn operate(
    db: &Connection,
    new: NewOperation,
    now: Timestamp,
) -> rusqlite::Result<Result<Operation, OperationRefusal>> {
    let Some(mut wallet) = reads::wallet(db, new.wallet_id)? else {
        return Ok(Err(OperationRefusal::Unknown));
    };
    let standing = db
        .query_row(
            "SELECT status FROM account_standings WHERE account_id = ?1",
            [wallet.account_id.0],
            |row| rows::text(row, 0, words::status_from),
        )
        .optional()?
        .unwrap_or(WalletStatus::Active);
    let newest = list_person(db, new.wallet_id, None, 1)?.into_iter().next();
    let is_frozen = newest.as_ref().is_some_and(|last| last.action == FreezeAction::Freeze);
    if let Err(rejection) = freeze(&mut wallet, new.action, is_frozen, standing, now.as_micros()) {
        return Ok(Err(rejection.into()));
    }
    db.execute(
        "UPDATE wallets SET status = ?2, updated_at = ?3 WHERE id = ?1",
        params![wallet.id.0, words::status(wallet.status), wallet.updated_at],
    )?;
    let operation = Operation::new(new, newest.map_or(1, |last| last.sequence + 1), now);
    db.execute(
        "INSERT INTO wallet_operations
             (wallet_id, sequence, action, reason, api_key_id, user_name, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            operation.wallet_id.0,
            operation.sequence,
            operation.action_name(),
            operation.reason,
            operation.operator.api_key_id(),
            operation.operator.user(),
            operation.created_at.as_micros(),
        ],
    )?;
    Ok(Ok(operation))
}

fn list(
    db: &Connection,
    wallet_id: WalletId,
    before: Option<i64>,
    limit: u32,
) -> rusqlite::Result<Option<Vec<Operation>>> {
    match reads::wallet(db, wallet_id)? {
        Some(wallet) if !wallet.account_id.is_system() => {
            list_person(db, wallet_id, before, limit).map(Some)
        }
        _ => Ok(None),
    }
}

fn list_person(
    db: &Connection,
    wallet_id: WalletId,
    before: Option<i64>,
    limit: u32,
) -> rusqlite::Result<Vec<Operation>> {
    db.prepare_cached(
        "SELECT wallet_id, sequence, action, reason, api_key_id, user_name, created_at
         FROM wallet_operations WHERE wallet_id = ?1 AND sequence < ?2
         ORDER BY sequence DESC LIMIT ?3",
    )?
    .query_map(params![wallet_id.0, before.unwrap_or(i64::MAX), limit], operation)?
    .collect()
}

fn operation(row: &Row<'_>) -> rusqlite::Result<Operation> {
    let operator = Operator::from_columns(row.get(4)?, row.get(5)?);
    Ok(Operation {
        wallet_id: WalletId(row.get(0)?),
        sequence: row.get(1)?,
        action: rows::text(row, 2, operations::from_name)?,
        reason: row.get(3)?,
        operator: operator.ok_or_else(|| rows::misfit(4, "neither a key nor a user"))?,
        created_at: Timestamp::from_micros(row.get(6)?),
    })
}
