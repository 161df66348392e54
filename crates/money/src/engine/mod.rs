//! The engine turns many concurrent requests into few durable commits (group commit). A request
//! puts a job on a bounded queue and awaits its answer; a lane takes what is waiting, decides all
//! of it over one load, commits once, and only then answers.

mod acknowledge;
mod batch;
mod directory;
mod durability;
mod footprint;
mod ids;
mod job;
mod lane;
mod queue;
mod retry;
mod trace;

use std::{panic::AssertUnwindSafe, sync::Arc, thread, time::Duration};

use ledger::{AccountId, Closing, ClosingDecision, Command, Currency, OpeningRejection, Wallet};
use prometheus_client::registry::Registry;
use service::{
    clock::Clock, contract::account_feed::AccountChange, fatal::Reporter,
    metrics::register_observed, shutdown::Shutdown,
};
use tokio::{
    runtime::{Handle, Runtime},
    sync::{mpsc, oneshot},
    time::Instant,
};

pub(crate) use self::durability::Durability;
pub use self::job::{Answer, EngineError};
use self::{
    acknowledge::{COMMITTED_MAX, acknowledge},
    directory::Directory,
    footprint::keys,
    job::Job,
    lane::{Lane, Surroundings},
    queue::{Queue, Sharing},
};
use crate::{
    locks::WalletLocks,
    metrics::{EngineMetrics, type_of},
    store::LaneStore,
};

/// Bounds of the engine.
#[derive(Debug, Clone, Copy)]
pub struct EngineConfig {
    /// Jobs that may wait; beyond it a request is answered 503 at once.
    pub queue_jobs_max: usize,
    /// Jobs in one commit.
    pub batch_jobs_max: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { queue_jobs_max: 16_384, batch_jobs_max: 1_024 }
    }
}

/// Puts jobs on the queue; clones freely, and each request has one.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Arc<Queue>,
    directory: Arc<Directory>,
    durabilities: Arc<[Arc<Durability>]>,
    metrics: Arc<EngineMetrics>,
    /// Whether only a lane can show that the database takes writes.
    is_embedded: bool,
}

/// The engine's threads, to be waited for at the end.
#[derive(Debug)]
pub struct EngineThreads(Vec<LaneThreads>);

#[derive(Debug)]
struct LaneThreads {
    lane: thread::JoinHandle<()>,
    acknowledger: thread::JoinHandle<()>,
}

/// What the engine works with besides its store.
pub struct EngineParts {
    /// Its bounds.
    pub config: EngineConfig,
    /// Locks that several instances share, if there are several.
    pub locks: Option<Arc<dyn WalletLocks>>,
    /// The time.
    pub clock: Clock,
    /// What it counts.
    pub(crate) metrics: Arc<EngineMetrics>,
    /// Where it is reported that the disk refused a flush.
    pub fatal: Reporter,
}

/// A lane that panics starts anew, but not in a tight circle.
const RESTART_PAUSE: Duration = Duration::from_millis(50);

/// A commit that is no older shows that the database takes writes.
const WRITE_TRUSTED_MAX: Duration = Duration::from_secs(1);

/// How long it may take to show it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

impl Engine {
    /// Starts the lanes, and for each one whoever answers for it, each on a thread of its own,
    /// where they may block. Must be called inside a tokio runtime, in which the answers are given.
    pub fn start<S: LaneStore + 'static>(
        lanes: Vec<S>,
        parts: &EngineParts,
        shutdown: &Shutdown,
    ) -> std::io::Result<(Self, EngineThreads)> {
        assert!(!lanes.is_empty(), "somebody must do the work");
        let is_shared = lanes.len() > 1 || parts.locks.is_some();
        let sharing = Sharing { is_shared, gathers: S::IS_REMOTE };
        let queue = Queue::new(parts.config.queue_jobs_max, sharing);
        let directory = Arc::new(Directory::new());
        let (mut threads, mut durabilities) = (Vec::new(), Vec::new());
        parts.metrics.lanes.set(i64::try_from(lanes.len()).expect("lanes are few"));
        for store in lanes {
            let (committed, to_acknowledge) = mpsc::channel(COMMITTED_MAX);
            let durability = Arc::new(Durability::new(parts.fatal.clone()));
            let flusher = store.flusher()?;
            let surroundings = Surroundings {
                queue: Arc::clone(&queue),
                committed,
                durability: Arc::clone(&durability),
                directory: Arc::clone(&directory),
                locks: parts.locks.clone(),
                batch_jobs_max: parts.config.batch_jobs_max,
                clock: parts.clock.clone(),
                metrics: Arc::clone(&parts.metrics),
            };
            let (lane, shutdown) = (Lane::new(store, surroundings), shutdown.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let lane = thread::Builder::new()
                .name("money-lane".to_owned())
                .spawn(move || run_lane(&runtime, lane, &shutdown))?;
            let (shared, runtime) = (Arc::clone(&durability), Handle::current());
            let metrics = Arc::clone(&parts.metrics);
            let acknowledger = thread::Builder::new()
                .name("money-flush".to_owned())
                .spawn(move || acknowledge(flusher, to_acknowledge, &shared, &runtime, &metrics))?;
            threads.push(LaneThreads { lane, acknowledger });
            durabilities.push(durability);
        }
        let durabilities = durabilities.into();
        let metrics = Arc::clone(&parts.metrics);
        let shared = Shared { queue, directory, durabilities, metrics, is_embedded: !S::IS_REMOTE };
        Ok((Self(Arc::new(shared)), EngineThreads(threads)))
    }

    /// What of each lane's commits is on disk.
    pub(crate) fn durabilities(&self) -> &Arc<[Arc<Durability>]> {
        &self.0.durabilities
    }

    /// Moves money. `Ok` means that the answer is on disk.
    pub async fn move_money(&self, command: Command) -> Result<Answer, EngineError> {
        let (reply, answer) = oneshot::channel();
        let r#type = type_of(&command);
        let turned_away = match self.submit(Job::Move { command, reply }) {
            // Whoever answers counts the outcome: the client may be gone by then.
            Ok(()) => match answer.await {
                Ok(answered) => return answered,
                // A lane that ended without answering was cut off somewhere: nobody knows where.
                Err(_) => Err(EngineError::OutcomeUnknown),
            },
            Err(error) => Err(error),
        };
        self.0.metrics.count_outcome(r#type, &turned_away);
        turned_away
    }

    /// Opens a wallet.
    pub async fn open_wallet(
        &self,
        account_id: AccountId,
        currency: Currency,
    ) -> Result<Result<Wallet, OpeningRejection>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Open { account_id, currency, reply })?;
        answer.await.unwrap_or(Err(EngineError::OutcomeUnknown))
    }

    /// Applies a change of the account feed, together with its place in the feed.
    pub async fn apply_change(&self, change: AccountChange) -> Result<(), EngineError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Stand { change, reply })?;
        answer.await.unwrap_or(Err(EngineError::OutcomeUnknown))
    }

    /// Closes an account's wallets if none of them holds money. `Ok` means that the answer is on
    /// disk. Asking again with the same attempt changes nothing.
    pub async fn close_wallets(&self, closing: Closing) -> Result<ClosingDecision, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Close { closing, reply })?;
        answer.await.unwrap_or(Err(EngineError::OutcomeUnknown))
    }

    /// Shows that the database takes writes, in bounded time: by a commit of the last moment, or by
    /// one of a row that means nothing. A server is asked by [`crate::store::Reads::ping`] instead.
    pub(crate) async fn prove_writable(&self) -> Result<(), EngineError> {
        let now = Instant::now();
        let has_written = |lane: &Arc<Durability>| lane.has_written_within(WRITE_TRUSTED_MAX, now);
        if !self.0.is_embedded || self.0.durabilities.iter().any(has_written) {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Probe { reply })?;
        match tokio::time::timeout(PROBE_TIMEOUT, answer).await {
            Ok(Ok(probed)) => probed,
            Ok(Err(_)) | Err(_) => Err(EngineError::Unavailable),
        }
    }

    /// Makes it readable how full the queue is.
    pub(crate) fn register_queue(&self, registry: &mut Registry) {
        let (jobs, jobs_max) = (Arc::clone(&self.0.queue), Arc::clone(&self.0.queue));
        let name = "mypay_money_queue_jobs";
        register_observed(registry, name, "Jobs that wait for a lane", move || {
            Some(jobs.depth().0 as u64)
        });
        let name = "mypay_money_queue_jobs_max";
        let help = "Jobs that may wait; more are refused";
        register_observed(registry, name, help, move || Some(jobs_max.depth().1 as u64));
    }

    /// How many jobs wait, and how many may.
    pub fn queue_depth(&self) -> (usize, usize) {
        self.0.queue.depth()
    }

    fn submit(&self, job: Job) -> Result<(), EngineError> {
        let pushed = self.0.queue.push(job, |job| keys(job, &self.0.directory));
        if matches!(pushed, Err(EngineError::Overloaded)) {
            self.0.metrics.queue_refusals.inc();
        }
        pushed
    }
}

impl EngineThreads {
    /// Waits until everything that was queued is answered and the database is closed.
    pub async fn join(self) {
        // An acknowledger ends when its lane is gone and the last batch is answered.
        let join = move || {
            let ended: Vec<_> = self
                .0
                .into_iter()
                .map(|LaneThreads { lane, acknowledger }| {
                    lane.join().and_then(|()| acknowledger.join())
                })
                .collect();
            ended.iter().all(Result::is_ok)
        };
        if !tokio::task::spawn_blocking(join).await.unwrap_or(false) {
            tracing::error!("the money engine ended in a panic");
        }
    }
}

/// Runs the lane until shutdown. A panic costs the batch in which it struck, whose callers learn
/// that their outcome is unknown; the queue and everyone behind it go on.
fn run_lane<S: LaneStore>(runtime: &Runtime, mut lane: Lane<S>, shutdown: &Shutdown) {
    loop {
        let run = AssertUnwindSafe(|| runtime.block_on(lane.run(shutdown.clone())));
        if std::panic::catch_unwind(run).is_ok() {
            return;
        }
        tracing::error!("the money lane panicked and starts anew");
        thread::sleep(RESTART_PAUSE);
    }
}

#[cfg(test)]
mod tests;
