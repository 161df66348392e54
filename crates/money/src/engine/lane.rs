//! A lane: one writer, one batch after the other. It never waits to fill a batch, so an idle
//! service answers after one commit, and a busy one puts into a commit all that arrived during the
//! one before.

use std::sync::Arc;

use ledger::AccountId;
use service::{clock::Clock, http::problem::chain, shutdown::Shutdown};
use tokio::sync::mpsc;

use super::{
    acknowledge::Committed,
    batch::{Supplies, decide_all, footprint},
    durability::Durability,
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
    committed: mpsc::Sender<Committed>,
    durability: Arc<Durability>,
    stripe: AccountId,
    batch_jobs_max: usize,
    clock: Clock,
    wallet_ids: IdBlock,
    transaction_ids: IdBlock,
}

/// Where a lane's jobs come from and its commits go to.
pub(super) struct Ends {
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) committed: mpsc::Sender<Committed>,
    pub(super) durability: Arc<Durability>,
}

impl<S: LaneStore> Lane<S> {
    pub(super) fn new(
        store: S,
        ends: Ends,
        stripe: AccountId,
        batch_jobs_max: usize,
        clock: Clock,
    ) -> Self {
        let Ends { jobs, committed, durability } = ends;
        Self {
            store,
            jobs,
            committed,
            durability,
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

    async fn run_batch(&mut self, jobs: Vec<Job>) {
        if self.durability.is_failed() {
            for job in jobs {
                job.answer(Err(EngineError::Unavailable));
            }
            return;
        }
        let result = self.decide_and_commit(&jobs).await;
        let answers = result.map_err(|error| {
            tracing::error!(
                error = %chain(&error),
                batch.jobs = jobs.len(),
                "a batch of money was not committed"
            );
            match error {
                StoreError::Conflict(_) | StoreError::Failed(_) => EngineError::Unavailable,
                StoreError::OutcomeUnknown(_) => EngineError::OutcomeUnknown,
            }
        });
        let commit = self.durability.newest();
        let batch = Committed { commit, jobs, answers };
        if self.committed.send(batch).await.is_err() {
            tracing::error!("the acknowledging thread is gone; outcomes are unknown");
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
        // Before the commit, because readers may see it before the call returns.
        self.durability.begin();
        self.store.commit().await?;
        Ok(answers)
    }
}
