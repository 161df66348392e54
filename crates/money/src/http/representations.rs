//! Wallets, transfers and transactions as clients see them.

use ledger::{
    AccountId, ApiKeyId, Asker, Direction, Outcome, Transaction, Transfer, TransferId,
    TransferKind, Wallet,
};
use serde::Serialize;
use service::clock::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// A wallet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Wallet)]
pub(super) struct WalletJson {
    /// Its id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    id: i64,
    /// Whose it is.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10_001)]
    account_id: i64,
    /// ISO 4217 code of what it holds.
    #[schema(min_length = 3, max_length = 3, example = "KRW")]
    currency: String,
    /// What it holds, in minor units: 0 to 2^53 - 1. The system's wallets, which only `books:read`
    /// shows, are below zero for what people hold, and have the whole range of 64 bits.
    #[schema(example = 3_000)]
    balance: i64,
    /// Whether money may move: `frozen` while the account is suspended or an operator has frozen
    /// the wallet, `closed` for good.
    status: StatusJson,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its balance or status last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WalletStatus)]
pub(super) enum StatusJson {
    Active,
    Frozen,
    Closed,
}

impl From<&Wallet> for WalletJson {
    fn from(wallet: &Wallet) -> Self {
        Self {
            id: wallet.id.0,
            account_id: wallet.account_id.0,
            currency: wallet.currency.code().to_owned(),
            balance: wallet.balance,
            status: match wallet.status {
                ledger::WalletStatus::Active => StatusJson::Active,
                ledger::WalletStatus::Frozen => StatusJson::Frozen,
                ledger::WalletStatus::Closed => StatusJson::Closed,
            },
            created_at: Timestamp::from_micros(wallet.created_at),
            updated_at: Timestamp::from_micros(wallet.updated_at),
        }
    }
}

/// The caller's wallets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WalletList)]
pub(super) struct WalletListJson {
    /// One in each currency at most.
    pub(super) items: Vec<WalletJson>,
}

/// What kind of movement.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TransferType)]
pub(super) enum TypeJson {
    Deposit,
    Withdrawal,
    Transfer,
}

impl From<TransferKind> for TypeJson {
    fn from(kind: TransferKind) -> Self {
        match kind {
            TransferKind::Deposit => Self::Deposit,
            TransferKind::Withdrawal => Self::Withdrawal,
            TransferKind::Transfer => Self::Transfer,
        }
    }
}

/// How a movement ended.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TransferStatus)]
pub(super) enum OutcomeJson {
    Completed,
    Failed,
}

/// A deposit, withdrawal or transfer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Transfer)]
pub(super) struct TransferJson {
    /// Its id, a UUIDv7.
    #[schema(value_type = String, format = Uuid)]
    id: String,
    /// What kind of movement.
    #[serde(rename = "type")]
    kind: TypeJson,
    /// Whether money moved.
    status: OutcomeJson,
    /// Why it did not: the `code` of the problem that was answered. Only if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "insufficient_balance")]
    failure_code: Option<&'static str>,
    /// The wallet that paid; null for a deposit, whose money comes from outside.
    #[schema(required = true)]
    sender_wallet_id: Option<i64>,
    /// The wallet that received; null for a withdrawal, whose money goes outside.
    #[schema(required = true)]
    receiver_wallet_id: Option<i64>,
    /// How much, in minor units.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 3_000)]
    amount: i64,
    /// ISO 4217 code.
    #[schema(min_length = 3, max_length = 3, example = "KRW")]
    currency: String,
    /// What for, in the sender's words.
    #[schema(required = true, max_length = 200, example = "lunch")]
    summary: Option<String>,
    /// Balance right after it, in minor units: of the wallet of the account that it was made for,
    /// or of the receiver's wallet for its receiver.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 7_000)]
    balance: i64,
    /// The account that it was made for, which owns the wallet that the request was about. Not
    /// shown to the receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10_001)]
    account_id: Option<i64>,
    /// Who asked for it. Not shown to the receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    requested_by: Option<AskerJson>,
    /// When it was decided. The lines of both wallets' histories are never before it.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Who made a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Asker)]
pub(super) struct AskerJson {
    /// `account`: the account's owner. `api_key`: a company's backend, with an API key.
    #[serde(rename = "type")]
    kind: AskerTypeJson,
    /// The id of the account, or of the API key.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10_001)]
    id: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AskerType)]
pub(super) enum AskerTypeJson {
    Account,
    ApiKey,
}

impl From<Asker> for AskerJson {
    fn from(asker: Asker) -> Self {
        match asker {
            Asker::Account(AccountId(id)) => Self { kind: AskerTypeJson::Account, id },
            Asker::ApiKey(ApiKeyId(id)) => Self { kind: AskerTypeJson::ApiKey, id },
        }
    }
}

impl TransferJson {
    /// A transfer as its receiver sees it: not who asked for it, nor for whom.
    pub(super) fn seen_by_receiver(transfer: Transfer, balance: i64) -> Self {
        Self { balance, account_id: None, requested_by: None, ..Self::from(transfer) }
    }
}

impl From<Transfer> for TransferJson {
    /// A transfer as the account that it was made for sees it.
    fn from(transfer: Transfer) -> Self {
        let (status, failure_code) = match transfer.outcome {
            Outcome::Completed { .. } => (OutcomeJson::Completed, None),
            Outcome::Failed(rejection) => (OutcomeJson::Failed, Some(rejection.code())),
        };
        Self {
            id: id_text(transfer.id),
            kind: transfer.kind.into(),
            status,
            failure_code,
            sender_wallet_id: transfer.sender_wallet_id.map(|id| id.0),
            receiver_wallet_id: transfer.receiver_wallet_id.map(|id| id.0),
            amount: transfer.amount.minor(),
            currency: transfer.currency.code().to_owned(),
            summary: transfer.summary,
            balance: transfer.balance_after,
            account_id: Some(transfer.account_id.0),
            requested_by: Some(transfer.key.asker.into()),
            created_at: Timestamp::from_micros(transfer.created_at),
        }
    }
}

/// A transfer's id as clients write it.
pub(super) fn id_text(id: TransferId) -> String {
    Uuid::from_bytes(id.0).hyphenated().to_string()
}

/// One line of a wallet's history: the wallet's leg of a completed transfer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Transaction)]
pub(super) struct TransactionJson {
    /// Its id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 42)]
    id: i64,
    /// The transfer it belongs to.
    #[schema(value_type = String, format = Uuid)]
    transfer_id: String,
    /// The wallet whose history this is.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    wallet_id: i64,
    /// The wallet on the other side; null for a deposit or a withdrawal, whose other side is
    /// outside.
    #[schema(required = true, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 3)]
    counterparty_wallet_id: Option<i64>,
    /// The wallet that paid; null for a deposit, whose money came from outside.
    #[schema(required = true, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    sender_wallet_id: Option<i64>,
    /// The wallet that received; null for a withdrawal, whose money went outside.
    #[schema(required = true, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 3)]
    receiver_wallet_id: Option<i64>,
    /// What kind of movement.
    #[serde(rename = "type")]
    kind: TypeJson,
    /// Always `completed`: what failed is not part of a wallet's history.
    status: OutcomeJson,
    /// `debit` out of this wallet, `credit` into it.
    direction: DirectionJson,
    /// How much, in minor units.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 3_000)]
    amount: i64,
    /// The wallet's balance right after it, in minor units: 0 to 2^53 - 1, or the whole range of 64
    /// bits in a wallet of the system.
    #[schema(example = 7_000)]
    balance_after: i64,
    /// What for, in the sender's words.
    #[schema(required = true, max_length = 200, example = "lunch")]
    summary: Option<String>,
    /// When the transfer was decided, or the time of the wallet's transaction before it if that is
    /// later.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Direction)]
pub(super) enum DirectionJson {
    Debit,
    Credit,
}

impl From<Transaction> for TransactionJson {
    fn from(leg: Transaction) -> Self {
        // The outside has a wallet of the system, whose id clients never see.
        let (sender, receiver) = match leg.kind {
            TransferKind::Deposit => (None, Some(leg.receiver_wallet_id)),
            TransferKind::Withdrawal => (Some(leg.sender_wallet_id), None),
            TransferKind::Transfer => (Some(leg.sender_wallet_id), Some(leg.receiver_wallet_id)),
        };
        let (direction, counterparty) = match leg.direction {
            Direction::Debit => (DirectionJson::Debit, receiver),
            Direction::Credit => (DirectionJson::Credit, sender),
        };
        Self {
            id: leg.id.0,
            transfer_id: id_text(leg.transfer_id),
            wallet_id: leg.wallet_id.0,
            counterparty_wallet_id: counterparty.map(|id| id.0),
            sender_wallet_id: sender.map(|id| id.0),
            receiver_wallet_id: receiver.map(|id| id.0),
            kind: leg.kind.into(),
            status: OutcomeJson::Completed,
            direction,
            amount: leg.amount.minor(),
            balance_after: leg.balance_after,
            summary: leg.summary,
            created_at: Timestamp::from_micros(leg.created_at),
        }
    }
}

/// A page of history.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TransactionPage)]
pub(super) struct TransactionPageJson {
    /// Newest first.
    pub(super) items: Vec<TransactionJson>,
    /// Give it as `cursor` to get the next page; null on the last one.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
}
