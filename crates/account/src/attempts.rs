//! How often a password may be tried. Pure, and the same for every store, which asks it before a
//! password is verified and records what it says.
//!
//! Attempts are counted for one email, known or not, until a right password or a reset forgets
//! them. The first few are free. Each further one waits twice as long as the one before, from one
//! second to a limit, so a person who errs loses seconds and a guesser gets one guess in each such
//! time. An attempt that is refused is not counted: the wait never grows for it.

use std::time::Duration;

use service::clock::Timestamp;

/// The wait before the first attempt that is not free.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// After this long without an attempt, earlier ones are forgotten. Longer than any wait.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

/// How often a password may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Attempts without a wait.
    pub free: u32,
    /// Longest wait between two attempts.
    pub wait_max: Duration,
}

/// The recorded attempts at one password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// How many.
    pub count: u32,
    /// When the newest was made.
    pub newest_at: Timestamp,
}

/// An attempt that is not allowed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyAttempts {
    /// Until when.
    pub wait: Duration,
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password may be verified once this is recorded.
    Allowed(Attempts),
    /// It may not. If something is given, it takes the place of the record.
    Refused(TooManyAttempts, Option<Attempts>),
}

/// Decides about an attempt at `now`.
pub fn judge(recorded: Option<Attempts>, now: Timestamp, limits: AttemptLimits) -> Verdict {
    let first = Attempts { count: 1, newest_at: now };
    let Some(recorded) = recorded else { return Verdict::Allowed(first) };
    let passed = now.since(recorded.newest_at);
    if passed >= FORGOTTEN_AFTER {
        return Verdict::Allowed(first);
    }
    let wait = wait_after(recorded.count, limits);
    if passed >= wait {
        let count = recorded.count.saturating_add(1);
        return Verdict::Allowed(Attempts { count, newest_at: now });
    }
    // A record of the future: a clock was ahead. Corrected, so that the owner is not made to wait
    // until then.
    let corrected = (recorded.newest_at > now).then_some(Attempts { newest_at: now, ..recorded });
    Verdict::Refused(TooManyAttempts { wait: wait.saturating_sub(passed) }, corrected)
}

/// How long the attempt after this many has to wait.
fn wait_after(count: u32, limits: AttemptLimits) -> Duration {
    let Some(doublings) = count.checked_sub(limits.free) else { return Duration::ZERO };
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    WAIT_MIN.saturating_mul(factor).min(limits.wait_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AttemptLimits = AttemptLimits { free: 5, wait_max: Duration::from_mins(1) };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn attempts(count: u32, seconds: u64) -> Attempts {
        Attempts { count, newest_at: at(seconds) }
    }

    fn allowed(count: u32, seconds: u64) -> Verdict {
        Verdict::Allowed(attempts(count, seconds))
    }

    fn refused(seconds: u64, corrected: Option<Attempts>) -> Verdict {
        Verdict::Refused(TooManyAttempts { wait: Duration::from_secs(seconds) }, corrected)
    }

    #[test]
    fn every_case_has_its_verdict() {
        let table = [
            (None, 0, allowed(1, 0)),
            (Some(attempts(1, 0)), 0, allowed(2, 0)),
            (Some(attempts(4, 0)), 0, allowed(5, 0)),
            (Some(attempts(5, 0)), 0, refused(1, None)),
            (Some(attempts(5, 0)), 1, allowed(6, 1)),
            (Some(attempts(6, 0)), 1, refused(1, None)),
            (Some(attempts(6, 0)), 2, allowed(7, 2)),
            (Some(attempts(10, 0)), 31, refused(1, None)),
            (Some(attempts(11, 0)), 31, refused(29, None)),
            (Some(attempts(11, 0)), 60, allowed(12, 60)),
            (Some(attempts(u32::MAX, 0)), 59, refused(1, None)),
            (Some(attempts(u32::MAX, 0)), 60, allowed(u32::MAX, 60)),
            (Some(attempts(5, 0)), 3_599, allowed(6, 3_599)),
            (Some(attempts(5, 0)), 3_600, allowed(1, 3_600)),
            (Some(attempts(u32::MAX, 0)), 3_600, allowed(1, 3_600)),
            // The clock has gone back by a year, or that of another instance was ahead.
            (Some(attempts(4, 31_536_000)), 0, allowed(5, 0)),
            (Some(attempts(5, 31_536_000)), 0, refused(1, Some(attempts(5, 0)))),
            (Some(attempts(99, 31_536_000)), 0, refused(60, Some(attempts(99, 0)))),
        ];
        for (recorded, now, expected) in table {
            assert_eq!(judge(recorded, at(now), LIMITS), expected, "{recorded:?} at {now}");
        }
    }

    /// The figures of docs/production.md.
    #[test]
    fn a_day_of_guessing_gives_few_guesses() {
        let (mut recorded, mut guesses) = (None, 0);
        for second in 0..86_400 {
            while let Verdict::Allowed(next) = judge(recorded, at(second), LIMITS) {
                (recorded, guesses) = (Some(next), guesses + 1);
            }
        }
        assert_eq!(guesses, 1_449);
    }

    #[test]
    fn no_free_attempts_and_the_longest_wait_are_as_configured() {
        let limits = AttemptLimits { free: 1, wait_max: Duration::from_mins(15) };
        assert_eq!(judge(Some(attempts(1, 0)), at(0), limits), refused(1, None));
        assert_eq!(judge(Some(attempts(30, 0)), at(0), limits), refused(900, None));
        assert!(limits.wait_max < FORGOTTEN_AFTER);
    }
}
