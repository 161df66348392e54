//! Which wallets belong to whom, as far as this process has seen. A wallet never changes hands, so
//! what is known stays true; what is not known costs time and nothing else.

use std::sync::Arc;

use ledger::{AccountId, Loaded, WalletId};
use moka::sync::Cache;

/// Wallets remembered, and accounts.
const ENTRIES_MAX: u64 = 1_000_000;

/// Shared by the lanes of a process.
#[derive(Debug)]
pub(super) struct Directory {
    owners: Cache<WalletId, AccountId>,
    wallets: Cache<AccountId, Arc<[WalletId]>>,
}

impl Directory {
    pub(super) fn new() -> Self {
        Self { owners: Cache::new(ENTRIES_MAX), wallets: Cache::new(ENTRIES_MAX) }
    }

    /// Whose wallet this is, if it was ever loaded here.
    pub(super) fn owner_of(&self, wallet: WalletId) -> Option<AccountId> {
        self.owners.get(&wallet)
    }

    /// The account's wallets that were ever loaded here.
    pub(super) fn wallets_of(&self, account: AccountId) -> Vec<WalletId> {
        self.wallets.get(&account).map(|ids| ids.to_vec()).unwrap_or_default()
    }

    /// Remembers what a batch has loaded.
    pub(super) fn learn(&self, loaded: &Loaded) {
        for wallet in loaded.wallets() {
            if wallet.account_id.is_system() || self.owners.contains_key(&wallet.id) {
                continue;
            }
            self.owners.insert(wallet.id, wallet.account_id);
            let mut known = self.wallets_of(wallet.account_id);
            known.push(wallet.id);
            self.wallets.insert(wallet.account_id, known.into());
        }
    }
}
