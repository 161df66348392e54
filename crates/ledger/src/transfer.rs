//! What was decided, as it is kept for good.

use crate::{
    AccountId, Amount, Command, Currency, IdempotencyKey, Movement, Rejection, TransactionId,
    TransferId, WalletId,
};

/// Every so many transactions, a wallet's history gets a mark by which times and deep pages are
/// found.
pub const MARK_INTERVAL: i64 = 256;

/// What kind of movement a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferKind {
    /// From outside into a wallet.
    Deposit,
    /// From a wallet to outside.
    Withdrawal,
    /// From a wallet to another.
    Transfer,
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Money moved. The debit has this id and the credit the next one.
    Completed {
        /// The debit's id.
        debit_id: TransactionId,
    },
    /// Money did not move.
    Failed(Rejection),
}

/// A decided command. It answers every repetition of the command that it decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its name.
    pub id: TransferId,
    /// Who asked, and under which key.
    pub key: IdempotencyKey,
    /// The account acted for, which owns the caller's own wallet.
    pub account_id: AccountId,
    /// What kind of movement.
    pub kind: TransferKind,
    /// How it ended.
    pub outcome: Outcome,
    /// The person's wallet that paid or would have paid; none for a deposit.
    pub sender_wallet_id: Option<WalletId>,
    /// The person's wallet that received or would have received; none for a withdrawal.
    pub receiver_wallet_id: Option<WalletId>,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// What for, in the client's words.
    pub summary: Option<String>,
    /// Balance of the caller's own wallet afterwards.
    pub balance_after: i64,
    /// When it was decided by the clock of the one who decided, in microseconds since
    /// 1970-01-01T00:00:00Z. Its legs are never before it.
    pub created_at: i64,
}

impl Transfer {
    /// Whether this is what the command asks for, so that it may answer a repetition of it. A
    /// wallet that the command leaves to us is the one that was found the first time.
    pub fn answers(&self, command: &Command) -> bool {
        let same_wallets = match command.movement {
            Movement::Deposit { wallet } => {
                self.kind == TransferKind::Deposit
                    && wallet.is_none_or(|id| self.receiver_wallet_id == Some(id))
            }
            Movement::Withdrawal { wallet } => {
                self.kind == TransferKind::Withdrawal
                    && wallet.is_none_or(|id| self.sender_wallet_id == Some(id))
            }
            Movement::Payout { wallet } => {
                self.kind == TransferKind::Withdrawal && self.sender_wallet_id == Some(wallet)
            }
            Movement::Transfer { sender, receiver } => {
                self.kind == TransferKind::Transfer
                    && sender.is_none_or(|id| self.sender_wallet_id == Some(id))
                    && self.receiver_wallet_id == Some(receiver)
            }
        };
        same_wallets
            && self.account_id == command.account_id
            && self.amount == command.amount
            && self.summary == command.summary
    }
}

/// Which way money moves, seen from the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Out of the wallet.
    Debit,
    /// Into the wallet.
    Credit,
}

/// One leg of a completed transfer: a line of a wallet's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Its name.
    pub id: TransactionId,
    /// The transfer it belongs to.
    pub transfer_id: TransferId,
    /// What kind of movement.
    pub kind: TransferKind,
    /// The wallet whose balance it changes.
    pub wallet_id: WalletId,
    /// The wallet that pays: this one for a debit, the other one for a credit.
    pub sender_wallet_id: WalletId,
    /// The wallet that receives: this one for a credit, the other one for a debit.
    pub receiver_wallet_id: WalletId,
    /// Which way.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// The wallet's balance afterwards.
    pub balance_after: i64,
    /// Its place in the wallet's history, from 1, without gaps.
    pub sequence: i64,
    /// The wallet's transaction before it.
    pub previous: Option<TransactionId>,
    /// What for, in the client's words.
    pub summary: Option<String>,
    /// The later of when the transfer was decided and the wallet's transaction before it.
    pub created_at: i64,
}

impl Transaction {
    /// Whether it leaves a mark.
    pub fn is_mark(&self) -> bool {
        self.sequence % MARK_INTERVAL == 0
    }
}
