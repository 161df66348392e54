//! Which requests are traced: a share of them, evenly spread.

use std::sync::atomic::{AtomicU64, Ordering};

/// A share of what comes.
#[derive(Debug)]
pub(super) struct Sampling {
    /// The share, of 2^64.
    threshold: u64,
    is_all: bool,
    position: AtomicU64,
}

/// 2^64 divided by the golden ratio: steps of it around a circle fill it evenly, whatever their
/// number (Knuth, The Art of Computer Programming, volume 3, section 6.4). So of any hundred
/// requests in a row a hundredth is one, and no client can choose to be it.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Sampling {
    /// A share from 0 to 1.
    pub(super) fn new(share: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share is from 0 to 1, and the cast saturates"
        )]
        let threshold = (share * u64::MAX as f64) as u64;
        Self { threshold, is_all: share >= 1.0, position: AtomicU64::new(0) }
    }

    /// Whether the next one is of it.
    pub(super) fn takes_next(&self) -> bool {
        self.is_all || self.position.fetch_add(STEP, Ordering::Relaxed) < self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(share: f64, of: usize, expected: std::ops::RangeInclusive<usize>) {
        let sampling = Sampling::new(share);
        let taken = (0..of).filter(|_| sampling.takes_next()).count();
        assert!(expected.contains(&taken), "{share} of {of} is {taken}");
    }

    #[test]
    fn it_is_the_share_whatever_the_number() {
        check(0.0, 1_000, 0..=0);
        check(1.0, 1_000, 1_000..=1_000);
        check(0.01, 100, 1..=2);
        check(0.01, 100_000, 999..=1_001);
        check(0.5, 10, 4..=6);
        check(0.25, 1_000, 249..=251);
    }
}
