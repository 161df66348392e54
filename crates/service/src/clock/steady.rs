//! Decides whether to follow the machine's clock. Since the last look a certain time has passed, by
//! a counter that is never set; a clock that says something very different was set, or is broken.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use super::Timestamp;

/// What the clock has said so far. Times are microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug)]
pub(super) struct Steady {
    /// When the machine started, by the newest time that was followed.
    booted_at: AtomicI64,
    jump_max: i64,
}

/// What a look at the machine's clock found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// What it should say, by the time that has passed.
    pub(crate) expected: Timestamp,
    /// What it says.
    pub(crate) found: Timestamp,
    /// Whether that is followed.
    pub(crate) is_followed: bool,
}

impl Look {
    /// By how much the clock is ahead of what it should say, in microseconds.
    pub(crate) fn ahead_micros(&self) -> i64 {
        self.found.as_micros().saturating_sub(self.expected.as_micros())
    }
}

impl Steady {
    pub(super) fn new(time_of_day: i64, since_boot: i64, jump_max: Duration) -> Self {
        let booted_at = AtomicI64::new(time_of_day.saturating_sub(since_boot));
        Self { booted_at, jump_max: i64::try_from(jump_max.as_micros()).unwrap_or(i64::MAX) }
    }

    /// The time to go by.
    pub(super) fn now(&self, time_of_day: i64, since_boot: i64) -> i64 {
        let expected = self.expected(since_boot);
        if self.is_plausible(time_of_day, expected) { time_of_day } else { expected }
    }

    /// The same, and from now on this time is what later ones are compared with. So small
    /// corrections never add up to a jump.
    pub(super) fn look(&self, time_of_day: i64, since_boot: i64) -> Look {
        let expected = self.expected(since_boot);
        let is_followed = self.is_plausible(time_of_day, expected);
        if is_followed {
            self.booted_at.store(time_of_day.saturating_sub(since_boot), Ordering::Relaxed);
        }
        let expected = Timestamp::from_micros(expected);
        Look { expected, found: Timestamp::from_micros(time_of_day), is_followed }
    }

    fn expected(&self, since_boot: i64) -> i64 {
        self.booted_at.load(Ordering::Relaxed).saturating_add(since_boot)
    }

    fn is_plausible(&self, time_of_day: i64, expected: i64) -> bool {
        time_of_day.abs_diff(expected) <= self.jump_max.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_do_not_add_up_and_jumps_are_not_followed() {
        let steady = Steady::new(1_000, 100, Duration::from_micros(50));
        // Time of day, since boot, expected, followed.
        let looks = [
            (1_010, 110, 1_010, true),
            (1_070, 120, 1_020, true),
            (1_130, 130, 1_080, true),
            (1_191, 140, 1_140, false),
            (1_089, 140, 1_140, false),
            (9_000_000, 150, 1_150, false),
            (1_110, 160, 1_160, true),
            (1_120, 170, 1_120, true),
        ];
        for (time_of_day, since_boot, expected, is_followed) in looks {
            let now = steady.now(time_of_day, since_boot);
            assert_eq!(now, if is_followed { time_of_day } else { expected });
            let look = steady.look(time_of_day, since_boot);
            assert_eq!((look.expected.as_micros(), look.is_followed), (expected, is_followed));
            assert_eq!(look.ahead_micros(), time_of_day - expected);
        }
    }
}
