//! Random numbers for choices and jitter: quick, shared, and of no use for secrets.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// `SplitMix64` (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
#[derive(Debug)]
pub(super) struct Random(AtomicU64);

impl Random {
    /// Seeded by the operating system, so that gateways choose differently.
    pub(super) fn seeded() -> Self {
        let mut seed = [0; 8];
        // Without randomness all gateways choose alike, which is worse balance, not a defect.
        let _unlikely = getrandom::fill(&mut seed);
        Self::with_seed(u64::from_le_bytes(seed))
    }

    pub(super) fn with_seed(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number.
    fn next(&self) -> u64 {
        let z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is more than zero. Its bias is below one in 2^32.
    pub(super) fn below(&self, bound: u32) -> u32 {
        let product = (self.next() >> 32) * u64::from(bound);
        u32::try_from(product >> 32).expect("the product of two 32-bit numbers has 64 bits")
    }

    /// The time, a quarter shorter or longer at most, so that many who wait do not act as one.
    pub(super) fn jitter(&self, time: Duration) -> Duration {
        time * (750 + self.below(501)) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_reference() {
        // The published sequence for the seed 1234567, which is increased before its first use.
        let random = Random::with_seed(1_234_567 + 0x9e37_79b9_7f4a_7c15);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([random.next(), random.next()], expected);
    }

    #[test]
    fn numbers_are_below_their_bound_and_spread() {
        let random = Random::with_seed(1);
        let mut counts = [0; 10];
        for _ in 0..100_000 {
            counts[random.below(10) as usize] += 1;
        }
        // The standard deviation of a count is 95: this is five of them.
        assert!(counts.iter().all(|count| (9500..10_500).contains(count)), "{counts:?}");
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn jitter_is_a_quarter_at_most() {
        let random = Random::with_seed(1);
        for _ in 0..1000 {
            let time = random.jitter(Duration::from_secs(1)).as_millis();
            assert!((750..=1250).contains(&time), "{time}");
        }
    }
}
