//! What a presented refresh token deserves. Pure, and the same for every store, which asks it
//! inside the transaction that then does what it says.

use service::{clock::Timestamp, contract::account_feed::Standing};

/// The pair of tokens that a presented refresh token belongs to, as loaded.
#[derive(Debug, Clone, Copy)]
pub struct Presented {
    /// What its account may do.
    pub standing: Standing,
    /// Whether the pair was revoked.
    pub is_revoked: bool,
    /// Whether the pair was replaced by a newer one: this token has been used.
    pub is_rotated: bool,
    /// When the refresh token ends.
    pub refresh_expired_at: Timestamp,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Replace the pair.
    Rotate,
    /// Nothing.
    Refuse,
    /// End the session: whoever rotated before and whoever presents it now are not the same, and
    /// nobody can tell which of them is the owner (RFC 9700, section 4.14.2).
    EndSession,
}

/// Decides, at `now`.
pub fn judge(presented: Presented, now: Timestamp) -> Verdict {
    if presented.is_revoked || presented.refresh_expired_at <= now {
        Verdict::Refuse
    } else if presented.is_rotated {
        Verdict::EndSession
    } else if presented.standing == Standing::Active {
        Verdict::Rotate
    } else {
        Verdict::Refuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_its_verdict() {
        let now = Timestamp::from_micros(10);
        let verdict = |standing, is_revoked, is_rotated, ends| {
            let refresh_expired_at = Timestamp::from_micros(ends);
            judge(Presented { standing, is_revoked, is_rotated, refresh_expired_at }, now)
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
}
