//! The rules of money. [`decide()`] looks at the few wallets that a command touches and says what
//! happens: a posting of one debit and one credit, or a rejection. It is pure: no I/O, no clock, no
//! randomness, no async, no serialisation. Time and ids are arguments.

mod amount;
mod closing;
mod command;
mod currency;
mod decide;
mod freeze;
mod ids;
mod loaded;
mod open;
mod rejection;
mod transfer;
mod wallet;

pub use amount::{AMOUNT_MAX, Amount};
pub use closing::{Closing, ClosingDecision, close_wallets};
pub use command::{Asker, Command, IdempotencyKey, Movement};
pub use currency::Currency;
pub use decide::{Decision, Posting, Stamp, decide};
pub use freeze::{FreezeAction, FreezeRejection, freeze};
pub use ids::{
    AccountId, ApiKeyId, ID_MAX, SYSTEM_ACCOUNT_MAX, TransactionId, TransferId, WalletId,
};
pub use loaded::Loaded;
pub use open::{Opening, OpeningRejection, open_system_wallet, open_wallet, set_standing};
pub use rejection::Rejection;
pub use transfer::{Direction, MARK_INTERVAL, Outcome, Transaction, Transfer, TransferKind};
pub use wallet::{Wallet, WalletStatus, is_worn, system_room_used};

#[cfg(test)]
mod tests;
