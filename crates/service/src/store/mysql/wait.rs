//! Notes and reports what a start or a migration waits for, so that an operator sees it while it
//! lasts.

use std::time::Duration;

use tokio::time::{Instant, interval_at};

use crate::waiting::waiting_for;

/// How long a step may take before the first report.
const FIRST_REPORT: Duration = Duration::from_secs(1);

/// Time between two further reports of one step.
const NEXT_REPORTS: Duration = Duration::from_secs(10);

/// A step that has not ended yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// What it waits for, such as `another instance that is migrating the schema`.
    pub what: &'a str,
    /// How long it has waited.
    pub since: Duration,
}

/// Where reports go. Called on the task that waits, so it must not block.
pub type Report = fn(&Waiting<'_>);

/// Awaits a step, which is in [`crate::waiting`] as long, and reports it after a second and every
/// ten seconds from then on. Dropping the future drops the step.
pub(super) async fn reported<T>(report: Report, what: &str, step: impl Future<Output = T>) -> T {
    let _waiting = waiting_for(what);
    let started = Instant::now();
    let mut reports = interval_at(started + FIRST_REPORT, NEXT_REPORTS);
    let mut step = std::pin::pin!(step);
    loop {
        tokio::select! {
            biased;
            done = &mut step => return done,
            _ = reports.tick() => report(&Waiting { what, since: started.elapsed() }),
        }
    }
}
