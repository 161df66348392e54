//! Pauses that differ, so that those who met once do not meet again.

use std::time::Duration;

/// Between half of the pause and all of it, at random.
pub fn with_jitter(pause: Duration) -> Duration {
    // Without randomness they may meet again, which costs time and nothing else.
    let random = getrandom::u32().unwrap_or_default();
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
