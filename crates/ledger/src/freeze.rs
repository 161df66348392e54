//! Freezing a wallet: an operator's decision about one wallet, beside its account's standing. Each
//! of the two alone stops money, and lifting one does not lift the other.

use crate::{Wallet, WalletStatus};

/// What an operator can do with a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FreezeAction {
    /// No money reaches or leaves it.
    Freeze,
    /// Money moves again, if its account's standing allows it.
    Unfreeze,
}

/// Why a wallet is neither frozen nor unfrozen, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezeRejection {
    /// It is the system's, which is not for operators.
    System,
    /// It is closed, which is for good.
    Closed,
    /// An operator has frozen it already.
    AlreadyFrozen,
    /// No operator has frozen it.
    NotFrozen,
}

/// Freezes or unfreezes a wallet. `is_frozen` says whether an operator had frozen it, and
/// `standing` what its account's standing asks for.
pub fn freeze(
    wallet: &mut Wallet,
    action: FreezeAction,
    is_frozen: bool,
    standing: WalletStatus,
    now: i64,
) -> Result<(), FreezeRejection> {
    if wallet.account_id.is_system() {
        return Err(FreezeRejection::System);
    }
    if wallet.status == WalletStatus::Closed || standing == WalletStatus::Closed {
        return Err(FreezeRejection::Closed);
    }
    match (action, is_frozen) {
        (FreezeAction::Freeze, true) => return Err(FreezeRejection::AlreadyFrozen),
        (FreezeAction::Unfreeze, false) => return Err(FreezeRejection::NotFrozen),
        (FreezeAction::Freeze, false) | (FreezeAction::Unfreeze, true) => {}
    }
    wallet.status = status(standing, action == FreezeAction::Freeze);
    wallet.updated_at = wallet.updated_at.max(now);
    Ok(())
}

/// The status of a wallet whose account's standing asks for `standing`.
pub(crate) fn status(standing: WalletStatus, is_frozen: bool) -> WalletStatus {
    match standing {
        WalletStatus::Active if is_frozen => WalletStatus::Frozen,
        WalletStatus::Active | WalletStatus::Frozen | WalletStatus::Closed => standing,
    }
}
