//! Answers, once the disk has confirmed. It runs on a thread of its own, so that a lane decides the
//! next batch while the disk is busy with the last one; whatever was committed meanwhile shares one
//! flush.

use std::sync::Arc;

use service::trace::Span;
use tokio::{runtime::Handle, sync::mpsc, time::Instant};

use super::{
    durability::Durability,
    job::{Done, EngineError, Job},
};
use crate::{
    metrics::{EngineMetrics, Stage},
    store::Flush,
};

/// Committed batches that may wait for the disk; beyond it the lane waits too. Few, because
/// requests that wait for the lane meanwhile make its next batch larger, and a large one costs less
/// a request.
pub(super) const COMMITTED_MAX: usize = 1;

/// A batch whose commit has ended, one way or another.
#[derive(Debug)]
pub(super) struct Committed {
    /// The newest commit of [`Durability`] when it ended.
    pub(super) commit: u64,
    pub(super) jobs: Vec<Job>,
    pub(super) answers: Result<Vec<Done>, EngineError>,
    /// Ends with it.
    pub(super) span: Span,
}

/// Flushes and answers until the lane is gone.
pub(super) fn acknowledge<F: Flush>(
    mut flusher: F,
    mut committed: mpsc::Receiver<Committed>,
    durability: &Arc<Durability>,
    runtime: &Handle,
    metrics: &Arc<EngineMetrics>,
) {
    while let Some(first) = committed.blocking_recv() {
        let mut group = vec![first];
        while let Ok(next) = committed.try_recv() {
            group.push(next);
        }
        let newest = group.last().map_or(0, |batch| batch.commit);
        let started = Instant::now();
        flush(&mut flusher, durability, newest);
        let took = started.elapsed();
        metrics.observe_stage(Stage::Flush, took);
        for batch in &group {
            batch.span.record(Stage::Flush.as_str(), took);
        }
        // From inside the runtime, because waking each waiter from outside costs a system call.
        let failed = durability.is_failed();
        let metrics = Arc::clone(metrics);
        runtime.spawn(async move {
            for batch in group {
                batch.answer(failed, &metrics);
            }
        });
    }
}

/// Makes everything up to this commit durable, or ends the service.
fn flush(flusher: &mut impl Flush, durability: &Durability, commit: u64) {
    if durability.is_failed() {
        return durability.give_up();
    }
    match flusher.flush() {
        Ok(()) => durability.reach(commit),
        Err(error) => durability.fail(&error),
    }
}

impl Committed {
    fn answer(self, failed: bool, metrics: &EngineMetrics) {
        let error = match self.answers {
            Ok(answers) if !failed => {
                for (job, done) in self.jobs.into_iter().zip(answers) {
                    job.answer(Ok(done), metrics);
                }
                return;
            }
            Ok(_) => EngineError::OutcomeUnknown,
            Err(error) => error,
        };
        for job in self.jobs {
            job.answer(Err(error), metrics);
        }
    }
}
