//! Opening wallets, and what an account's standing does to them.

use crate::{
    AccountId, Command, Currency, Loaded, Movement, Wallet, WalletId, WalletStatus, freeze,
};

/// Why a wallet is not opened, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpeningRejection {
    /// The account is suspended or closed.
    AccountDisabled,
    /// The account has a wallet in this currency.
    WalletExists,
}

/// The ids and the time for one opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The wallet's id.
    pub wallet_id: WalletId,
    /// Id of the system's wallet, used if this is the currency's first wallet.
    pub system_wallet_id: WalletId,
    /// The time, in microseconds since 1970-01-01T00:00:00Z.
    pub now: i64,
}

/// Opens a wallet. Returns what is new: the wallet, and before it the system's wallet in its
/// currency if there was none.
pub fn open_wallet(
    loaded: &mut Loaded,
    account_id: AccountId,
    currency: Currency,
    opening: Opening,
) -> Result<Vec<Wallet>, OpeningRejection> {
    if loaded.standing(account_id) != WalletStatus::Active {
        return Err(OpeningRejection::AccountDisabled);
    }
    if loaded.wallet_in(account_id, currency).is_some() {
        return Err(OpeningRejection::WalletExists);
    }
    let missing_stripe = loaded
        .stripe()
        .filter(|stripe| loaded.wallet_in(*stripe, currency).is_none())
        .map(|stripe| empty(opening.system_wallet_id, stripe, currency, opening.now));
    let wallet = empty(opening.wallet_id, account_id, currency, opening.now);
    let opened: Vec<Wallet> = missing_stripe.into_iter().chain([wallet]).collect();
    for wallet in &opened {
        loaded.add_wallet(wallet.clone());
    }
    Ok(opened)
}

/// Opens the system's wallet on the other side of a deposit or withdrawal, if the stripe has none
/// yet in the currency of the command's own wallet. Returns it if it is new; it stays whatever
/// becomes of the command. The opening's `wallet_id` is not used.
pub fn open_system_wallet(
    loaded: &mut Loaded,
    command: &Command,
    opening: impl FnOnce() -> Opening,
) -> Option<Wallet> {
    if matches!(command.movement, Movement::Transfer { .. }) {
        return None;
    }
    let own = loaded.own_wallet(command.account_id, command.movement.own_wallet()).ok()?;
    let currency = own.currency;
    let stripe = loaded.stripe()?;
    if loaded.wallet_in(stripe, currency).is_some() {
        return None;
    }
    let Opening { system_wallet_id, now, .. } = opening();
    let wallet = empty(system_wallet_id, stripe, currency, now);
    loaded.add_wallet(wallet.clone());
    Some(wallet)
}

/// Gives all of an account's loaded wallets the status that its standing asks for. Those that an
/// operator has frozen stay frozen. Returns the standing: one that is closed stays closed, whatever
/// is asked for afterwards.
pub fn set_standing(
    loaded: &mut Loaded,
    account_id: AccountId,
    standing: WalletStatus,
    now: i64,
) -> WalletStatus {
    let standing = match loaded.standing(account_id) {
        WalletStatus::Closed => WalletStatus::Closed,
        WalletStatus::Active | WalletStatus::Frozen => standing,
    };
    loaded.add_standing(account_id, standing);
    for id in loaded.wallets_of(account_id).to_vec() {
        let status = freeze::status(standing, loaded.is_frozen(id));
        if loaded.wallet(id).is_some_and(|wallet| wallet.status != status) {
            let wallet = loaded.change(id);
            wallet.status = status;
            wallet.updated_at = wallet.updated_at.max(now);
        }
    }
    standing
}

fn empty(id: WalletId, account_id: AccountId, currency: Currency, now: i64) -> Wallet {
    Wallet {
        id,
        account_id,
        currency,
        balance: 0,
        status: WalletStatus::Active,
        newest_transaction: None,
        transaction_count: 0,
        created_at: now,
        updated_at: now,
    }
}
