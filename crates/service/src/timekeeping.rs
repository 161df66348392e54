//! Notices a clock that is wrong. A service keeps the newest time by which it has run in its
//! database. A start whose clock is implausible beside that time, or beside the clock of the
//! database's server, is refused; a running service compares its clock with the time that passes
//! and with the server's, and reports what differs. It changes no clock.

mod metrics;
mod plausible;
mod start;
mod watch;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

pub use self::{
    metrics::ClockMetrics,
    plausible::{Date, Implausible},
    start::{StartError, check_at_start},
    watch::Watch,
};
use crate::{BoxFuture, clock::Timestamp};

/// How far a clock may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How long a service may have been stopped: how far its clock may be ahead of the newest time
    /// in its database.
    pub stopped_max: Duration,
    /// How far it may be behind that time, or away from the clock of the database's server.
    pub difference_max: Duration,
}

/// What a database knows of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownTime {
    /// The newest time by which the service has run; none if it has never run.
    pub newest: Option<Timestamp>,
    /// What the clock of the database's server says, if it is another machine's.
    pub server: Option<Timestamp>,
}

/// Why a database did not tell or keep a time.
pub type RecordError = Box<dyn std::error::Error + Send + Sync>;

/// Where a service keeps the newest time by which it has run.
pub trait TimeRecord: Send + Sync {
    /// What is known.
    fn read(&self) -> BoxFuture<'_, Result<KnownTime, RecordError>>;

    /// Keeps a time unless a later one is kept.
    fn advance(&self, to: Timestamp) -> BoxFuture<'_, Result<(), RecordError>>;

    /// Keeps a time in place of whatever is kept.
    fn replace(&self, with: Timestamp) -> BoxFuture<'_, Result<(), RecordError>>;
}

/// The time that one service keeps.
#[derive(Clone)]
pub struct Keeper {
    /// Whose database, for messages.
    pub service: &'static str,
    /// Where it is kept.
    pub record: Arc<dyn TimeRecord>,
}
