//! The readers. Each statement sees one state of the database, and what a read takes from several
//! statements is only ever appended.

use std::time::Duration;

use ledger::{AccountId, IdempotencyKey, Transaction, TransactionId, TransferId, Wallet, WalletId};
use mysql_async::{Params, Row, prelude::Queryable};
use service::{BoxFuture, store::mysql::Database};

use super::{connection::store_error, rows};
use crate::store::{
    BookedTransfer, BooksPage, BooksQuery, DEBIT, HistoryPage, HistoryQuery, Leg, Reads, Reason,
    ReceiverView, StoreError, TransferView, books,
    totals::{CurrencyTotal, Totals},
    words,
};

/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement may take that reads a whole table.
const TABLE_TIMEOUT: Duration = Duration::from_mins(10);

/// One statement, so that it sees one state of the books whatever moves meanwhile.
const TOTALS: &str = "SELECT currency, CAST(SUM(balance) AS SIGNED), \
     CAST(SUM(CASE WHEN account_id <= 9999 THEN 0 ELSE balance END) AS SIGNED), \
     CAST(SUM(CASE WHEN account_id <= 9999 THEN balance ELSE 0 END) AS SIGNED), \
     CAST(SUM(CASE WHEN account_id <= 9999 THEN 0 ELSE 1 END) AS SIGNED), COUNT(*), \
     MIN(CASE WHEN account_id <= 9999 THEN balance ELSE 0 END), \
     MAX(CASE WHEN account_id <= 9999 THEN balance ELSE 0 END) \
     FROM wallets GROUP BY currency ORDER BY currency";

/// Reads a row that every healthy database has.
const PROBE_READ: &str = "SELECT next_value FROM id_blocks WHERE name = 'transaction'";

/// Asks for a write of a row that none has: a server that takes no writes refuses it, and it locks
/// nothing.
const PROBE_WRITE: &str = "UPDATE id_blocks SET next_value = next_value WHERE name = 'none'";

/// How long both may take. A database that takes longer is not one to send people to.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Steps along a wallet's chain in one statement. Recursion is bounded to 1,000 by default.
const STEPS_MAX: usize = 256;

/// Reads through a pool of connections.
#[derive(Debug)]
pub(super) struct MySqlReads {
    database: Database,
}

impl MySqlReads {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Reads; once more if the connection turns out to have been lost before, or to lead to a
    /// server that has been replaced.
    async fn query(&self, sql: &str, params: impl Into<Params>) -> Result<Vec<Row>, StoreError> {
        let params = params.into();
        match self.query_within(STATEMENT_TIMEOUT, sql, params.clone()).await {
            Err(StoreError::Again(Reason::Disconnected | Reason::ReadOnly, _)) => {
                self.query_within(STATEMENT_TIMEOUT, sql, params).await
            }
            result => result,
        }
    }

    async fn query_within(
        &self,
        limit: Duration,
        sql: &str,
        params: Params,
    ) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.database.connection().await?;
        match tokio::time::timeout(limit, connection.exec(sql, params)).await {
            Ok(rows) => {
                connection.settle(&rows);
                rows.map_err(store_error)
            }
            Err(late) => Err(StoreError::Failed(late.into())),
        }
    }

    async fn find_wallet(&self, id: WalletId) -> Result<Option<Wallet>, StoreError> {
        let sql = format!("SELECT {} FROM wallets WHERE id = ?", rows::WALLET);
        self.query(&sql, (id.0,)).await?.first().map(rows::wallet).transpose()
    }

    /// At most [`STEPS_MAX`] transactions backwards along a chain, in one statement.
    async fn walk(
        &self,
        start: TransactionId,
        steps: usize,
    ) -> Result<Vec<Transaction>, StoreError> {
        let sql = format!(
            "WITH RECURSIVE walk (step, id, previous_transaction_id) AS (
                 SELECT 1, t.id, t.previous_transaction_id FROM transactions AS t WHERE t.id = ?
                 UNION ALL
                 SELECT w.step + 1, t.id, t.previous_transaction_id FROM walk AS w
                 JOIN transactions AS t ON t.id = w.previous_transaction_id WHERE w.step < ?
             )
             SELECT {} FROM walk AS w JOIN transactions AS t ON t.id = w.id {DEBIT}
             ORDER BY w.step",
            rows::TRANSACTION
        );
        let steps = i64::try_from(steps.clamp(1, STEPS_MAX)).expect("steps are few");
        self.query(&sql, (start.0, steps)).await?.iter().map(rows::transaction).collect()
    }

    /// Where to start the walk: at the first mark at or after `to`, so that what must be skipped is
    /// at most one interval of marks, or else at the newest transaction.
    async fn start(&self, query: HistoryQuery) -> Result<Option<TransactionId>, StoreError> {
        if let Some(to) = query.to {
            let sql = "SELECT transaction_id FROM transaction_marks
                 WHERE wallet_id = ? AND created_at >= ?
                 ORDER BY created_at, sequence LIMIT 1";
            let found = self.query(sql, (query.wallet_id.0, to)).await?;
            if let Some(row) = found.first() {
                return Ok(Some(TransactionId(rows::get(row, 0)?)));
            }
        }
        Ok(self.find_wallet(query.wallet_id).await?.and_then(|wallet| wallet.newest_transaction))
    }

    async fn find_history(&self, query: HistoryQuery) -> Result<Option<HistoryPage>, StoreError> {
        let mut page = HistoryPage::default();
        let mut next = match query.start {
            Some(start) => Some(start),
            None => self.start(query).await?,
        };
        let mut is_first = query.start.is_some();
        while let Some(start) = next.take() {
            let steps = query.limit - page.items.len() + 1;
            let walked = self.walk(start, steps).await?;
            if std::mem::take(&mut is_first)
                && walked.first().is_none_or(|found| found.wallet_id != query.wallet_id)
            {
                return Ok(None);
            }
            for found in walked {
                if query.from.is_some_and(|from| found.created_at < from) {
                    return Ok(Some(page));
                }
                if page.items.len() == query.limit {
                    page.next = Some(found.id);
                    return Ok(Some(page));
                }
                next = found.previous;
                if query.to.is_none_or(|to| found.created_at < to) {
                    page.items.push(found);
                }
            }
        }
        Ok(Some(page))
    }

    async fn find_transfer(
        &self,
        source_and_condition: [&str; 2],
        params: impl Into<Params>,
    ) -> Result<Option<TransferView>, StoreError> {
        let [source, condition] = source_and_condition;
        let sql = format!(
            "SELECT {}, w.account_id, c.balance_after FROM {source}
             LEFT JOIN wallets AS w ON w.id = t.receiver_wallet_id
             LEFT JOIN transactions AS c ON c.id = t.debit_transaction_id + 1
             WHERE {condition}",
            rows::TRANSFER
        );
        self.query(&sql, params).await?.first().map(transfer_view).transpose()
    }
}

const BY_ID: [&str; 2] = ["transfers AS t", "t.id = ?"];
const BY_KEY: [&str; 2] = [
    "idempotency_keys AS k JOIN transfers AS t ON t.id = k.transfer_id",
    "k.idempotency_key = ? AND k.account_id = ?",
];

/// Behind a transfer's columns: the receiver's account, and its balance afterwards, which is in the
/// credit; its id follows the debit's.
fn transfer_view(row: &Row) -> Result<TransferView, StoreError> {
    let transfer = rows::transfer(row)?;
    let receiver = match (rows::get(row, 14)?, rows::get(row, 15)?) {
        (Some(account_id), Some(balance_after)) if transfer.sender_wallet_id.is_some() => {
            Some(ReceiverView { account_id: AccountId(account_id), balance_after })
        }
        _ => None,
    };
    Ok(TransferView { transfer, receiver })
}

fn booked(row: &Row) -> Result<BookedTransfer, StoreError> {
    let leg = |first: usize| -> Result<Option<Leg>, StoreError> {
        let wallet_id: Option<i64> = rows::get(row, first)?;
        let balance_after = || rows::get(row, first + 1);
        let leg = |id| Ok(Leg { wallet_id: WalletId(id), balance_after: balance_after()? });
        wallet_id.map(leg).transpose()
    };
    Ok(BookedTransfer { transfer: rows::transfer(row)?, debit: leg(14)?, credit: leg(16)? })
}

impl Reads for MySqlReads {
    fn wallet(&self, id: WalletId) -> BoxFuture<'_, Result<Option<Wallet>, StoreError>> {
        Box::pin(self.find_wallet(id))
    }

    fn wallets_of(&self, account_id: AccountId) -> BoxFuture<'_, Result<Vec<Wallet>, StoreError>> {
        Box::pin(async move {
            // Lanes take ids in blocks, so the order of ids is not the order of opening.
            let sql = format!(
                "SELECT {} FROM wallets WHERE account_id = ? ORDER BY created_at, id",
                rows::WALLET
            );
            self.query(&sql, (account_id.0,)).await?.iter().map(rows::wallet).collect()
        })
    }

    fn transfer(&self, id: TransferId) -> BoxFuture<'_, Result<Option<TransferView>, StoreError>> {
        Box::pin(self.find_transfer(BY_ID, (id.0.to_vec(),)))
    }

    fn transfer_by_key(
        &self,
        key: IdempotencyKey,
    ) -> BoxFuture<'_, Result<Option<TransferView>, StoreError>> {
        let params = (key.key.into_bytes(), words::asker(key.asker));
        Box::pin(self.find_transfer(BY_KEY, params))
    }

    fn history(
        &self,
        query: HistoryQuery,
    ) -> BoxFuture<'_, Result<Option<HistoryPage>, StoreError>> {
        Box::pin(self.find_history(query))
    }

    fn books(&self, query: BooksQuery) -> BoxFuture<'_, Result<BooksPage, StoreError>> {
        Box::pin(async move {
            let range = query.range();
            let ids = (range.after.0.to_vec(), range.before.0.to_vec());
            let bounds = (ids.0, ids.1, range.from, range.to, range.rows_max);
            let found = self.query(&books::select(rows::TRANSFER), bounds).await?;
            Ok(query.page(found.iter().map(booked).collect::<Result<_, _>>()?))
        })
    }

    fn feed_sequence(&self) -> BoxFuture<'_, Result<i64, StoreError>> {
        Box::pin(async move {
            let sql = "SELECT sequence FROM feed_positions WHERE feed = 'accounts'";
            self.query(sql, ()).await?.first().map_or(Ok(0), |row| rows::get(row, 0))
        })
    }

    fn totals(&self) -> BoxFuture<'_, Result<Totals, StoreError>> {
        Box::pin(async move {
            let rows = self.query_within(TABLE_TIMEOUT, TOTALS, Params::Empty).await?;
            let total = |row| {
                let (people_wallets, wallets): (i64, i64) =
                    (rows::get(row, 4)?, rows::get(row, 5)?);
                Ok(CurrencyTotal {
                    currency: rows::get(row, 0)?,
                    sum: rows::get(row, 1)?,
                    people: rows::get(row, 2)?,
                    system: rows::get(row, 3)?,
                    people_wallets,
                    system_wallets: wallets - people_wallets,
                    system_extremes: [rows::get(row, 6)?, rows::get(row, 7)?],
                })
            };
            rows.iter().map(total).collect::<Result<_, _>>().map(Totals)
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let probing = async {
                self.query(PROBE_READ, ()).await?.first().ok_or_else(no_blocks)?;
                self.query(PROBE_WRITE, ()).await.map(drop)
            };
            let probed = tokio::time::timeout(PROBE_TIMEOUT, probing).await;
            probed.unwrap_or_else(|late| Err(StoreError::Failed(late.into())))
        })
    }
}

fn no_blocks() -> StoreError {
    StoreError::Failed("the table id_blocks is empty".into())
}
