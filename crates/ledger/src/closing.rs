//! Closing an account's wallets because its owner asks: only while all of them are empty. An
//! account that is closed by its standing alone is closed in `open.rs`, whatever it holds.

use crate::{AccountId, Loaded, Wallet, WalletStatus, set_standing};

/// One attempt to close the wallets of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Whose wallets.
    pub account_id: AccountId,
    /// Which attempt: positive, and greater than that of every attempt that began before it. An
    /// attempt that was refused, and all before it, stay refused, so a message that arrives late
    /// closes nothing.
    pub attempt: i64,
}

/// What becomes of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClosingDecision {
    /// The wallets are closed for good, now or before.
    Closed,
    /// The wallets stay as they are.
    Refused {
        /// Those that hold money, by ascending id. None if this attempt, or one after it, was
        /// refused before, and the money has left since.
        holding: Vec<Wallet>,
    },
}

/// Closes all of an account's wallets if none holds money, and with them its standing, so that no
/// wallet is opened any more. All wallets of the account must be loaded, and its standing.
pub fn close_wallets(
    loaded: &mut Loaded,
    Closing { account_id, attempt }: Closing,
    now: i64,
) -> ClosingDecision {
    if loaded.standing(account_id) == WalletStatus::Closed {
        return ClosingDecision::Closed;
    }
    let wallets = loaded.wallets_of(account_id).iter().filter_map(|id| loaded.wallet(*id));
    let mut holding: Vec<_> = wallets.filter(|wallet| wallet.balance != 0).cloned().collect();
    holding.sort_unstable_by_key(|wallet| wallet.id);
    let refused = loaded.refused_closing(account_id);
    if holding.is_empty() && attempt > refused {
        set_standing(loaded, account_id, WalletStatus::Closed, now);
        return ClosingDecision::Closed;
    }
    loaded.add_refused_closing(account_id, refused.max(attempt));
    ClosingDecision::Refused { holding }
}
