//! The words that every database stores for the values of an enumeration, and back.

use ledger::{Direction, TransferKind, WalletStatus};

/// A wallet's status.
pub(super) fn status(status: WalletStatus) -> &'static str {
    match status {
        WalletStatus::Active => "active",
        WalletStatus::Frozen => "frozen",
        WalletStatus::Closed => "closed",
    }
}

pub(super) fn status_from(text: &str) -> Option<WalletStatus> {
    [WalletStatus::Active, WalletStatus::Frozen, WalletStatus::Closed]
        .into_iter()
        .find(|known| status(*known) == text)
}

pub(super) fn kind(kind: TransferKind) -> &'static str {
    match kind {
        TransferKind::Deposit => "deposit",
        TransferKind::Withdrawal => "withdrawal",
        TransferKind::Transfer => "transfer",
    }
}

pub(super) fn kind_from(text: &str) -> Option<TransferKind> {
    [TransferKind::Deposit, TransferKind::Withdrawal, TransferKind::Transfer]
        .into_iter()
        .find(|known| kind(*known) == text)
}

pub(super) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Debit => "debit",
        Direction::Credit => "credit",
    }
}

pub(super) fn direction_from(text: &str) -> Option<Direction> {
    [Direction::Debit, Direction::Credit].into_iter().find(|known| direction(*known) == text)
}
