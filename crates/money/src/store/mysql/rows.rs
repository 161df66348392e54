//! Rows to domain types. A row that does not fit is an error, never a guess.

use ledger::{
    AccountId, Amount, Currency, IdempotencyKey, Outcome, Rejection, Transaction, TransactionId,
    Transfer, TransferId, Wallet, WalletId,
};
use mysql_async::{Row, prelude::FromValue};

use crate::store::{StoreError, words};

/// Columns of a wallet, in the order that [`wallet`] reads them.
pub(super) const WALLET: &str = "id, account_id, currency, balance, status, \
     newest_transaction_id, transaction_count, created_at, updated_at";

pub(super) fn wallet(row: &Row) -> Result<Wallet, StoreError> {
    Ok(Wallet {
        id: WalletId(get(row, 0)?),
        account_id: AccountId(get(row, 1)?),
        currency: word(row, 2, Currency::from_code)?,
        balance: get(row, 3)?,
        status: word(row, 4, words::status_from)?,
        newest_transaction: get::<Option<i64>>(row, 5)?.map(TransactionId),
        transaction_count: get(row, 6)?,
        created_at: get(row, 7)?,
        updated_at: get(row, 8)?,
    })
}

/// Columns of a transfer, in the order that [`transfer`] reads them. `t` is the table's alias.
pub(super) const TRANSFER: &str = "t.id, t.account_id, t.idempotency_key, t.transfer_type, \
     t.rejection, t.debit_transaction_id, t.sender_wallet_id, t.receiver_wallet_id, t.amount, \
     t.currency, t.summary, t.balance_after, t.created_at, t.api_key_id";

pub(super) fn transfer(row: &Row) -> Result<Transfer, StoreError> {
    let outcome = match get::<Option<i64>>(row, 5)? {
        Some(debit_id) => Outcome::Completed { debit_id: TransactionId(debit_id) },
        None => Outcome::Failed(word(row, 4, Rejection::from_code)?),
    };
    let account_id = AccountId(get(row, 1)?);
    let asker = words::asker_from(account_id, get(row, 13)?);
    Ok(Transfer {
        id: transfer_id(row, 0)?,
        key: IdempotencyKey { asker, key: get(row, 2)? },
        account_id,
        kind: word(row, 3, words::kind_from)?,
        outcome,
        sender_wallet_id: get::<Option<i64>>(row, 6)?.map(WalletId),
        receiver_wallet_id: get::<Option<i64>>(row, 7)?.map(WalletId),
        amount: amount(row, 8)?,
        currency: word(row, 9, Currency::from_code)?,
        summary: get(row, 10)?,
        balance_after: get(row, 11)?,
        created_at: get(row, 12)?,
    })
}

/// Columns of a transaction, in the order that [`transaction`] reads them. `t` is the alias of the
/// transaction, `d` of its transfer's debit.
pub(super) const TRANSACTION: &str = "t.id, t.transfer_id, t.transaction_type, t.wallet_id, \
     t.receiver_wallet_id, t.direction, t.amount, t.balance_after, t.sequence, \
     t.previous_transaction_id, t.summary, t.created_at, d.wallet_id";

pub(super) fn transaction(row: &Row) -> Result<Transaction, StoreError> {
    Ok(Transaction {
        id: TransactionId(get(row, 0)?),
        transfer_id: transfer_id(row, 1)?,
        kind: word(row, 2, words::kind_from)?,
        wallet_id: WalletId(get(row, 3)?),
        receiver_wallet_id: WalletId(get(row, 4)?),
        direction: word(row, 5, words::direction_from)?,
        amount: amount(row, 6)?,
        balance_after: get(row, 7)?,
        sequence: get(row, 8)?,
        previous: get::<Option<i64>>(row, 9)?.map(TransactionId),
        summary: get(row, 10)?,
        created_at: get(row, 11)?,
        sender_wallet_id: WalletId(get(row, 12)?),
    })
}

/// One column, by its place.
pub(super) fn get<T: FromValue>(row: &Row, column: usize) -> Result<T, StoreError> {
    match row.get_opt(column) {
        Some(Ok(value)) => Ok(value),
        Some(Err(_)) | None => Err(misfit(row, column)),
    }
}

/// Reads a column of text by a function that knows all its values.
pub(super) fn word<T>(
    row: &Row,
    column: usize,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, StoreError> {
    read(&get::<String>(row, column)?).ok_or_else(|| misfit(row, column))
}

fn amount(row: &Row, column: usize) -> Result<Amount, StoreError> {
    Amount::new(get(row, column)?).ok_or_else(|| misfit(row, column))
}

fn transfer_id(row: &Row, column: usize) -> Result<TransferId, StoreError> {
    let bytes: Vec<u8> = get(row, column)?;
    Ok(TransferId(bytes.try_into().map_err(|_| misfit(row, column))?))
}

pub(super) fn misfit(row: &Row, column: usize) -> StoreError {
    let name = row.columns_ref().get(column).map_or_else(Default::default, |c| c.name_str());
    StoreError::Failed(format!("the column `{name}` has a value that it cannot have").into())
}
