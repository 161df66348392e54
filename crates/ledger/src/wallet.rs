//! A wallet: one account's money in one currency.

use crate::{AccountId, Currency, TransactionId, WalletId};

/// The share of its room that a system wallet with this balance has used, from 0 to 1. It goes from
/// -2^63 to 2^63 - 1.
#[expect(clippy::cast_precision_loss, reason = "a share needs few digits")]
pub fn system_room_used(balance: i64) -> f64 {
    balance.unsigned_abs() as f64 / i64::MIN.unsigned_abs() as f64
}

/// Whether a system wallet has used half of its room, so that another one takes over. The other
/// half is for what goes back.
pub fn is_worn(balance: i64) -> bool {
    system_room_used(balance) >= 0.5
}

/// Whether money may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletStatus {
    /// It may.
    Active,
    /// It may not, while its account is suspended or an operator has frozen it.
    Frozen,
    /// It may never again: its account is closed.
    Closed,
}

/// A wallet as it stands. Times are microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    /// Its name.
    pub id: WalletId,
    /// Whose it is.
    pub account_id: AccountId,
    /// Of what.
    pub currency: Currency,
    /// Credits less debits, in minor units. Below zero only for the system's
    /// wallets.
    pub balance: i64,
    /// Whether money may move.
    pub status: WalletStatus,
    /// The newest transaction of this wallet, from which its history is walked backwards.
    pub newest_transaction: Option<TransactionId>,
    /// How many transactions it has.
    pub transaction_count: i64,
    /// When it was opened.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
}
