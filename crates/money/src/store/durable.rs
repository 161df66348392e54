//! Reads that tell only what is on disk: each waits, after it has read, for the commits that it may
//! have seen. When nothing is being written that is at once.

use std::sync::Arc;

use ledger::{AccountId, IdempotencyKey, TransferId, Wallet, WalletId};
use service::BoxFuture;

use super::{
    BooksPage, BooksQuery, HistoryPage, HistoryQuery, Reads, StoreError, Totals, TransferView,
};
use crate::engine::Durability;

/// Another store's reads, held back until the disk has confirmed.
pub(crate) struct DurableReads {
    pub(crate) reads: Arc<dyn Reads>,
    pub(crate) durabilities: Arc<[Arc<Durability>]>,
}

impl DurableReads {
    fn held_back<'a, T: Send + 'a>(
        &'a self,
        read: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            let found = read.await?;
            for durability in &*self.durabilities {
                durability.catch_up().await?;
            }
            Ok(found)
        })
    }
}

impl Reads for DurableReads {
    fn wallet(&self, id: WalletId) -> BoxFuture<'_, Result<Option<Wallet>, StoreError>> {
        self.held_back(self.reads.wallet(id))
    }

    fn wallets_of(&self, account_id: AccountId) -> BoxFuture<'_, Result<Vec<Wallet>, StoreError>> {
        self.held_back(self.reads.wallets_of(account_id))
    }

    fn transfer(&self, id: TransferId) -> BoxFuture<'_, Result<Option<TransferView>, StoreError>> {
        self.held_back(self.reads.transfer(id))
    }

    fn transfer_by_key(
        &self,
        key: IdempotencyKey,
    ) -> BoxFuture<'_, Result<Option<TransferView>, StoreError>> {
        self.held_back(self.reads.transfer_by_key(key))
    }

    fn history(
        &self,
        query: HistoryQuery,
    ) -> BoxFuture<'_, Result<Option<HistoryPage>, StoreError>> {
        self.held_back(self.reads.history(query))
    }

    fn books(&self, query: BooksQuery) -> BoxFuture<'_, Result<BooksPage, StoreError>> {
        self.held_back(self.reads.books(query))
    }

    fn feed_sequence(&self) -> BoxFuture<'_, Result<i64, StoreError>> {
        self.held_back(self.reads.feed_sequence())
    }

    fn totals(&self) -> BoxFuture<'_, Result<Totals, StoreError>> {
        self.held_back(self.reads.totals())
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.held_back(self.reads.ping())
    }
}
