//! Why money does not move.

/// A rejection, in order of precedence: where several apply, the first one listed is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// The key was used for another request.
    IdempotencyKeyReused,
    /// The command names no wallet and the account has several.
    WalletRequired,
    /// There is no such wallet, or it is somebody else's.
    WalletNotFound,
    /// Sender and receiver are the same wallet.
    SameWallet,
    /// There is no such receiver.
    ReceiverWalletNotFound,
    /// The own wallet is frozen.
    WalletFrozen,
    /// The own wallet is closed.
    WalletClosed,
    /// The wallet of a payout is not closed.
    WalletNotClosed,
    /// The receiver's wallet is frozen.
    ReceiverWalletFrozen,
    /// The receiver's wallet is closed.
    ReceiverWalletClosed,
    /// The two wallets hold different currencies.
    CurrencyMismatch,
    /// The own wallet holds less than the amount.
    InsufficientBalance,
    /// The own wallet would hold more than a wallet may.
    BalanceLimitExceeded,
    /// The receiver's wallet would hold more than a wallet may.
    ReceiverBalanceLimitExceeded,
    /// The system's wallet on the other side has no room for the movement. It is not the client's
    /// fault and another system wallet has room, so it is not recorded.
    SystemCapacityExceeded,
}

impl Rejection {
    /// All, in order of precedence.
    pub const ALL: [Self; 15] = [
        Self::IdempotencyKeyReused,
        Self::WalletRequired,
        Self::WalletNotFound,
        Self::SameWallet,
        Self::ReceiverWalletNotFound,
        Self::WalletFrozen,
        Self::WalletClosed,
        Self::WalletNotClosed,
        Self::ReceiverWalletFrozen,
        Self::ReceiverWalletClosed,
        Self::CurrencyMismatch,
        Self::InsufficientBalance,
        Self::BalanceLimitExceeded,
        Self::ReceiverBalanceLimitExceeded,
        Self::SystemCapacityExceeded,
    ];

    /// Whether it is recorded under the command's key, so that the same command gets it again even
    /// if it could succeed now. What is not recorded leaves the key free: there is no wallet that
    /// it could be recorded for, the key is another command's, the wallet is not closed yet, or the
    /// client is not the cause.
    pub const fn is_recorded(self) -> bool {
        match self {
            Self::IdempotencyKeyReused
            | Self::WalletRequired
            | Self::WalletNotFound
            | Self::WalletNotClosed
            | Self::SystemCapacityExceeded => false,
            Self::SameWallet
            | Self::ReceiverWalletNotFound
            | Self::WalletFrozen
            | Self::WalletClosed
            | Self::ReceiverWalletFrozen
            | Self::ReceiverWalletClosed
            | Self::CurrencyMismatch
            | Self::InsufficientBalance
            | Self::BalanceLimitExceeded
            | Self::ReceiverBalanceLimitExceeded => true,
        }
    }

    /// Its stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::WalletRequired => "wallet_required",
            Self::WalletNotFound => "wallet_not_found",
            Self::SameWallet => "same_wallet",
            Self::ReceiverWalletNotFound => "receiver_wallet_not_found",
            Self::WalletFrozen => "wallet_frozen",
            Self::WalletClosed => "wallet_closed",
            Self::WalletNotClosed => "wallet_not_closed",
            Self::ReceiverWalletFrozen => "receiver_wallet_frozen",
            Self::ReceiverWalletClosed => "receiver_wallet_closed",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::InsufficientBalance => "insufficient_balance",
            Self::BalanceLimitExceeded => "balance_limit_exceeded",
            Self::ReceiverBalanceLimitExceeded => "receiver_balance_limit_exceeded",
            Self::SystemCapacityExceeded => "system_capacity_exceeded",
        }
    }

    /// The rejection with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rejection| rejection.code() == code)
    }
}
