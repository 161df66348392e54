//! Tests of the rules: one table with a row for every rejection, and properties over random
//! commands.

#![expect(clippy::cast_possible_wrap, reason = "the numbers of tests are small")]

mod closing;
mod freeze;
mod model;
mod table;

use crate::{
    AccountId, Amount, Asker, Command, Currency, IdempotencyKey, Loaded, Movement, Opening, Stamp,
    TransactionId, TransferId, WalletId, WalletStatus, decide, open_wallet, set_standing,
};

const STRIPE: AccountId = AccountId(1);
const NOW: i64 = 1_000;

/// Opens a wallet whose id is the account's, and puts money into it.
fn open(loaded: &mut Loaded, account: i64, currency: &str, balance: i64) {
    let currency = Currency::from_code(currency).unwrap();
    let system_wallet_id = WalletId(900_000 + loaded.wallets_of(STRIPE).len() as i64);
    let opening = Opening { wallet_id: WalletId(account), system_wallet_id, now: NOW };
    open_wallet(loaded, AccountId(account), currency, opening).unwrap();
    if let Some(amount) = Amount::new(balance) {
        let movement = Movement::Deposit { wallet: Some(WalletId(account)) };
        let key = format!("open {account} {}", currency.code());
        let command = Command { amount, ..command(account, &key, movement) };
        decide(loaded, &command, stamp(1_000_000 + account));
    }
}

fn stand(loaded: &mut Loaded, account: i64, status: WalletStatus) {
    set_standing(loaded, AccountId(account), status, NOW);
}

fn command(account: i64, key: &str, movement: Movement) -> Command {
    Command {
        key: IdempotencyKey { asker: Asker::Account(AccountId(account)), key: key.to_owned() },
        account_id: AccountId(account),
        movement,
        amount: Amount::new(10).unwrap(),
        summary: None,
    }
}

fn stamp(n: i64) -> Stamp {
    let transfer_id = TransferId(i128::from(n).to_be_bytes());
    Stamp { now: NOW + n, transfer_id, debit_id: TransactionId(2 * n) }
}
