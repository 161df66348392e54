//! What is committed, and what of it is on disk. A commit is visible to readers a moment before the
//! disk confirms it; nobody outside may learn of it earlier than that.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use service::{fatal::Reporter, http::problem::chain};
use tokio::{sync::watch, time::Instant};

use crate::store::StoreError;

/// How long a reader waits for the disk, at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counts commits, begun and durable.
#[derive(Debug)]
pub(crate) struct Durability {
    begun: AtomicU64,
    reached: watch::Sender<Reached>,
    fatal: Reporter,
    /// When a lane last committed something that it had written.
    written_at: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone, Copy)]
struct Reached {
    durable: u64,
    failed: bool,
}

impl Durability {
    pub(super) fn new(fatal: Reporter) -> Self {
        let reached = watch::Sender::new(Reached { durable: 0, failed: false });
        Self { begun: AtomicU64::new(0), reached, fatal, written_at: Mutex::default() }
    }

    /// A commit begins: from now on readers may see it.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// A commit with something in it was made: the database takes writes.
    pub(super) fn wrote(&self, now: Instant) {
        *self.written_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// A batch failed: what was committed before it does not show that another one would be.
    pub(super) fn doubt_writes(&self) {
        *self.written_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the last such commit is no older than this.
    pub(super) fn has_written_within(&self, age: Duration, now: Instant) -> bool {
        let written_at = *self.written_at.lock().unwrap_or_else(PoisonError::into_inner);
        written_at.is_some_and(|at| now.saturating_duration_since(at) <= age)
    }

    /// The number of the newest commit that has begun.
    pub(super) fn newest(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Everything up to this commit is on disk, or was not committed.
    pub(super) fn reach(&self, commit: u64) {
        self.reached.send_modify(|reached| reached.durable = commit);
    }

    /// The disk refused. After that no later success proves anything, so this is for good, and the
    /// process must end.
    pub(super) fn fail(&self, error: &StoreError) {
        self.give_up();
        self.fatal.report(format!(
            "the disk refused to make money durable; no more is moved or told: {}",
            chain(error)
        ));
    }

    /// No commit is made durable any more: readers must not wait for one.
    pub(super) fn give_up(&self) {
        self.reached.send_modify(|reached| reached.failed = true);
    }

    /// Whether the disk has refused, or anything else that ends the process was reported.
    pub(crate) fn is_failed(&self) -> bool {
        self.fatal.is_reported()
    }

    /// Waits until all that a reader may have seen by now is on disk.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        let seen = self.newest();
        let mut reached = self.reached.subscribe();
        let caught_up = reached.wait_for(|reached| reached.failed || reached.durable >= seen);
        match tokio::time::timeout(PATIENCE, caught_up).await {
            Ok(Ok(reached)) if !reached.failed && !self.fatal.is_reported() => Ok(()),
            _ => Err(StoreError::Failed("the disk does not confirm what was read".into())),
        }
    }
}
