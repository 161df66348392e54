//! Random choices that a seed repeats: `SplitMix64` (Steele, Lea and Flood, 2014).

use std::hash::{BuildHasher, RandomState};

pub struct Random(u64);

impl Random {
    /// A new seed every time, and printed: the runner shows it if the test fails.
    pub fn new() -> Self {
        let seed = RandomState::new().hash_one(0);
        eprintln!("random seed: {seed}");
        Self(seed)
    }

    /// Another source, for somebody who chooses at the same time.
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// From zero to one less than `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
