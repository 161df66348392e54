//! Ids for a lane: blocks from the store, and UUIDv7 for transfers.

use ledger::TransferId;
use service::clock::Timestamp;
use uuid::Builder;

use crate::store::{IdKind, LaneStore, StoreError};

/// Ids reserved at a time. A crash loses at most one block of each kind, of 2^53.
const WALLET_BLOCK: i64 = 1_000;
const TRANSACTION_BLOCK: i64 = 100_000;

/// A lane's reserved ids.
#[derive(Debug)]
pub(super) struct IdBlock {
    kind: IdKind,
    block: i64,
    next: i64,
    end: i64,
}

impl IdBlock {
    pub(super) fn wallets() -> Self {
        Self { kind: IdKind::Wallet, block: WALLET_BLOCK, next: 0, end: 0 }
    }

    pub(super) fn transactions() -> Self {
        Self { kind: IdKind::Transaction, block: TRANSACTION_BLOCK, next: 0, end: 0 }
    }

    /// Makes sure that `count` consecutive ids can be taken.
    pub(super) async fn fill<S: LaneStore>(
        &mut self,
        store: &mut S,
        count: usize,
    ) -> Result<(), StoreError> {
        let count = i64::try_from(count).expect("batches are small");
        if self.end - self.next < count {
            let block = self.block.max(count);
            self.next = store.reserve_ids(self.kind, block).await?;
            self.end = self.next + block;
        }
        Ok(())
    }

    /// Takes two consecutive ids and returns the first.
    pub(super) fn take_pair(&mut self) -> i64 {
        let first = self.next;
        self.next += 2;
        assert!(self.next <= self.end, "ids are reserved before they are taken");
        first
    }
}

/// Makes the transfer ids of one batch: UUIDv7 with a counter in the twelve bits after the time
/// (RFC 9562, section 6.2, method 1), so that within a batch too they grow and the database
/// appends.
#[derive(Debug)]
pub(super) struct TransferIds {
    millis: u64,
    random: Vec<u8>,
    taken: usize,
}

const RANDOM_BYTES: usize = 8;

impl TransferIds {
    pub(super) fn new(now: Timestamp, count: usize) -> Result<Self, getrandom::Error> {
        let mut random = vec![0; count * RANDOM_BYTES];
        getrandom::fill(&mut random)?;
        Ok(Self { millis: now.as_millis(), random, taken: 0 })
    }

    pub(super) fn take(&mut self) -> TransferId {
        let counter = u16::try_from(self.taken % 4096).expect("below 4096");
        let start = self.taken * RANDOM_BYTES;
        self.taken += 1;
        let mut bytes = [0; 10];
        bytes[..2].copy_from_slice(&counter.to_be_bytes());
        bytes[2..].copy_from_slice(&self.random[start..start + RANDOM_BYTES]);
        TransferId(
            Builder::from_unix_timestamp_millis(self.millis, &bytes).into_uuid().into_bytes(),
        )
    }
}
