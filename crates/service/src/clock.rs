//! Time, as an argument: a [`Clock`] is the machine's, or one that a test holds and moves. Nothing
//! else in the workspace reads the time of day.

mod machine;
mod steady;

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use serde::{Serialize, Serializer};

pub(crate) use self::steady::Look;
use self::{machine::Machine, steady::Steady};

/// A moment: whole microseconds since 1970-01-01T00:00:00Z. Shown as RFC 3339, always in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch, as databases store it.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, as UUIDv7 carries it.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0 / 1000).unwrap_or(0)
    }

    /// The moment `duration` later; saturates at the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The moment `duration` earlier; saturates at the beginning of time.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.6}"),
            Err(_) => f.write_str("0000-01-01T00:00:00Z"),
        }
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads RFC 3339 with any offset.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse::<jiff::Timestamp>()?.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the time comes from.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    machine: Machine,
    steady: Option<Arc<Steady>>,
}

impl Clock {
    /// The machine's clock, whatever it says.
    pub const fn system() -> Self {
        Self { machine: Machine::System, steady: None }
    }

    /// A clock that stands still until [`Clock::advance`] moves it. Clones share the time.
    pub fn held(at: Timestamp) -> Self {
        Self { machine: Machine::held(at.0), steady: None }
    }

    /// The same clock, but it does not follow the machine's when that jumps further than
    /// `jump_max`: it goes on by the time that has passed, until the machine's clock is back.
    #[must_use]
    pub fn steady(self, jump_max: Duration) -> Self {
        let steady = Steady::new(self.machine.time_of_day(), self.machine.since_boot(), jump_max);
        Self { steady: Some(Arc::new(steady)), ..self }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        let time_of_day = self.machine.time_of_day();
        match &self.steady {
            Some(steady) => Timestamp(steady.now(time_of_day, self.machine.since_boot())),
            None => Timestamp(time_of_day),
        }
    }

    /// Compares the machine's clock with the time that has passed since the last look. A clock that
    /// is not steady believes everything, so there is nothing to compare with.
    pub(crate) fn look(&self) -> Option<Look> {
        let steady = self.steady.as_ref()?;
        Some(steady.look(self.machine.time_of_day(), self.machine.since_boot()))
    }

    /// Time since some fixed moment, for measuring intervals: unlike the time of day, it never goes
    /// back when an operator or a time server corrects the machine.
    pub fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }

    /// Moves a held clock forward; the machine's clock cannot be moved, and stays.
    pub fn advance(&self, by: Duration) {
        self.machine.advance(by);
    }

    /// Sets a held clock without time passing, as an operator or a time server sets a machine's.
    pub fn set(&self, at: Timestamp) {
        self.machine.set(at.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_what_it_writes() {
        let moment = Timestamp::from_micros(1_763_888_400_000_001);
        assert_eq!(moment.to_string(), "2025-11-23T09:00:00.000001Z");
        assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
        assert_eq!("2025-11-23T18:00:00.000001+09:00".parse::<Timestamp>().unwrap(), moment);
    }

    #[test]
    fn a_held_clock_moves_only_when_it_is_told_to() {
        let clock = Clock::held(Timestamp::from_micros(5));
        clock.clone().advance(Duration::from_micros(3));
        assert_eq!(clock.now().as_micros(), 8);
        assert_eq!(clock.monotonic(), Duration::from_micros(8));
    }

    #[test]
    fn a_steady_clock_follows_what_is_plausible_and_nothing_else() {
        let start = Timestamp::from_micros(1_763_888_400_000_000);
        let clock = Clock::held(start).steady(Duration::from_hours(24));
        clock.set(start.plus(Duration::from_hours(1)));
        assert_eq!(clock.now(), start.plus(Duration::from_hours(1)));
        let two_years = Duration::from_hours(2 * 365 * 24);
        clock.set(start.plus(two_years));
        assert_eq!(clock.now(), start);
        clock.clone().advance(Duration::from_mins(5));
        assert_eq!(clock.now(), start.plus(Duration::from_mins(5)), "time passes");
        clock.set(start.plus(Duration::from_mins(6)));
        assert_eq!(clock.now(), start.plus(Duration::from_mins(6)), "the clock is back");
    }

    #[test]
    fn intervals_of_the_machine_never_go_back() {
        let clock = Clock::system();
        let before = clock.monotonic();
        assert!(clock.monotonic() >= before);
    }
}
