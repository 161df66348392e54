//! What a presented refresh token deserves. Pure, and the same for every store, which asks it
//! inside the transaction that then does what it says.

use std::time::Duration;

use service::{clock::Timestamp, contract::account_feed::Standing};

/// The pair of tokens that a presented refresh token belongs to, as loaded.
#[derive(Debug, Clone, Copy)]
pub struct Presented {
    /// What its account may do.
    pub standing: Standing,
    /// Whether the pair was revoked.
    pub is_revoked: bool,
    /// How the pair was replaced by a newer one, if it was: this token has been used.
    pub rotated: Option<Rotated>,
    /// When the refresh token ends.
    pub refresh_expired_at: Timestamp,
}

/// How a pair was replaced.
#[derive(Debug, Clone, Copy)]
pub struct Rotated {
    /// When.
    pub at: Timestamp,
    /// Whether the pair that replaced it is the session's newest, and alive.
    pub is_by_head: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Replace the pair.
    Rotate,
    /// Give the pair that replaced it once more: the answer was lost, or two tabs of one browser
    /// asked at once.
    Repeat,
    /// Nothing.
    Refuse,
    /// End the session: the client that rotated before and the client that presents the token now
    /// are two, and one of them is not the owner (RFC 9700, section 4.14.2).
    EndSession,
}

/// Decides, at `now`, with `grace` for the second use of a token.
pub fn judge(presented: Presented, now: Timestamp, grace: Duration) -> Verdict {
    let is_active = presented.standing == Standing::Active;
    if presented.is_revoked || presented.refresh_expired_at <= now {
        return Verdict::Refuse;
    }
    match presented.rotated {
        Some(Rotated { at, is_by_head }) => {
            let is_repeated = is_by_head && !grace.is_zero() && now < at.plus(grace);
            if is_active && is_repeated { Verdict::Repeat } else { Verdict::EndSession }
        }
        None if is_active => Verdict::Rotate,
        None => Verdict::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(10);

    #[test]
    fn every_combination_has_its_verdict() {
        let verdict = |standing, is_revoked, is_rotated: bool, ends| {
            let rotated =
                is_rotated.then_some(Rotated { at: Timestamp::from_micros(5), is_by_head: false });
            let refresh_expired_at = Timestamp::from_micros(ends);
            let presented = Presented { standing, is_revoked, rotated, refresh_expired_at };
            judge(presented, NOW, Duration::from_micros(100))
        };
        let table = [
            (Standing::Active, false, false, 11, Verdict::Rotate),
            (Standing::Active, false, false, 10, Verdict::Refuse),
            (Standing::Suspended, false, false, 11, Verdict::Refuse),
            (Standing::Closed, false, false, 11, Verdict::Refuse),
            (Standing::Active, false, true, 11, Verdict::EndSession),
            (Standing::Suspended, false, true, 11, Verdict::EndSession),
            (Standing::Active, false, true, 10, Verdict::Refuse),
            (Standing::Active, true, false, 11, Verdict::Refuse),
            (Standing::Active, true, true, 11, Verdict::Refuse),
        ];
        for (standing, is_revoked, is_rotated, ends, expected) in table {
            let row = (standing, is_revoked, is_rotated, ends);
            assert_eq!(verdict(standing, is_revoked, is_rotated, ends), expected, "{row:?}");
        }
    }

    #[test]
    fn a_second_use_within_the_grace_is_a_repetition_of_the_newest_pair_only() {
        let verdict = |standing, at, is_by_head, grace| {
            let rotated = Some(Rotated { at: Timestamp::from_micros(at), is_by_head });
            let refresh_expired_at = Timestamp::from_micros(11);
            let presented = Presented { standing, is_revoked: false, rotated, refresh_expired_at };
            judge(presented, NOW, Duration::from_micros(grace))
        };
        let table = [
            (Standing::Active, 10, true, 1, Verdict::Repeat),
            (Standing::Active, 8, true, 3, Verdict::Repeat),
            (Standing::Active, 7, true, 3, Verdict::EndSession),
            (Standing::Active, 10, false, 3, Verdict::EndSession),
            (Standing::Active, 10, true, 0, Verdict::EndSession),
            // Another instance's clock is ahead.
            (Standing::Active, 12, true, 1, Verdict::Repeat),
            (Standing::Active, 12, true, 0, Verdict::EndSession),
            (Standing::Suspended, 10, true, 3, Verdict::EndSession),
        ];
        for (standing, at, is_by_head, grace, expected) in table {
            let row = (standing, at, is_by_head, grace);
            assert_eq!(verdict(standing, at, is_by_head, grace), expected, "{row:?}");
        }
    }
}
