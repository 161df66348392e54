//! What a client asks for.

use crate::{AccountId, Amount, WalletId};

/// What makes a command unique: the account that sends it, and the key that the client chose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// The account that sends the command.
    pub account_id: AccountId,
    /// The client's key: 1 to 128 printable characters.
    pub key: String,
}

/// A request to move money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Who asks, and under which key.
    pub key: IdempotencyKey,
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
            Self::Transfer { sender, .. } => sender,
        }
    }
}
