//! The clocks of a machine: the time of day, which may be set, and two that only go forward.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// The machine that this runs on, or one that a test holds.
#[derive(Debug, Clone, Default)]
pub(super) enum Machine {
    #[default]
    System,
    Held(Arc<Held>),
}

/// Microseconds since 1970, as set, and as passed.
#[derive(Debug)]
pub(super) struct Held {
    time_of_day: AtomicI64,
    passed: AtomicI64,
}

impl Machine {
    pub(super) fn held(at: i64) -> Self {
        Self::Held(Arc::new(Held { time_of_day: AtomicI64::new(at), passed: AtomicI64::new(at) }))
    }

    /// The time of day, in microseconds since 1970-01-01T00:00:00Z.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time of day")]
    pub(super) fn time_of_day(&self) -> i64 {
        match self {
            Self::System => jiff::Timestamp::now().as_microsecond(),
            Self::Held(held) => held.time_of_day.load(Ordering::SeqCst),
        }
    }

    /// Microseconds since the machine started, also those that it slept. It is not set by anybody.
    pub(super) fn since_boot(&self) -> i64 {
        match self {
            Self::System => {
                let passed = clock_gettime(ClockId::Boottime);
                passed.tv_sec.saturating_mul(1_000_000).saturating_add(passed.tv_nsec / 1_000)
            }
            Self::Held(held) => held.passed.load(Ordering::SeqCst),
        }
    }

    /// Time since some fixed moment, without what the machine slept.
    pub(super) fn monotonic(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        match self {
            Self::System => START.elapsed(),
            Self::Held(_) => {
                Duration::from_micros(u64::try_from(self.since_boot()).unwrap_or_default())
            }
        }
    }

    pub(super) fn advance(&self, by: Duration) {
        if let Self::Held(held) = self {
            let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            for time in [&held.time_of_day, &held.passed] {
                let later = time.load(Ordering::SeqCst).saturating_add(by);
                time.store(later, Ordering::SeqCst);
            }
        }
    }

    pub(super) fn set(&self, at: i64) {
        if let Self::Held(held) = self {
            held.time_of_day.store(at, Ordering::SeqCst);
        }
    }
}
