//! The words and numbers that every database stores for the values of an enumeration, and back.

use ledger::{AccountId, ApiKeyId, Asker, Direction, TransferKind, WalletStatus};

/// Who asks, as the column `account_id` of `idempotency_keys` holds it: the id of an account, or
/// minus the id of an API key. Ids of both are positive.
pub(super) fn asker(asker: Asker) -> i64 {
    match asker {
        Asker::Account(AccountId(id)) => id,
        Asker::ApiKey(ApiKeyId(id)) => -id,
    }
}

/// Who asks, as the column `api_key_id` of `transfers` holds it: none if the owner of the account
/// asks.
pub(super) fn api_key_id(asker: Asker) -> Option<i64> {
    match asker {
        Asker::Account(_) => None,
        Asker::ApiKey(ApiKeyId(id)) => Some(id),
    }
}

/// Who asked for a transfer, by its columns.
pub(super) fn asker_from(account_id: AccountId, api_key_id: Option<i64>) -> Asker {
    api_key_id.map_or(Asker::Account(account_id), |id| Asker::ApiKey(ApiKeyId(id)))
}

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
