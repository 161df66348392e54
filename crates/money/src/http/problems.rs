//! The catalogue of this service's problems, and which answer becomes which.

use std::time::Duration;

use ledger::{OpeningRejection, Rejection};
use service::http::problem::{
    ANY_CALL, Kind, Problem, UNAVAILABLE, WITH_BODY, WITH_TOKEN, chain, kind,
};

use crate::{engine::EngineError, operations::OperationRefusal, store::StoreError};

pub(super) const IDEMPOTENCY_KEY_MISSING: Kind =
    kind(400, "idempotency_key_missing", "The Idempotency-Key header is required");
const IDEMPOTENCY_KEY_REUSED: Kind =
    kind(422, "idempotency_key_reused", "The key was used for another request");
const WALLET_REQUIRED: Kind =
    kind(422, "wallet_required", "The account has several wallets; name one");
const WALLET_NOT_FOUND: Kind =
    kind(404, "wallet_not_found", "There is no such wallet of this account");
const SAME_WALLET: Kind = kind(422, "same_wallet", "Sender and receiver are the same wallet");
const RECEIVER_WALLET_NOT_FOUND: Kind =
    kind(404, "receiver_wallet_not_found", "There is no such receiver wallet");
const WALLET_FROZEN: Kind = kind(422, "wallet_frozen", "The wallet is frozen");
const WALLET_CLOSED: Kind = kind(422, "wallet_closed", "The wallet is closed");
const RECEIVER_WALLET_FROZEN: Kind =
    kind(422, "receiver_wallet_frozen", "The receiver's wallet is frozen");
const RECEIVER_WALLET_CLOSED: Kind =
    kind(422, "receiver_wallet_closed", "The receiver's wallet is closed");
const CURRENCY_MISMATCH: Kind =
    kind(422, "currency_mismatch", "The wallets hold different currencies");
const INSUFFICIENT_BALANCE: Kind =
    kind(422, "insufficient_balance", "The wallet holds less than the amount");
const BALANCE_LIMIT_EXCEEDED: Kind =
    kind(422, "balance_limit_exceeded", "The wallet would hold more than a wallet may");
const RECEIVER_BALANCE_LIMIT_EXCEEDED: Kind = kind(
    422,
    "receiver_balance_limit_exceeded",
    "The receiver's wallet would hold more than a wallet may",
);
const SYSTEM_CAPACITY_EXCEEDED: Kind = kind(
    503,
    "system_capacity_exceeded",
    "The system's wallet on the other side is full and another one takes over; nothing was done",
);
const WALLET_EXISTS: Kind = kind(409, "wallet_exists", "The account has a wallet in this currency");
const ACCOUNT_DISABLED: Kind = kind(403, "account_disabled", "The account is suspended or closed");

/// Seen by operators, who may name any person's wallet.
const WALLET_UNKNOWN: Kind = kind(404, "wallet_not_found", "There is no such wallet of a person");
const CLOSED_WALLET: Kind = kind(409, "wallet_closed", "The wallet is closed for good");
const WALLET_NOT_CLOSED: Kind =
    kind(409, "wallet_not_closed", "Only closed wallets are paid out, and this one is not closed");
const WALLET_ALREADY_FROZEN: Kind =
    kind(409, "wallet_already_frozen", "An operator has frozen the wallet already");
const WALLET_NOT_FROZEN: Kind = kind(409, "wallet_not_frozen", "No operator has frozen the wallet");

pub(super) const TRANSFER_NOT_FOUND: Kind =
    kind(404, "transfer_not_found", "There is no such transfer of this account");
const OUTCOME_UNKNOWN: Kind =
    kind(503, "outcome_unknown", "The transfer may have been made or not; ask again with its key");

/// The same of a wallet that was to be opened: there is no key to ask with.
const OPENING_OUTCOME_UNKNOWN: Kind =
    kind(503, "outcome_unknown", "The wallet may have been opened or not; list the wallets");

/// The same of an operator's action.
const OPERATION_OUTCOME_UNKNOWN: Kind =
    kind(503, "outcome_unknown", "It may have been done or not; list the wallet's operations");

/// When a request whose cause passes by itself is worth another try.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a call that moves money may answer besides.
const MOVING_MONEY: &[&Kind] = &[
    &IDEMPOTENCY_KEY_MISSING,
    &IDEMPOTENCY_KEY_REUSED,
    &WALLET_REQUIRED,
    &WALLET_NOT_FOUND,
    &WALLET_FROZEN,
    &WALLET_CLOSED,
    &OUTCOME_UNKNOWN,
];

/// What a call that brings money from outside may answer besides.
const FUNDING: &[&Kind] = &[&BALANCE_LIMIT_EXCEEDED];

/// What a call with the outside on the other side may answer besides.
const CROSSING: &[&Kind] = &[&SYSTEM_CAPACITY_EXCEEDED];

/// What a call that takes money out of a wallet may answer besides.
const SPENDING: &[&Kind] = &[&INSUFFICIENT_BALANCE];

/// What a call with a receiver may answer besides.
const SENDING: &[&Kind] = &[
    &SAME_WALLET,
    &RECEIVER_WALLET_NOT_FOUND,
    &RECEIVER_WALLET_FROZEN,
    &RECEIVER_WALLET_CLOSED,
    &CURRENCY_MISMATCH,
    &RECEIVER_BALANCE_LIMIT_EXCEEDED,
];

service::problem_sets! {
    /// Problems of opening a wallet.
    OpenProblems = ANY_CALL, WITH_TOKEN, WITH_BODY,
        &[&WALLET_EXISTS, &ACCOUNT_DISABLED, &OPENING_OUTCOME_UNKNOWN];
    /// Problems of listing wallets.
    ListProblems = ANY_CALL, WITH_TOKEN;
    /// Problems of reading a wallet.
    WalletProblems = ANY_CALL, WITH_TOKEN, &[&WALLET_NOT_FOUND];
    /// Problems of a deposit.
    DepositProblems = ANY_CALL, WITH_TOKEN, WITH_BODY, MOVING_MONEY, FUNDING, CROSSING;
    /// Problems of a withdrawal.
    WithdrawalProblems = ANY_CALL, WITH_TOKEN, WITH_BODY, MOVING_MONEY, SPENDING, CROSSING;
    /// Problems of a transfer.
    TransferProblems = ANY_CALL, WITH_TOKEN, WITH_BODY, MOVING_MONEY, SPENDING, SENDING;
    /// Problems of reading a transfer.
    ReadTransferProblems = ANY_CALL, WITH_TOKEN, &[&TRANSFER_NOT_FOUND];
    /// Problems of reading history.
    HistoryProblems = ANY_CALL, WITH_TOKEN,
        &[&WALLET_NOT_FOUND, &WALLET_REQUIRED];
    /// Problems of an operator's action.
    OperateProblems = ANY_CALL, WITH_TOKEN, WITH_BODY, &[&WALLET_UNKNOWN, &CLOSED_WALLET,
        &WALLET_ALREADY_FROZEN, &WALLET_NOT_FROZEN, &OPERATION_OUTCOME_UNKNOWN];
    /// Problems of paying out a closed wallet.
    PayoutProblems = ANY_CALL, WITH_TOKEN, WITH_BODY, &[&IDEMPOTENCY_KEY_MISSING,
        &IDEMPOTENCY_KEY_REUSED, &WALLET_UNKNOWN, &WALLET_NOT_CLOSED, &OUTCOME_UNKNOWN], SPENDING,
        CROSSING;
    /// Problems of listing operators' actions.
    ListOperationsProblems = ANY_CALL, WITH_TOKEN, &[&WALLET_UNKNOWN];
    /// Problems of reading the books.
    BooksProblems = ANY_CALL, WITH_TOKEN;
    /// Problems of a ping.
    PingProblems = ANY_CALL;
}

/// The kind of a rejection. Its code is the rejection's own.
pub(super) fn rejection_kind(rejection: Rejection) -> &'static Kind {
    match rejection {
        Rejection::IdempotencyKeyReused => &IDEMPOTENCY_KEY_REUSED,
        Rejection::WalletRequired => &WALLET_REQUIRED,
        Rejection::WalletNotFound => &WALLET_NOT_FOUND,
        Rejection::SameWallet => &SAME_WALLET,
        Rejection::ReceiverWalletNotFound => &RECEIVER_WALLET_NOT_FOUND,
        Rejection::WalletFrozen => &WALLET_FROZEN,
        Rejection::WalletClosed => &WALLET_CLOSED,
        Rejection::WalletNotClosed => &WALLET_NOT_CLOSED,
        Rejection::ReceiverWalletFrozen => &RECEIVER_WALLET_FROZEN,
        Rejection::ReceiverWalletClosed => &RECEIVER_WALLET_CLOSED,
        Rejection::CurrencyMismatch => &CURRENCY_MISMATCH,
        Rejection::InsufficientBalance => &INSUFFICIENT_BALANCE,
        Rejection::BalanceLimitExceeded => &BALANCE_LIMIT_EXCEEDED,
        Rejection::ReceiverBalanceLimitExceeded => &RECEIVER_BALANCE_LIMIT_EXCEEDED,
        Rejection::SystemCapacityExceeded => &SYSTEM_CAPACITY_EXCEEDED,
    }
}

/// A rejection, as an error to return.
pub(super) fn rejected(rejection: Rejection) -> Problem {
    let problem = Problem::new(rejection_kind(rejection));
    match rejection {
        Rejection::SystemCapacityExceeded => problem.retry_after(RETRY_AFTER),
        _ => problem,
    }
}

/// A wallet that was not opened.
pub(super) fn not_opened(rejection: OpeningRejection) -> Problem {
    Problem::new(match rejection {
        OpeningRejection::AccountDisabled => &ACCOUNT_DISABLED,
        OpeningRejection::WalletExists => &WALLET_EXISTS,
    })
}

/// An engine that did not say whether a wallet was opened.
pub(super) fn opening_not_answered(error: EngineError) -> Problem {
    match error {
        EngineError::OutcomeUnknown => {
            Problem::new(&OPENING_OUTCOME_UNKNOWN).retry_after(RETRY_AFTER)
        }
        EngineError::Overloaded | EngineError::ShuttingDown | EngineError::Unavailable => {
            not_answered(error)
        }
    }
}

/// An engine that did not answer. The lane has logged why.
pub(super) fn not_answered(error: EngineError) -> Problem {
    match error {
        EngineError::Overloaded => {
            Problem::new(&UNAVAILABLE).detail("Too many requests are waiting; nothing was done.")
        }
        EngineError::ShuttingDown => {
            Problem::new(&UNAVAILABLE).detail("The service is stopping; nothing was done.")
        }
        EngineError::Unavailable => {
            Problem::new(&UNAVAILABLE).detail("The database cannot do it now; nothing was done.")
        }
        EngineError::OutcomeUnknown => Problem::new(&OUTCOME_UNKNOWN),
    }
    .retry_after(RETRY_AFTER)
}

/// A wallet that is not there for operators.
pub(super) fn wallet_unknown() -> Problem {
    Problem::new(&WALLET_UNKNOWN)
}

/// An action that was not carried out.
pub(super) fn not_operated(refusal: OperationRefusal) -> Problem {
    let kind = match refusal {
        OperationRefusal::Unknown => return wallet_unknown(),
        OperationRefusal::Closed => &CLOSED_WALLET,
        OperationRefusal::AlreadyFrozen => &WALLET_ALREADY_FROZEN,
        OperationRefusal::NotFrozen => &WALLET_NOT_FROZEN,
    };
    Problem::new(kind).detail("Nothing was changed, and nothing is recorded.")
}

/// An action, or a list of them, of which the database said nothing.
pub(super) fn operation_not_answered(error: &StoreError) -> Problem {
    let problem = match error {
        StoreError::OutcomeUnknown(_) => {
            tracing::error!(error = %chain(error), "the outcome of an operation is unknown");
            Problem::new(&OPERATION_OUTCOME_UNKNOWN)
        }
        StoreError::Again(..) | StoreError::Refused(_) | StoreError::Failed(_) => {
            Problem::unavailable(error).detail("The database cannot do it now; nothing was done.")
        }
    };
    problem.retry_after(RETRY_AFTER)
}

/// A read that failed.
pub(super) fn not_read(error: &StoreError) -> Problem {
    Problem::unavailable(error)
}
