//! The table `wallet_operations`, written beside the lanes: the lock of the wallet's row makes
//! batches and operations one after the other.

use std::time::Duration;

use ledger::{FreezeAction, Wallet, WalletId, WalletStatus, freeze};
use mysql_async::Row;
use service::{
    BoxFuture, clock::Timestamp, jitter::with_jitter, operator::Operator, store::mysql::Database,
};
use tokio::time::sleep;

use super::{connection::Connection, rows, statement::Rows};
use crate::{
    operations::{self, NewOperation, Operation, OperationRefusal},
    store::{Operations, StoreError, words},
};

/// How often an operation is tried.
const ATTEMPTS_MAX: u32 = 5;
/// The longest pause before another try.
const PAUSE_MAX: Duration = Duration::from_millis(100);

const INSERT: &str = "INSERT INTO wallet_operations \
     (wallet_id, sequence, action, reason, api_key_id, user_name, created_at) VALUES";

/// A connection for operators, made when it is needed.
#[derive(Debug)]
pub(super) struct MySqlOperations {
    database: Database,
}

impl MySqlOperations {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    async fn attempt(
        &self,
        new: &NewOperation,
        now: Timestamp,
    ) -> Result<Result<Operation, OperationRefusal>, StoreError> {
        // Whatever is begun on it ends with it.
        let mut connection = Connection::new(self.database.clone());
        connection.begin().await?;
        let Some(mut wallet) = find(&mut connection, new.wallet_id, "FOR UPDATE").await? else {
            return Ok(Err(OperationRefusal::Unknown));
        };
        // Read under the wallet's lock. A writer that changes the standing waits for this lock
        // before it changes the wallet, and then sees this operation.
        let standing = standing(&mut connection, &wallet).await?;
        let newest = list(&mut connection, new.wallet_id, None, 1).await?.into_iter().next();
        let is_frozen = newest.as_ref().is_some_and(|last| last.action == FreezeAction::Freeze);
        let frozen = freeze(&mut wallet, new.action, is_frozen, standing, now.as_micros());
        if let Err(rejection) = frozen {
            connection.rollback().await?;
            return Ok(Err(rejection.into()));
        }
        let sequence = newest.map_or(1, |last| last.sequence + 1);
        let operation = Operation::new(new.clone(), sequence, now);
        let update = format!(
            "UPDATE wallets SET status = '{}', updated_at = {} WHERE id = {}",
            words::status(wallet.status),
            wallet.updated_at,
            wallet.id.0
        );
        connection.execute(&update).await?;
        for insert in insert(&operation, connection.statement_bytes_max()) {
            connection.execute(&insert).await?;
        }
        connection.commit().await?;
        Ok(Ok(operation))
    }
}

impl Operations for MySqlOperations {
    fn operate(
        &self,
        new: NewOperation,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Result<Operation, OperationRefusal>, StoreError>> {
        Box::pin(async move {
            let mut attempts = 1;
            loop {
                match self.attempt(&new, now).await {
                    Err(StoreError::Again(..)) if attempts < ATTEMPTS_MAX => {
                        attempts += 1;
                        sleep(with_jitter(PAUSE_MAX)).await;
                    }
                    result => return result,
                }
            }
        })
    }

    fn operations(
        &self,
        wallet_id: WalletId,
        before: Option<i64>,
        limit: u32,
    ) -> BoxFuture<'_, Result<Option<Vec<Operation>>, StoreError>> {
        Box::pin(async move {
            let mut connection = Connection::new(self.database.clone());
            let found = find(&mut connection, wallet_id, "").await?;
            match found.filter(|wallet| !wallet.account_id.is_system()) {
                Some(wallet) => list(&mut connection, wallet.id, before, limit).await.map(Some),
                None => Ok(None),
            }
        })
    }
}

async fn find(
    connection: &mut Connection,
    id: WalletId,
    clause: &str,
) -> Result<Option<Wallet>, StoreError> {
    let select = format!("SELECT {} FROM wallets WHERE id = {} {clause}", rows::WALLET, id.0);
    connection.query(&select).await?.first().map(rows::wallet).transpose()
}

async fn standing(
    connection: &mut Connection,
    wallet: &Wallet,
) -> Result<WalletStatus, StoreError> {
    let account_id = wallet.account_id.0;
    let select = format!("SELECT status FROM account_standings WHERE account_id = {account_id}");
    match connection.query(&select).await?.first() {
        Some(row) => rows::word(row, 0, words::status_from),
        None => Ok(WalletStatus::Active),
    }
}

async fn list(
    connection: &mut Connection,
    wallet_id: WalletId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Operation>, StoreError> {
    let select = format!(
        "SELECT wallet_id, sequence, action, reason, api_key_id, user_name, created_at
         FROM wallet_operations WHERE wallet_id = {} AND sequence < {}
         ORDER BY sequence DESC LIMIT {limit}",
        wallet_id.0,
        before.unwrap_or(i64::MAX)
    );
    connection.query(&select).await?.iter().map(operation).collect()
}

fn operation(row: &Row) -> Result<Operation, StoreError> {
    let operator = Operator::from_columns(rows::get(row, 4)?, rows::get(row, 5)?);
    Ok(Operation {
        wallet_id: WalletId(rows::get(row, 0)?),
        sequence: rows::get(row, 1)?,
        action: rows::word(row, 2, operations::from_name)?,
        reason: rows::get(row, 3)?,
        operator: operator.ok_or_else(|| rows::misfit(row, 4))?,
        created_at: Timestamp::from_micros(rows::get(row, 6)?),
    })
}

fn insert(operation: &Operation, bytes_max: usize) -> Vec<String> {
    let mut insert = Rows::new(INSERT, "", bytes_max);
    insert.row(|row| {
        row.int(operation.wallet_id.0)
            .int(operation.sequence)
            .bytes(operation.action_name().as_bytes())
            .optional_text(Some(&operation.reason))
            .optional_int(operation.operator.api_key_id())
            .optional_text(operation.operator.user())
            .int(operation.created_at.as_micros());
    });
    insert.statements()
}
