//! Locks of which another instance never lets go of one.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use ledger::WalletId;
use service::BoxFuture;

use crate::locks::{Held, WalletLocks};

pub(super) struct HeldByOthers {
    wallet: WalletId,
    refusals: AtomicUsize,
}

impl HeldByOthers {
    pub(super) fn new(wallet: WalletId) -> Self {
        Self { wallet, refusals: AtomicUsize::new(0) }
    }

    pub(super) fn refusals(&self) -> usize {
        self.refusals.load(Ordering::SeqCst)
    }
}

impl WalletLocks for HeldByOthers {
    fn acquire<'a>(&'a self, wallets: &'a [WalletId]) -> BoxFuture<'a, Held> {
        let elsewhere: HashSet<_> =
            wallets.iter().copied().filter(|id| *id == self.wallet).collect();
        self.refusals.fetch_add(elsewhere.len(), Ordering::SeqCst);
        Box::pin(std::future::ready(Held::locked(elsewhere, Box::new(()))))
    }
}
