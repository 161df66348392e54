//! A lane: one writer, one batch after the other. It never waits to fill a batch, so an idle
//! service answers after one commit, and a busy one puts into a commit all that arrived during the
//! one before.

use std::{collections::HashSet, sync::Arc};

use ledger::{AccountId, WalletId};
use service::{clock::Clock, http::problem::chain, shutdown::Shutdown, trace::Span};
use tokio::{sync::mpsc, time::Instant};

use super::{
    acknowledge::Committed,
    batch::{Supplies, decide_all},
    directory::Directory,
    durability::Durability,
    footprint::{footprint, wallets},
    ids::{IdBlock, TransferIds},
    job::{Done, EngineError, Job},
    queue::{Batch, Queue, Waiting},
    retry::{Attempts, pause},
    trace::begin_batch,
};
use crate::{
    locks::WalletLocks,
    metrics::{EngineMetrics, Stage},
    store::{LaneStore, StoreError},
};

/// One writer and the queue that feeds it.
pub(super) struct Lane<S> {
    store: S,
    surroundings: Surroundings,
    stripe: Option<AccountId>,
    /// Whether the next batch uses another one.
    is_stripe_worn: bool,
    wallet_ids: IdBlock,
    transaction_ids: IdBlock,
}

/// Where a lane's jobs come from, where its commits go to, and what it shares with other lanes.
pub(super) struct Surroundings {
    pub(super) queue: Arc<Queue>,
    pub(super) committed: mpsc::Sender<Committed>,
    pub(super) durability: Arc<Durability>,
    pub(super) directory: Arc<Directory>,
    pub(super) locks: Option<Arc<dyn WalletLocks>>,
    pub(super) batch_jobs_max: usize,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<EngineMetrics>,
}

impl<S: LaneStore> Lane<S> {
    pub(super) fn new(store: S, surroundings: Surroundings) -> Self {
        Self {
            store,
            surroundings,
            stripe: None,
            is_stripe_worn: false,
            wallet_ids: IdBlock::wallets(),
            transaction_ids: IdBlock::transactions(),
        }
    }

    /// Works until shutdown; then refuses new jobs and finishes those that wait.
    pub(super) async fn run(&mut self, mut shutdown: Shutdown) {
        // A lane that starts again after a panic may have left a transaction open.
        self.roll_back().await;
        let queue = Arc::clone(&self.surroundings.queue);
        let jobs_max = self.surroundings.batch_jobs_max;
        while let Some(batch) = queue.take(jobs_max, &mut shutdown).await {
            let taken = Instant::now();
            self.run_batch(batch, taken).await;
            self.surroundings.metrics.count_busy(taken.elapsed());
        }
    }

    async fn run_batch(&mut self, mut batch: Batch, taken: Instant) {
        let waiting = std::mem::take(&mut batch.jobs);
        if self.surroundings.durability.is_failed() {
            for Waiting { job, .. } in waiting {
                job.answer(Err(EngineError::Unavailable), &self.surroundings.metrics);
            }
            return;
        }
        // Kept until the last commit: it releases the locks when it is dropped.
        let (ready, held) = match &self.surroundings.locks {
            Some(locks) if !batch.is_overdue => {
                let held = locks.acquire(&self.wallets_of(&waiting)).await;
                let took = taken.elapsed();
                self.surroundings.metrics.observe_stage(Stage::Lock, took);
                let (ready, deferred) = self.part(waiting, &held.elsewhere);
                if !deferred.is_empty() {
                    batch.defer(deferred, pause(1));
                }
                (ready, Some((held, took)))
            }
            _ => (waiting, None),
        };
        if ready.is_empty() {
            return;
        }
        let waits = ready.iter().map(|waiting| waiting.waited(taken));
        self.surroundings.metrics.observe_batch(ready.len(), waits);
        let span = begin_batch(&ready, taken);
        if let Some((_, took)) = &held {
            span.record(Stage::Lock.as_str(), *took);
        }
        let jobs = ready.into_iter().map(|waiting| waiting.job).collect();
        self.settle(jobs, &span).await;
    }

    /// The wallets to be locked: ascending, each once.
    fn wallets_of(&self, batch: &[Waiting]) -> Vec<WalletId> {
        let directory = &self.surroundings.directory;
        let mut ids: Vec<_> =
            batch.iter().flat_map(|waiting| wallets(&waiting.job, directory)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Parts the jobs into those that may go on, and those whose wallets are held elsewhere, or
    /// that share a wallet with such a job before them.
    fn part(
        &self,
        batch: Vec<Waiting>,
        elsewhere: &HashSet<WalletId>,
    ) -> (Vec<Waiting>, Vec<Waiting>) {
        let (mut ready, mut deferred) = (Vec::new(), Vec::new());
        let mut passed = HashSet::new();
        for waiting in batch {
            let must_wait = !elsewhere.is_empty()
                && (waiting.keys().any(|key| passed.contains(&key))
                    || wallets(&waiting.job, &self.surroundings.directory)
                        .iter()
                        .any(|id| elsewhere.contains(id)));
            if must_wait {
                passed.extend(waiting.keys());
                deferred.push(waiting);
            } else {
                ready.push(waiting);
            }
        }
        (ready, deferred)
    }

    /// Decides and commits. If the database refuses what one of them does, it is parted until that
    /// one fails alone.
    async fn settle(&mut self, jobs: Vec<Job>, span: &Span) {
        let mut parts = vec![jobs];
        while let Some(mut jobs) = parts.pop() {
            if jobs.is_empty() {
                continue;
            }
            let result = self.decide_and_commit(&jobs, span).await;
            if let (Err(StoreError::Refused(_)), 2..) = (&result, jobs.len()) {
                let second = jobs.split_off(jobs.len() / 2);
                parts.extend([second, jobs]);
                continue;
            }
            self.hand_over(jobs, result, span.clone()).await;
        }
    }

    async fn hand_over(&self, jobs: Vec<Job>, result: Result<Vec<Done>, StoreError>, span: Span) {
        let answers = result.map_err(|error| {
            tracing::error!(
                error = %chain(&error),
                batch.jobs = jobs.len(),
                "a batch of money was not committed"
            );
            match error {
                StoreError::Again(..) | StoreError::Refused(_) | StoreError::Failed(_) => {
                    span.fail("unavailable");
                    EngineError::Unavailable
                }
                StoreError::OutcomeUnknown(_) => {
                    span.fail("outcome_unknown");
                    EngineError::OutcomeUnknown
                }
            }
        });
        let commit = self.surroundings.durability.newest();
        let batch = Committed { commit, jobs, answers, span };
        if self.surroundings.committed.send(batch).await.is_err() {
            tracing::error!("the acknowledging thread is gone; outcomes are unknown");
        }
    }

    async fn decide_and_commit(
        &mut self,
        batch: &[Job],
        span: &Span,
    ) -> Result<Vec<Done>, StoreError> {
        let mut attempts = Attempts::start(Instant::now());
        loop {
            let (reason, cause) = match self.attempt(batch, span).await {
                Err(StoreError::Again(reason, cause)) => (reason, cause),
                result => return result,
            };
            let Some(pause) = attempts.next(Instant::now()) else {
                return Err(StoreError::Again(reason, cause));
            };
            self.surroundings.metrics.count_retry(reason);
            span.event("tried again", "reason", reason.as_str());
            tracing::debug!(%cause, ?reason, "a batch is tried again");
            tokio::time::sleep(pause).await;
        }
    }

    /// The stripe to decide with.
    async fn stripe(&mut self) -> Result<AccountId, StoreError> {
        let full = match self.stripe {
            Some(stripe) if !self.is_stripe_worn => return Ok(stripe),
            stripe => stripe,
        };
        let taken = self.store.take_stripe(full).await?;
        if let Some(full) = full {
            tracing::warn!(
                stripe = taken.0,
                stripe.before = full.0,
                "the system's wallets are half full and others take over"
            );
        }
        self.is_stripe_worn = false;
        Ok(*self.stripe.insert(taken))
    }

    /// Load, decide, persist, commit; or nothing at all, at once, so that no lock outlives it.
    async fn attempt(&mut self, batch: &[Job], span: &Span) -> Result<Vec<Done>, StoreError> {
        let result = self.attempt_once(batch, span).await;
        if result.is_err() {
            self.surroundings.durability.doubt_writes();
            self.roll_back().await;
        }
        result
    }

    async fn roll_back(&mut self) {
        if let Err(error) = self.store.rollback().await {
            tracing::warn!(error = %chain(&error), "a batch was not rolled back");
        }
    }

    async fn attempt_once(&mut self, batch: &[Job], span: &Span) -> Result<Vec<Done>, StoreError> {
        let now = self.surroundings.clock.now();
        let mut watch = Stopwatch::start(&self.surroundings.metrics, span, Stage::Load);
        let stripe = self.stripe().await?;
        self.transaction_ids.fill(&mut self.store, 2 * batch.len()).await?;
        if batch.iter().any(Job::may_open_wallets) {
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
        let mut books = self.store.load(stripe, &footprint(batch, stripe)).await?;
        if self.surroundings.queue.is_shared() {
            self.surroundings.directory.learn(&books.loaded);
        }
        watch.go_on_with(Stage::Decide);
        let (mut effects, answers) = decide_all(&mut books, batch, supplies);
        effects.changed = books.loaded.changed_wallets();
        self.is_stripe_worn = books.loaded.needs_another_stripe();
        watch.go_on_with(Stage::Persist);
        self.store.persist(&effects).await?;
        watch.go_on_with(Stage::Commit);
        // Before the commit, because readers may see it before the call returns.
        self.surroundings.durability.begin();
        self.store.commit().await?;
        if !effects.is_empty() {
            self.surroundings.durability.wrote(Instant::now());
        }
        Ok(answers)
    }
}

/// Measures the stages of an attempt, one after the other, also the one in which it fails.
struct Stopwatch<'a> {
    metrics: Arc<EngineMetrics>,
    span: &'a Span,
    stage: Stage,
    since: Instant,
}

impl<'a> Stopwatch<'a> {
    fn start(metrics: &Arc<EngineMetrics>, span: &'a Span, stage: Stage) -> Self {
        Self { metrics: Arc::clone(metrics), span, stage, since: Instant::now() }
    }

    /// A stage ends, and the next one begins.
    fn go_on_with(&mut self, next: Stage) {
        let now = Instant::now();
        self.end(now);
        self.stage = next;
        self.since = now;
    }

    fn end(&self, now: Instant) {
        self.metrics.observe_stage(self.stage, now - self.since);
        self.span.record(self.stage.as_str(), now - self.since);
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.end(Instant::now());
    }
}
