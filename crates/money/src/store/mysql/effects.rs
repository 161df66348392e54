//! A batch's effects as statements, of each kind one, or a few if they are long.

use ledger::{Outcome, Transaction, Transfer, Wallet};

use super::statement::{Rows, Values};
use crate::store::{Effects, words};

const INSERT_WALLETS: &str = "INSERT INTO wallets (id, account_id, currency, balance, status, \
     newest_transaction_id, transaction_count, created_at, updated_at) VALUES";

/// The form that MySQL, MariaDB and TiDB share for updating many rows to different values at once:
/// the rows are there and locked, so it never inserts.
const OR_UPDATE_WALLETS: &str = "ON DUPLICATE KEY UPDATE balance = VALUES(balance), \
     status = VALUES(status), newest_transaction_id = VALUES(newest_transaction_id), \
     transaction_count = VALUES(transaction_count), updated_at = VALUES(updated_at)";

const INSERT_KEYS: &str =
    "INSERT INTO idempotency_keys (idempotency_key, account_id, transfer_id) VALUES";

const INSERT_TRANSFERS: &str = "INSERT INTO transfers (id, account_id, idempotency_key, \
     transfer_type, transfer_status, rejection, debit_transaction_id, sender_wallet_id, \
     receiver_wallet_id, amount, currency, summary, balance_after, created_at, api_key_id) VALUES";

const INSERT_TRANSACTIONS: &str = "INSERT INTO transactions (id, wallet_id, receiver_wallet_id, \
     transfer_id, transaction_type, transaction_status, direction, amount, balance_after, \
     sequence, previous_transaction_id, summary, created_at, updated_at) VALUES";

const INSERT_MARKS: &str =
    "INSERT INTO transaction_marks (wallet_id, created_at, sequence, transaction_id) VALUES";

const INSERT_STANDINGS: &str = "INSERT INTO account_standings (account_id, status) VALUES";

/// The rows are there and locked, so it never inserts.
const INSERT_REFUSED_CLOSINGS: &str =
    "INSERT INTO account_standings (account_id, status, refused_closing) VALUES";

/// What to execute, in this order: statements of at most `bytes_max` bytes. A batch needs one of
/// each kind, and more only where its rows do not fit.
pub(super) fn statements(effects: &Effects<'_>, bytes_max: usize) -> Vec<String> {
    let new = |head, tail| Rows::new(head, tail, bytes_max);
    let mut opened = new(INSERT_WALLETS, "");
    for wallet in &effects.opened {
        opened.row(|row| put_wallet(row, wallet));
    }
    let mut changed = new(INSERT_WALLETS, OR_UPDATE_WALLETS);
    for wallet in &effects.changed {
        changed.row(|row| put_wallet(row, wallet));
    }
    let mut keys = new(INSERT_KEYS, "");
    let mut transfers = new(INSERT_TRANSFERS, "");
    for transfer in &effects.transfers {
        let key = &transfer.key;
        keys.row(|row| {
            row.bytes(key.key.as_bytes()).int(words::asker(key.asker)).bytes(&transfer.id.0);
        });
        transfers.row(|row| put_transfer(row, transfer));
    }
    let mut transactions = new(INSERT_TRANSACTIONS, "");
    let mut marks = new(INSERT_MARKS, "");
    for leg in &effects.transactions {
        transactions.row(|row| put_transaction(row, leg));
        if leg.is_mark() {
            marks.row(|row| {
                row.int(leg.wallet_id.0).int(leg.created_at).int(leg.sequence).int(leg.id.0);
            });
        }
    }
    let mut standings = new(INSERT_STANDINGS, "ON DUPLICATE KEY UPDATE status = VALUES(status)");
    for (account_id, status) in &effects.standings {
        standings.row(|row| {
            row.int(account_id.0).bytes(words::status(*status).as_bytes());
        });
    }
    let mut refused_closings = new(
        INSERT_REFUSED_CLOSINGS,
        "ON DUPLICATE KEY UPDATE refused_closing = VALUES(refused_closing)",
    );
    for (account_id, attempt) in &effects.refused_closings {
        refused_closings.row(|row| {
            row.int(account_id.0).bytes(b"active").int(*attempt);
        });
    }
    let feed = effects.feed_sequence.map(|sequence| {
        format!("UPDATE feed_positions SET sequence = {sequence} WHERE feed = 'accounts'")
    });
    [opened, changed, keys, transfers, transactions, marks, standings, refused_closings]
        .into_iter()
        .flat_map(Rows::statements)
        .chain(feed)
        .collect()
}

fn put_wallet(row: &mut Values<'_>, wallet: &Wallet) {
    row.int(wallet.id.0)
        .int(wallet.account_id.0)
        .bytes(wallet.currency.code().as_bytes())
        .int(wallet.balance)
        .bytes(words::status(wallet.status).as_bytes())
        .optional_int(wallet.newest_transaction.map(|id| id.0))
        .int(wallet.transaction_count)
        .int(wallet.created_at)
        .int(wallet.updated_at);
}

fn put_transfer(row: &mut Values<'_>, transfer: &Transfer) {
    let (status, rejection, debit_id) = match transfer.outcome {
        Outcome::Completed { debit_id } => ("completed", None, Some(debit_id.0)),
        Outcome::Failed(rejection) => ("failed", Some(rejection.code()), None),
    };
    row.bytes(&transfer.id.0)
        .int(transfer.account_id.0)
        .bytes(transfer.key.key.as_bytes())
        .bytes(words::kind(transfer.kind).as_bytes())
        .bytes(status.as_bytes())
        .optional_word(rejection)
        .optional_int(debit_id)
        .optional_int(transfer.sender_wallet_id.map(|id| id.0))
        .optional_int(transfer.receiver_wallet_id.map(|id| id.0))
        .int(transfer.amount.minor())
        .bytes(transfer.currency.code().as_bytes())
        .optional_text(transfer.summary.as_deref())
        .int(transfer.balance_after)
        .int(transfer.created_at)
        .optional_int(words::api_key_id(transfer.key.asker));
}

fn put_transaction(row: &mut Values<'_>, leg: &Transaction) {
    row.int(leg.id.0)
        .int(leg.wallet_id.0)
        .int(leg.receiver_wallet_id.0)
        .bytes(&leg.transfer_id.0)
        .bytes(words::kind(leg.kind).as_bytes())
        .bytes(b"completed")
        .bytes(words::direction(leg.direction).as_bytes())
        .int(leg.amount.minor())
        .int(leg.balance_after)
        .int(leg.sequence)
        .optional_int(leg.previous.map(|id| id.0))
        .optional_text(leg.summary.as_deref())
        .int(leg.created_at)
        .int(leg.created_at);
}
