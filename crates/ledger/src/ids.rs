//! Names of things. Numbers stay below 2^53 so that every JSON reader keeps them exact.

/// Largest id of an account, API key, wallet or transaction.
pub const ID_MAX: i64 = (1 << 53) - 1;

/// Accounts up to this id belong to the system: the other side of deposits and withdrawals. Stripe
/// `n` of every currency is the wallet of account `n`, counted from 1.
pub const SYSTEM_ACCOUNT_MAX: AccountId = AccountId(9_999);

/// An account: a person, or a stripe of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

impl AccountId {
    /// Whether this is a stripe of the system and not a person.
    pub fn is_system(self) -> bool {
        self <= SYSTEM_ACCOUNT_MAX
    }
}

/// An API key, by which a company's backend makes requests: 1 to [`ID_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId(pub i64);

/// A wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalletId(pub i64);

/// One leg of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub i64);

/// A transfer: the sixteen bytes of a `UUIDv7` (RFC 9562), which sorts by the clock of the
/// process that decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub [u8; 16]);
