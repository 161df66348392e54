//! How long reset tokens live, and how many an account may have. Pure, and the same for every
//! store.

use std::time::Duration;

use service::clock::Timestamp;

/// The longest lifetime that can be configured for a reset token.
pub(crate) const RESET_LIFETIME_MAX: Duration = Duration::from_hours(24);
/// How long a token's row is kept. Longer than it lives, and than it counts.
pub(crate) const RESET_KEPT: Duration = RESET_LIFETIME_MAX.saturating_add(PERIOD);
/// Tokens that an account may get in `PERIOD`: a person who asks again finds the newest in the
/// mailbox, and a mailbox is not flooded.
pub(crate) const RESETS_MAX: u32 = 5;
const PERIOD: Duration = Duration::from_hours(1);

/// Whether an account whose newest tokens, `RESETS_MAX` if it has so many, were made at these times
/// may get one more. Otherwise how long it has to wait.
pub(crate) fn check_rate(newest: &[Timestamp], now: Timestamp) -> Result<(), Duration> {
    if newest.len() < RESETS_MAX as usize {
        return Ok(());
    }
    let oldest = newest.iter().min().expect("there are `RESETS_MAX`");
    let wait = PERIOD.saturating_sub(now.since(*oldest));
    if wait.is_zero() { Ok(()) } else { Err(wait) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u32) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).plus(Duration::from_mins(1) * minutes)
    }

    #[test]
    fn an_hour_has_so_many_tokens_and_no_more() {
        let minutes = |minutes| Err(Duration::from_mins(minutes));
        let table: [(&[u32], u32, Result<(), Duration>); 6] = [
            (&[], 100, Ok(())),
            (&[99, 98, 97, 96], 100, Ok(())),
            (&[99, 98, 97, 96, 95], 100, minutes(55)),
            (&[99, 98, 97, 96, 41], 100, minutes(1)),
            (&[99, 98, 97, 96, 40], 100, Ok(())),
            (&[100, 100, 100, 100, 100], 100, minutes(60)),
        ];
        for (newest, now, expected) in table {
            let times: Vec<_> = newest.iter().map(|minutes| at(*minutes)).collect();
            assert_eq!(check_rate(&times, at(now)), expected, "{newest:?}");
        }
    }
}
