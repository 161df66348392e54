//! Rows to domain types and back. A row that does not fit is a conversion error, never a guess.

use ledger::{
    AccountId, Amount, Currency, IdempotencyKey, Outcome, Rejection, Transaction, TransactionId,
    Transfer, TransferId, Wallet, WalletId,
};
use rusqlite::{Connection, OptionalExtension, Row, types::Type};

use crate::store::words;

/// Columns of a wallet, in the order that [`wallet`] reads them.
pub(super) const WALLET: &str = "id, account_id, currency, balance, status, \
     newest_transaction_id, transaction_count, created_at, updated_at";

pub(super) fn wallet(row: &Row<'_>) -> rusqlite::Result<Wallet> {
    Ok(Wallet {
        id: WalletId(row.get(0)?),
        account_id: AccountId(row.get(1)?),
        currency: text(row, 2, Currency::from_code)?,
        balance: row.get(3)?,
        status: text(row, 4, words::status_from)?,
        newest_transaction: row.get::<_, Option<i64>>(5)?.map(TransactionId),
        transaction_count: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
}

/// Columns of a transfer, in the order that [`transfer`] reads them. `t` is the table's alias.
pub(super) const TRANSFER: &str = "t.id, t.account_id, t.idempotency_key, t.transfer_type, \
     t.rejection, t.debit_transaction_id, t.sender_wallet_id, t.receiver_wallet_id, t.amount, \
     t.currency, t.summary, t.balance_after, t.created_at, t.api_key_id";

pub(super) fn transfer(row: &Row<'_>) -> rusqlite::Result<Transfer> {
    let outcome = match row.get::<_, Option<i64>>(5)? {
        Some(debit_id) => Outcome::Completed { debit_id: TransactionId(debit_id) },
        None => Outcome::Failed(text(row, 4, Rejection::from_code)?),
    };
    let account_id = AccountId(row.get(1)?);
    let asker = words::asker_from(account_id, row.get(13)?);
    Ok(Transfer {
        id: TransferId(row.get(0)?),
        key: IdempotencyKey { asker, key: row.get(2)? },
        account_id,
        kind: text(row, 3, words::kind_from)?,
        outcome,
        sender_wallet_id: row.get::<_, Option<i64>>(6)?.map(WalletId),
        receiver_wallet_id: row.get::<_, Option<i64>>(7)?.map(WalletId),
        amount: amount(row, 8)?,
        currency: text(row, 9, Currency::from_code)?,
        summary: row.get(10)?,
        balance_after: row.get(11)?,
        created_at: row.get(12)?,
    })
}

/// Columns of a transaction, in the order that [`transaction`] reads them. `t` is the alias of the
/// transaction, `d` of its transfer's debit.
pub(super) const TRANSACTION: &str = "t.id, t.transfer_id, t.transaction_type, t.wallet_id, \
     t.receiver_wallet_id, t.direction, t.amount, t.balance_after, t.sequence, \
     t.previous_transaction_id, t.summary, t.created_at, d.wallet_id";

pub(super) fn transaction(row: &Row<'_>) -> rusqlite::Result<Transaction> {
    Ok(Transaction {
        id: TransactionId(row.get(0)?),
        transfer_id: TransferId(row.get(1)?),
        kind: text(row, 2, words::kind_from)?,
        wallet_id: WalletId(row.get(3)?),
        receiver_wallet_id: WalletId(row.get(4)?),
        direction: text(row, 5, words::direction_from)?,
        amount: amount(row, 6)?,
        balance_after: row.get(7)?,
        sequence: row.get(8)?,
        previous: row.get::<_, Option<i64>>(9)?.map(TransactionId),
        summary: row.get(10)?,
        created_at: row.get(11)?,
        sender_wallet_id: WalletId(row.get(12)?),
    })
}

/// How far the account feed has been followed; 0 at first.
pub(super) fn feed_sequence(db: &Connection) -> rusqlite::Result<i64> {
    let found = db
        .query_row("SELECT sequence FROM feed_positions WHERE feed = 'accounts'", [], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found.unwrap_or(0))
}

fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Amount> {
    let minor = row.get(column)?;
    Amount::new(minor).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, minor))
}

/// Reads a column of text by a function that knows all its values.
pub(super) fn text<T>(
    row: &Row<'_>,
    column: usize,
    read: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let value = row.get_ref(column)?.as_str()?;
    read(value).ok_or_else(|| misfit(column, &format!("`{value}`")))
}

/// A column with something in it that is not one of its values.
pub(super) fn misfit(column: usize, value: &str) -> rusqlite::Error {
    let message = format!("{value} is not a value of this column");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, message.into())
}

/// The number of migrations that the database has had.
pub(super) fn schema_version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}
