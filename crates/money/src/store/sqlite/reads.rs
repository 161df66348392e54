//! The readers.

use ledger::{AccountId, IdempotencyKey, Transaction, TransactionId, TransferId, Wallet, WalletId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use service::{BoxFuture, store::sqlite::Pool};

use super::rows;
use crate::store::{
    BookedTransfer, BooksPage, BooksQuery, DEBIT, HistoryPage, HistoryQuery, Leg, Reads,
    ReceiverView, StoreError, TransferView, books,
    totals::{Adder, Totals},
    words,
};

/// Reads through a pool of connections.
#[derive(Debug)]
pub(super) struct SqliteReads {
    pool: Pool,
    /// For reads of a whole table, so that they are in nobody's way.
    whole: Pool,
}

impl SqliteReads {
    pub(super) fn new(pool: Pool, whole: Pool) -> Self {
        Self { pool, whole }
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        Box::pin(async move {
            // A transaction, so that the statements of one read see one state of the database.
            let read = self.pool.run(move |db| {
                let tx = db.transaction()?;
                query(&tx)
            });
            Ok(read.await?)
        })
    }
}

impl Reads for SqliteReads {
    fn wallet(&self, id: WalletId) -> BoxFuture<'_, Result<Option<Wallet>, StoreError>> {
        self.read(move |db| wallet(db, id))
    }

    fn wallets_of(&self, account_id: AccountId) -> BoxFuture<'_, Result<Vec<Wallet>, StoreError>> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(&format!(
                "SELECT {} FROM wallets WHERE account_id = ?1 ORDER BY id",
                rows::WALLET
            ))?;
            statement.query_map([account_id.0], rows::wallet)?.collect()
        })
    }

    fn transfer(&self, id: TransferId) -> BoxFuture<'_, Result<Option<TransferView>, StoreError>> {
        self.read(move |db| {
            db.prepare_cached(&format!(
                "SELECT {VIEW} FROM transfers AS t {RECEIVER} WHERE t.id = ?1"
            ))?
            .query_row([id.0], transfer_view)
            .optional()
        })
    }

    fn transfer_by_key(
        &self,
        key: IdempotencyKey,
    ) -> BoxFuture<'_, Result<Option<TransferView>, StoreError>> {
        self.read(move |db| {
            db.prepare_cached(&format!(
                "SELECT {VIEW} FROM idempotency_keys AS k
                 JOIN transfers AS t ON t.id = k.transfer_id {RECEIVER}
                 WHERE k.idempotency_key = ?1 AND k.account_id = ?2"
            ))?
            .query_row(params![key.key, words::asker(key.asker)], transfer_view)
            .optional()
        })
    }

    fn history(
        &self,
        query: HistoryQuery,
    ) -> BoxFuture<'_, Result<Option<HistoryPage>, StoreError>> {
        self.read(move |db| history(db, query))
    }

    fn books(&self, query: BooksQuery) -> BoxFuture<'_, Result<BooksPage, StoreError>> {
        self.read(move |db| {
            let range = query.range();
            let mut statement = db.prepare_cached(&books::select(rows::TRANSFER))?;
            let bounds =
                params![range.after.0, range.before.0, range.from, range.to, range.rows_max];
            let items = statement.query_map(bounds, booked)?.collect::<rusqlite::Result<_>>()?;
            Ok(query.page(items))
        })
    }

    fn feed_sequence(&self) -> BoxFuture<'_, Result<i64, StoreError>> {
        self.read(rows::feed_sequence)
    }

    fn totals(&self) -> BoxFuture<'_, Result<Totals, StoreError>> {
        Box::pin(async {
            // One statement sees one state of the books. It is added up here, because there is no
            // order by currency: SQLite would sort all wallets in memory for the groups.
            let read = self.whole.run(|db| {
                let mut adder = Adder::default();
                let mut statement =
                    db.prepare_cached("SELECT currency, balance, account_id FROM wallets")?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let owner = AccountId(row.get(2)?);
                    adder.add(row.get_ref(0)?.as_str()?, row.get(1)?, owner);
                }
                Ok(adder.totals())
            });
            Ok(read.await?)
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.read(|db| db.query_row("SELECT 1", [], |_| Ok(())))
    }
}

/// A transfer, and behind its columns the receiver's account and balance afterwards. The credit's
/// id follows the debit's.
const VIEW: &str = "t.id, t.account_id, t.idempotency_key, t.transfer_type, t.rejection, \
     t.debit_transaction_id, t.sender_wallet_id, t.receiver_wallet_id, t.amount, t.currency, \
     t.summary, t.balance_after, t.created_at, t.api_key_id, w.account_id, c.balance_after";
const RECEIVER: &str = "LEFT JOIN wallets AS w ON w.id = t.receiver_wallet_id \
     LEFT JOIN transactions AS c ON c.id = t.debit_transaction_id + 1";

fn transfer_view(row: &Row<'_>) -> rusqlite::Result<TransferView> {
    let transfer = rows::transfer(row)?;
    let receiver = match (row.get(14)?, row.get(15)?) {
        (Some(account_id), Some(balance_after)) if transfer.sender_wallet_id.is_some() => {
            Some(ReceiverView { account_id: AccountId(account_id), balance_after })
        }
        _ => None,
    };
    Ok(TransferView { transfer, receiver })
}

fn booked(row: &Row<'_>) -> rusqlite::Result<BookedTransfer> {
    let leg = |first: usize| -> rusqlite::Result<Option<Leg>> {
        let wallet_id: Option<i64> = row.get(first)?;
        let leg = |id| Ok(Leg { wallet_id: WalletId(id), balance_after: row.get(first + 1)? });
        wallet_id.map(leg).transpose()
    };
    Ok(BookedTransfer { transfer: rows::transfer(row)?, debit: leg(14)?, credit: leg(16)? })
}

pub(super) fn wallet(db: &Connection, id: WalletId) -> rusqlite::Result<Option<Wallet>> {
    db.prepare_cached(&format!("SELECT {} FROM wallets WHERE id = ?1", rows::WALLET))?
        .query_row([id.0], rows::wallet)
        .optional()
}

fn transaction(db: &Connection, id: TransactionId) -> rusqlite::Result<Option<Transaction>> {
    db.prepare_cached(&format!(
        "SELECT {} FROM transactions AS t {DEBIT} WHERE t.id = ?1",
        rows::TRANSACTION
    ))?
    .query_row([id.0], rows::transaction)
    .optional()
}

/// Walks backwards along the wallet's chain, one primary key at a time.
fn history(db: &Connection, query: HistoryQuery) -> rusqlite::Result<Option<HistoryPage>> {
    let first = match query.start {
        Some(id) => match transaction(db, id)? {
            Some(found) if found.wallet_id == query.wallet_id => Some(found),
            _ => return Ok(None),
        },
        None => match start(db, query)? {
            Some(id) => transaction(db, id)?,
            None => None,
        },
    };
    let mut page = HistoryPage::default();
    let mut next = first;
    while let Some(found) = next {
        if query.from.is_some_and(|from| found.created_at < from) {
            break;
        }
        if page.items.len() == query.limit {
            page.next = Some(found.id);
            break;
        }
        next = match found.previous {
            Some(previous) => transaction(db, previous)?,
            None => None,
        };
        if query.to.is_none_or(|to| found.created_at < to) {
            page.items.push(found);
        }
    }
    Ok(Some(page))
}

/// Where to start the walk: at the first mark at or after `to`, so that what must be skipped is at
/// most one interval of marks, or else at the newest transaction.
fn start(db: &Connection, query: HistoryQuery) -> rusqlite::Result<Option<TransactionId>> {
    if let Some(to) = query.to {
        let mark = db
            .prepare_cached(
                "SELECT transaction_id FROM transaction_marks
                 WHERE wallet_id = ?1 AND created_at >= ?2
                 ORDER BY created_at, sequence LIMIT 1",
            )?
            .query_row([query.wallet_id.0, to], |row| row.get(0))
            .optional()?;
        if let Some(id) = mark {
            return Ok(Some(TransactionId(id)));
        }
    }
    Ok(wallet(db, query.wallet_id)?.and_then(|wallet| wallet.newest_transaction))
}
