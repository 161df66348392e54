//! A lane: one writer, one batch after the other. It never waits to fill a batch, so an idle service
//! answers after one commit, and a busy one puts into a commit all that arrived during the one before.

use ledger::AccountId;
use service::{clock::Clock, http::problem::chain, shutdown::Shutdown};
use tokio::sync::mpsc;

use super::{
    batch::{Supplies, decide_all, footprint},
    ids::{IdBlock, TransferIds},
    job::{Done, EngineError, Job},
};
use crate::store::{LaneStore, StoreError};

/// How often a batch is decided again because another writer was faster.
const ATTEMPTS_MAX: u32 = 10;

/// One writer and the queue that feeds it.
#[derive(Debug)]
pub(super) struct Lane<S> {
    store: S,
    jobs: mpsc::Receiver<Job>,
    stripe: AccountId,
    batch_jobs_max: usize,
    clock: Clock,
    wallet_ids: IdBlock,
    transaction_ids: IdBlock,
}

impl<S: LaneStore> Lane<S> {
    pub(super) fn new(
        store: S,
        jobs: mpsc::Receiver<Job>,
        stripe: AccountId,
        batch_jobs_max: usize,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            jobs,
            stripe,
            batch_jobs_max,
            clock,
            wallet_ids: IdBlock::wallets(),
            transaction_ids: IdBlock::transactions(),
        }
    }

    /// Works until shutdown; then refuses new jobs and finishes those that wait.
    pub(super) async fn run(&mut self, mut shutdown: Shutdown) {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                taken = self.jobs.recv_many(&mut batch, self.batch_jobs_max) => {
                    if taken == 0 {
                        return;
                    }
                    self.run_batch(batch).await;
                }
                () = shutdown.wait(), if !self.jobs.is_closed() => self.jobs.close(),
            }
        }
    }

    async fn run_batch(&mut self, batch: Vec<Job>) {
        let result = self.decide_and_commit(&batch).await;
        match result {
            Ok(answers) => {
                for (job, done) in batch.into_iter().zip(answers) {
                    job.answer(Ok(done));
                }
            }
            Err(error) => {
                tracing::error!(
                    error = %chain(&error),
                    batch.jobs = batch.len(),
                    "a batch of money was not committed"
                );
                let answer = match error {
                    StoreError::Conflict(_) | StoreError::Failed(_) => EngineError::Unavailable,
                    StoreError::OutcomeUnknown(_) => EngineError::OutcomeUnknown,
                };
                for job in batch {
                    job.answer(Err(answer));
                }
            }
        }
    }

    async fn decide_and_commit(&mut self, batch: &[Job]) -> Result<Vec<Done>, StoreError> {
        let mut attempt = 1;
        loop {
            match self.attempt(batch).await {
                Err(StoreError::Conflict(cause)) if attempt < ATTEMPTS_MAX => {
                    tracing::warn!(%cause, attempt, "another writer was faster; deciding again");
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Load, decide, persist, commit.
    async fn attempt(&mut self, batch: &[Job]) -> Result<Vec<Done>, StoreError> {
        let now = self.clock.now();
        self.transaction_ids.fill(&mut self.store, 2 * batch.len()).await?;
        if batch.iter().any(|job| matches!(job, Job::Open { .. })) {
            self.wallet_ids.fill(&mut self.store, 2 * batch.len()).await?;
        }
        let supplies = Supplies {
            now,
            transfer_ids: TransferIds::new(now, batch.len())
                .map_err(|error| StoreError::Failed(error.into()))?,
            wallet_ids: &mut self.wallet_ids,
            transaction_ids: &mut self.transaction_ids,
        };
        self.store.begin().await?;
        let mut loaded = self.store.load(self.stripe, &footprint(batch, self.stripe)).await?;
        let (mut effects, answers) = decide_all(&mut loaded, batch, supplies);
        effects.changed = loaded.changed_wallets();
        self.store.persist(&effects).await?;
        self.store.commit().await?;
        Ok(answers)
    }
}
