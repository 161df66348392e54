//! How often a batch is tried again, and how long to wait before.

use std::time::Duration;

use service::jitter::with_jitter;
use tokio::time::Instant;

/// How often a batch is decided.
const ATTEMPTS_MAX: u32 = 10;
/// How long a batch goes on being tried.
const PATIENCE: Duration = Duration::from_secs(8);
/// The longest pause is this many times the shortest, as a power of two.
const DOUBLINGS_MAX: u32 = 6;
const PAUSE_MIN: Duration = Duration::from_millis(4);

/// The attempts at one batch.
#[derive(Debug)]
pub(super) struct Attempts {
    made: u32,
    until: Instant,
}

impl Attempts {
    pub(super) fn start(now: Instant) -> Self {
        Self { made: 1, until: now + PATIENCE }
    }

    /// How long to wait before the next attempt; none if there is to be no other.
    pub(super) fn next(&mut self, now: Instant) -> Option<Duration> {
        if self.made >= ATTEMPTS_MAX || now >= self.until {
            return None;
        }
        let pause = pause(self.made);
        self.made += 1;
        Some(pause)
    }
}

/// A pause that doubles with each attempt, of which a random half is left out: writers that met
/// once must not meet again.
pub(super) fn pause(attempt: u32) -> Duration {
    with_jitter(PAUSE_MIN * 2_u32.pow(attempt.saturating_sub(1).min(DOUBLINGS_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        for attempt in 1..100 {
            let longest = PAUSE_MIN * 2_u32.pow((attempt - 1).min(DOUBLINGS_MAX));
            let pause = pause(attempt);
            assert!(longest / 2 <= pause && pause <= longest, "{attempt}: {pause:?}");
        }
    }

    #[test]
    fn attempts_are_bounded_in_number_and_time() {
        let now = Instant::now();
        let mut attempts = Attempts::start(now);
        let pauses = std::iter::from_fn(|| attempts.next(now)).count();
        assert_eq!(pauses, ATTEMPTS_MAX as usize - 1);
        assert_eq!(Attempts::start(now).next(now + PATIENCE), None);
    }
}
