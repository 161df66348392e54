//! What a client asks for.

use crate::{AccountId, Amount, ApiKeyId, WalletId};

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A person, who acts for their own account and no other.
    Account(AccountId),
    /// A company's backend, by one of its API keys. It acts for the account that it names.
    ApiKey(ApiKeyId),
}

/// What makes a command unique: who asks, and the key that they chose. The same characters from two
/// askers are two keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Who asks.
    pub asker: Asker,
    /// Their key: 1 to 128 printable characters.
    pub key: String,
}

/// A request to move money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Who asks, and under which key.
    pub key: IdempotencyKey,
    /// The account acted for, which owns the own wallet: the person who asks, or the account that
    /// an API key names.
    pub account_id: AccountId,
    /// From where to where.
    pub movement: Movement,
    /// How much.
    pub amount: Amount,
    /// What for, in the client's words.
    pub summary: Option<String>,
}

/// From where to where. `None` means the account's only wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// From outside into an own wallet.
    Deposit {
        /// The own wallet.
        wallet: Option<WalletId>,
    },
    /// From an own wallet to outside.
    Withdrawal {
        /// The own wallet.
        wallet: Option<WalletId>,
    },
    /// From an own wallet that is closed to outside. Only operators ask for it.
    Payout {
        /// The closed wallet.
        wallet: WalletId,
    },
    /// From an own wallet to somebody's.
    Transfer {
        /// The own wallet.
        sender: Option<WalletId>,
        /// Where the money goes.
        receiver: WalletId,
    },
}

impl Movement {
    /// The caller's own wallet, if the command names it.
    pub fn own_wallet(self) -> Option<WalletId> {
        match self {
            Self::Deposit { wallet } | Self::Withdrawal { wallet } => wallet,
            Self::Payout { wallet } => Some(wallet),
            Self::Transfer { sender, .. } => sender,
        }
    }
}
