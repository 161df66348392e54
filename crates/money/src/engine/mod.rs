//! The engine turns many concurrent requests into few durable commits (group commit). A request
//! puts a job on a bounded queue and awaits its answer; a lane takes what is waiting, decides all
//! of it over one load, commits once, and only then answers.

mod acknowledge;
mod batch;
mod durability;
mod ids;
mod job;
mod lane;

use std::{panic::AssertUnwindSafe, sync::Arc, thread, time::Duration};

use ledger::{AccountId, Command, Currency, OpeningRejection, Wallet};
use service::{clock::Clock, contract::account_feed::AccountChange, shutdown::Shutdown};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

pub(crate) use self::durability::Durability;
pub use self::job::{Answer, EngineError};
use self::{
    acknowledge::{COMMITTED_MAX, acknowledge},
    job::Job,
    lane::{Ends, Lane},
};
use crate::store::LaneStore;

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

/// Puts jobs on the queue; clones freely.
#[derive(Debug, Clone)]
pub struct Engine {
    queue: mpsc::Sender<Job>,
    durability: Arc<Durability>,
}

/// The engine's threads, to be waited for at the end.
#[derive(Debug)]
pub struct EngineThreads {
    lane: thread::JoinHandle<()>,
    acknowledger: thread::JoinHandle<()>,
}

/// The stripe of the only lane in a process on SQLite.
const STRIPE: AccountId = AccountId(1);

/// A lane that panics starts anew, but not in a tight circle.
const RESTART_PAUSE: Duration = Duration::from_millis(50);

impl Engine {
    /// Starts the lane and whoever answers for it, each on a thread of its own, where they may
    /// block. Must be called inside a tokio runtime, in which the answers are given.
    pub fn start<S: LaneStore + 'static>(
        store: S,
        config: EngineConfig,
        clock: Clock,
        shutdown: Shutdown,
    ) -> std::io::Result<(Self, EngineThreads)> {
        let (queue, jobs) = mpsc::channel(config.queue_jobs_max);
        let (committed, to_acknowledge) = mpsc::channel(COMMITTED_MAX);
        let durability = Arc::new(Durability::new());
        let flusher = store.flusher()?;
        let ends = Ends { jobs, committed, durability: Arc::clone(&durability) };
        let lane = Lane::new(store, ends, STRIPE, config.batch_jobs_max, clock);
        let lane = thread::Builder::new()
            .name("money-lane".to_owned())
            .spawn(move || run_lane(lane, &shutdown))?;
        let (shared, runtime) = (Arc::clone(&durability), Handle::current());
        let acknowledger = thread::Builder::new()
            .name("money-flush".to_owned())
            .spawn(move || acknowledge(flusher, to_acknowledge, &shared, &runtime))?;
        Ok((Self { queue, durability }, EngineThreads { lane, acknowledger }))
    }

    /// What of the commits is on disk.
    pub(crate) fn durability(&self) -> &Arc<Durability> {
        &self.durability
    }

    /// Moves money. `Ok` means that the answer is on disk.
    pub async fn move_money(&self, command: Command) -> Result<Answer, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Move { command, reply })?;
        // A lane that ended without answering was cut off somewhere: nobody knows where.
        answer.await.unwrap_or(Err(EngineError::OutcomeUnknown))
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

    fn submit(&self, job: Job) -> Result<(), EngineError> {
        self.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => EngineError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => EngineError::ShuttingDown,
        })
    }
}

impl EngineThreads {
    /// Waits until everything that was queued is answered and the database is closed.
    pub async fn join(self) {
        let Self { lane, acknowledger } = self;
        // The acknowledger ends when the lane is gone and the last batch is answered.
        let join = move || lane.join().and_then(|()| acknowledger.join());
        if !matches!(tokio::task::spawn_blocking(join).await, Ok(Ok(()))) {
            tracing::error!("the money engine ended in a panic");
        }
    }
}

/// Runs the lane until shutdown. A panic costs the batch in which it struck, whose callers learn
/// that their outcome is unknown; the queue and everyone behind it go on.
fn run_lane<S: LaneStore>(mut lane: Lane<S>, shutdown: &Shutdown) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O needs nothing that could be missing");
    loop {
        let run = AssertUnwindSafe(|| runtime.block_on(lane.run(shutdown.clone())));
        if std::panic::catch_unwind(run).is_ok() {
            return;
        }
        tracing::error!("the money lane panicked and starts anew");
        thread::sleep(RESTART_PAUSE);
    }
}

impl Engine {
    /// How many jobs wait, and how many may.
    pub fn queue_depth(&self) -> (usize, usize) {
        let max = self.queue.max_capacity();
        (max - self.queue.capacity(), max)
    }
}

#[cfg(test)]
mod tests;
