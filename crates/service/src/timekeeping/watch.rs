//! Looks at the clock while services run.

use std::{collections::HashSet, time::Duration};

use tokio::task::JoinHandle;

use super::{
    Bounds, ClockMetrics, Keeper, RecordError,
    plausible::{Readings, server_ahead},
};
use crate::{
    clock::Clock,
    http::problem::chain,
    shutdown::{self, Shutdown, Trigger},
};

/// How often the clock is compared with the time that has passed.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How many looks there are for one question to the databases.
const LOOKS_PER_RECORD: u32 = 15;

/// The watch over the clock of a process. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Watch {
    trigger: Trigger,
    task: JoinHandle<()>,
}

impl Watch {
    /// Starts it, inside a tokio runtime.
    pub fn start(
        clock: Clock,
        bounds: Bounds,
        keepers: Vec<Keeper>,
        metrics: ClockMetrics,
    ) -> Self {
        let (trigger, shutdown) = shutdown::channel();
        for keeper in &keepers {
            metrics.count_from_zero(keeper.service);
        }
        let mut watcher = Watcher {
            clock,
            difference_max: micros(bounds.difference_max),
            keepers,
            metrics,
            not_followed: 0,
            differing: HashSet::new(),
        };
        let task = tokio::spawn(async move { watcher.watch(LOOK_INTERVAL, shutdown).await });
        Self { trigger, task }
    }

    /// Stops it, and waits until no database is used any more.
    pub async fn stop(self) {
        self.trigger.shut_down();
        if self.task.await.is_err() {
            tracing::error!("the watch over the clock ended in a panic");
        }
    }
}

pub(super) struct Watcher {
    pub(super) clock: Clock,
    /// In microseconds.
    pub(super) difference_max: u64,
    pub(super) keepers: Vec<Keeper>,
    pub(super) metrics: ClockMetrics,
    /// By how many microseconds the machine's clock is ahead without being followed.
    pub(super) not_followed: i64,
    /// Services whose database's server has another clock.
    pub(super) differing: HashSet<&'static str>,
}

impl Watcher {
    pub(super) async fn watch(&mut self, interval: Duration, mut shutdown: Shutdown) {
        let mut looks = 0;
        loop {
            self.look();
            if looks % LOOKS_PER_RECORD == 0 {
                self.compare().await;
            }
            looks = looks.wrapping_add(1);
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = shutdown.wait() => return,
            }
        }
    }

    /// Reports a clock that was set since the last look.
    pub(super) fn look(&mut self) {
        let Some(look) = self.clock.look() else { return };
        let ahead = look.ahead_micros();
        let jump = ahead.saturating_sub(self.not_followed);
        if jump.unsigned_abs() > self.difference_max {
            self.metrics.jumps.inc();
            tracing::error!(
                clock.expected = %look.expected,
                clock.found = %look.found,
                clock.jump_seconds = seconds(jump),
                clock.is_followed = look.is_followed,
                "the clock of this machine was set while the process runs"
            );
        }
        self.not_followed = if look.is_followed { 0 } else { ahead };
        self.metrics.not_followed_seconds.set(seconds(self.not_followed));
    }

    /// Compares the clock with the databases' servers, and keeps the time in the databases.
    pub(super) async fn compare(&mut self) {
        for keeper in self.keepers.clone() {
            if let Err(error) = self.compare_with(&keeper).await {
                self.metrics.count_failure(keeper.service);
                let (service, error) = (keeper.service, chain(&*error));
                tracing::warn!(%service, %error, "the time was not compared with the database's");
            }
        }
    }

    async fn compare_with(&mut self, keeper: &Keeper) -> Result<(), RecordError> {
        let before = self.clock.now();
        let known = keeper.record.read().await?;
        let readings = Readings { before, after: self.clock.now() };
        if let Some(server) = known.server {
            let ahead = server_ahead(readings, server);
            self.metrics.set_difference(keeper.service, seconds(ahead));
            let differs = ahead.unsigned_abs() > self.difference_max;
            if differs && self.differing.insert(keeper.service) {
                tracing::error!(
                    service = keeper.service,
                    clock = %readings.after,
                    clock.server = %server,
                    "the clocks of this machine and of the database's server differ"
                );
            } else if !differs && self.differing.remove(keeper.service) {
                tracing::warn!(service = keeper.service, "the clocks agree again");
            }
        }
        keeper.record.advance(readings.after).await
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs few digits")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
