//! What a batch of commands needs to know, loaded before the first of them is decided. Decisions
//! change it in place, so that the next command of the batch sees what the one before it did.

use std::collections::{HashMap, HashSet};

use crate::{
    AccountId, Currency, IdempotencyKey, Rejection, Transfer, Wallet, WalletId, WalletStatus,
    is_worn,
};

/// Wallets, owners, decided transfers by key, and standings.
#[derive(Debug, Default)]
pub struct Loaded {
    wallets: HashMap<WalletId, Wallet>,
    changed: HashSet<WalletId>,
    by_owner: HashMap<AccountId, Vec<WalletId>>,
    decided: HashMap<IdempotencyKey, Transfer>,
    standings: HashMap<AccountId, WalletStatus>,
    frozen: HashSet<WalletId>,
    refused_closings: HashMap<AccountId, i64>,
    stripe: Option<AccountId>,
    is_stripe_full: bool,
}

impl Loaded {
    /// Nothing known yet. Deposits and withdrawals will use the wallets of the `stripe`.
    pub fn new(stripe: AccountId) -> Self {
        Self { stripe: Some(stripe), ..Self::default() }
    }

    /// Adds a wallet as stored.
    pub fn add_wallet(&mut self, wallet: Wallet) {
        assert!(
            wallet.balance >= 0 || wallet.account_id.is_system(),
            "wallet {} was stored with a negative balance",
            wallet.id.0
        );
        if self.wallets.contains_key(&wallet.id) {
            return;
        }
        self.by_owner.entry(wallet.account_id).or_default().push(wallet.id);
        self.wallets.insert(wallet.id, wallet);
    }

    /// Adds a transfer that was decided before.
    pub fn add_decided(&mut self, transfer: Transfer) {
        self.decided.insert(transfer.key.clone(), transfer);
    }

    /// Says that an account's wallets are not active. Accounts that are not named are.
    pub fn add_standing(&mut self, account_id: AccountId, status: WalletStatus) {
        self.standings.insert(account_id, status);
    }

    /// Says that an operator has frozen a wallet. Needed before its account's standing changes.
    pub fn add_frozen(&mut self, id: WalletId) {
        self.frozen.insert(id);
    }

    /// Says which attempt to close an account's wallets was the newest that was refused. Accounts
    /// that are not named had none.
    pub fn add_refused_closing(&mut self, account_id: AccountId, attempt: i64) {
        self.refused_closings.insert(account_id, attempt);
    }

    /// The newest attempt to close the account's wallets that was refused; 0 if there was none.
    pub fn refused_closing(&self, account_id: AccountId) -> i64 {
        self.refused_closings.get(&account_id).copied().unwrap_or(0)
    }

    /// A wallet, if it was loaded.
    pub fn wallet(&self, id: WalletId) -> Option<&Wallet> {
        self.wallets.get(&id)
    }

    /// All wallets that were loaded or opened, in no order.
    pub fn wallets(&self) -> impl Iterator<Item = &Wallet> {
        self.wallets.values()
    }

    /// The wallets that have changed since they were loaded, in ascending order.
    pub fn changed_wallets(&self) -> Vec<&Wallet> {
        let mut ids: Vec<_> = self.changed.iter().copied().collect();
        ids.sort_unstable();
        ids.iter().map(|id| &self.wallets[id]).collect()
    }

    pub(crate) fn decided(&self, key: &IdempotencyKey) -> Option<&Transfer> {
        self.decided.get(key)
    }

    pub(crate) fn standing(&self, account_id: AccountId) -> WalletStatus {
        self.standings.get(&account_id).copied().unwrap_or(WalletStatus::Active)
    }

    pub(crate) fn is_frozen(&self, id: WalletId) -> bool {
        self.frozen.contains(&id)
    }

    pub(crate) fn own_wallet(
        &self,
        account_id: AccountId,
        named: Option<WalletId>,
    ) -> Result<&Wallet, Rejection> {
        let id = match (named, self.wallets_of(account_id)) {
            (Some(id), _) => id,
            (None, []) => return Err(Rejection::WalletNotFound),
            (None, [only]) => *only,
            (None, _) => return Err(Rejection::WalletRequired),
        };
        self.wallets
            .get(&id)
            .filter(|wallet| wallet.account_id == account_id)
            .ok_or(Rejection::WalletNotFound)
    }

    pub(crate) fn wallets_of(&self, account_id: AccountId) -> &[WalletId] {
        self.by_owner.get(&account_id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn wallet_in(&self, account_id: AccountId, currency: Currency) -> Option<&Wallet> {
        self.wallets_of(account_id)
            .iter()
            .map(|id| &self.wallets[id])
            .find(|wallet| wallet.currency == currency)
    }

    /// The system's wallet in this currency.
    pub(crate) fn system_wallet(&self, currency: Currency) -> &Wallet {
        self.stripe
            .and_then(|stripe| self.wallet_in(stripe, currency))
            .expect("a system wallet is opened before the first command that needs it")
    }

    /// Whether deposits and withdrawals should go on with another stripe: a wallet of this one has
    /// used half of its room, or had no room for a command.
    pub fn needs_another_stripe(&self) -> bool {
        let Some(stripe) = self.stripe else { return false };
        let mut wallets = self.wallets_of(stripe).iter().map(|id| &self.wallets[id]);
        self.is_stripe_full || wallets.any(|wallet| is_worn(wallet.balance))
    }

    pub(crate) fn stripe_is_full(&mut self) {
        self.is_stripe_full = true;
    }

    pub(crate) fn stripe(&self) -> Option<AccountId> {
        self.stripe
    }

    pub(crate) fn change(&mut self, id: WalletId) -> &mut Wallet {
        self.changed.insert(id);
        self.wallets.get_mut(&id).expect("only loaded wallets are changed")
    }
}
