//! What makes a clock implausible. Pure.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{ToSpan as _, civil, tz::TimeZone};

use super::{Bounds, KnownTime};
use crate::clock::Timestamp;

/// When a clock was read, right before and right after the database was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readings {
    pub(super) before: Timestamp,
    pub(super) after: Timestamp,
}

/// Why a clock is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Implausible {
    /// It is ahead of the newest time in the database by more than the service may have been
    /// stopped.
    Ahead {
        /// The clock.
        clock: Timestamp,
        /// The newest time in the database.
        newest: Timestamp,
    },
    /// It is behind the newest time in the database.
    Behind {
        /// The clock.
        clock: Timestamp,
        /// The newest time in the database.
        newest: Timestamp,
    },
    /// It differs from the clock of the database's server.
    Differs {
        /// The clock.
        clock: Timestamp,
        /// The server's.
        server: Timestamp,
    },
}

/// The first reason not to believe a clock, if there is one.
pub(super) fn judge(readings: Readings, known: KnownTime, bounds: Bounds) -> Option<Implausible> {
    let Readings { before, after } = readings;
    if let Some(server) = known.server
        && server_ahead(readings, server).unsigned_abs()
            > u64::try_from(bounds.difference_max.as_micros()).unwrap_or(u64::MAX)
    {
        return Some(Implausible::Differs { clock: after, server });
    }
    let newest = known.newest?;
    if before.since(newest) > bounds.stopped_max {
        Some(Implausible::Ahead { clock: before, newest })
    } else if newest.since(after) > bounds.difference_max {
        Some(Implausible::Behind { clock: after, newest })
    } else {
        None
    }
}

/// By how much the server's clock is ahead of ours, in microseconds; negative if it is behind. The
/// time that the question took is in our favour.
pub(super) fn server_ahead(readings: Readings, server: Timestamp) -> i64 {
    let of = |time: Timestamp| time.as_micros();
    let nearest =
        of(server).clamp(of(readings.before), of(readings.after).max(of(readings.before)));
    of(server).saturating_sub(nearest)
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ahead { clock, newest } => write!(
                f,
                "the clock of this machine says {clock}, but the newest time in the database is \
                 {newest}: {} earlier, longer than a service may be stopped",
                Length(clock.since(*newest))
            ),
            Self::Behind { clock, newest } => write!(
                f,
                "the clock of this machine says {clock}, but the newest time in the database is \
                 {newest}: {} later",
                Length(newest.since(*clock))
            ),
            Self::Differs { clock, server } => write!(
                f,
                "the clock of this machine says {clock}, but the clock of the database's server \
                 says {server}: {} {}",
                Length(clock.since(*server).max(server.since(*clock))),
                if server > clock { "later" } else { "earlier" }
            ),
        }
    }
}

/// A length of time for people, in the largest unit of which there are two.
struct Length(Duration);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let units = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
        match units.into_iter().find(|(_, length)| seconds >= 2 * length) {
            Some((unit, length)) => write!(f, "{} {unit}", seconds / length),
            None => write!(f, "{:.1} seconds", self.0.as_secs_f64()),
        }
    }
}

/// A date without a time, such as `2026-11-26`, by which an operator confirms what day it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(civil::Date);

impl Date {
    /// Whether it is this date at this time, somewhere on Earth.
    pub fn is_at(self, time: Timestamp) -> bool {
        let Ok(time) = jiff::Timestamp::from_microsecond(time.as_micros()) else { return false };
        let today = time.to_zoned(TimeZone::UTC).date();
        [today.checked_sub(1.day()), Ok(today), today.checked_add(1.day())]
            .into_iter()
            .flatten()
            .any(|date| date == self.0)
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let date = text.parse().ok().filter(|date: &civil::Date| date.to_string() == text);
        date.map(Self).ok_or_else(|| "must be a date such as 2026-11-26".to_owned())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
