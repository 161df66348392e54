//! Which stripe a lane uses: the system's accounts are numbered, and one whose wallets have used
//! half of their room gives way to another.

use std::collections::HashSet;

use ledger::{AccountId, SYSTEM_ACCOUNT_MAX};

/// Finds the wallets of stripes; the ledger says how much of their room they have used.
pub(super) const BALANCES: &str =
    "SELECT account_id, balance FROM wallets WHERE account_id <= 9999";

/// Stripes of one lane after another: `first`, and then every `step`th.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stripes {
    pub(super) first: i64,
    pub(super) step: i64,
}

impl Stripes {
    /// The first one with room behind `full`, or from the beginning. If none has room, the one in
    /// place: then commands are refused one by one, as there is room for some.
    pub(super) fn choose(self, full: Option<AccountId>, worn: &HashSet<AccountId>) -> AccountId {
        let all = || (self.first..=SYSTEM_ACCOUNT_MAX.0).step_by(step(self.step)).map(AccountId);
        let behind = all().filter(|stripe| full.is_none_or(|full| *stripe > full));
        behind
            .chain(all())
            .find(|stripe| Some(*stripe) != full && !worn.contains(stripe))
            .or(full)
            .unwrap_or(AccountId(self.first))
    }
}

fn step(step: i64) -> usize {
    usize::try_from(step).expect("a step is small and positive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_with_room_is_taken() {
        let worn = |ids: &[i64]| ids.iter().copied().map(AccountId).collect::<HashSet<_>>();
        let check = |first, step, full: Option<i64>, ids: &[i64], expected| {
            let stripes = Stripes { first, step };
            let found = stripes.choose(full.map(AccountId), &worn(ids));
            assert_eq!(found, AccountId(expected), "{stripes:?} {full:?} {ids:?}");
        };
        check(1, 1, None, &[], 1);
        check(1, 1, None, &[1, 2], 3);
        check(1, 1, Some(1), &[1], 2);
        // A refusal alone, with room left for others.
        check(1, 1, Some(1), &[], 2);
        check(1, 1, Some(2), &[1, 3], 4);
        check(7, 64, Some(7), &[7, 71], 135);
        check(1, 9_000, Some(9_001), &[9_001], 1);
        // None has room.
        check(1, 9_000, Some(9_001), &[1, 9_001], 9_001);
        check(1, 9_000, None, &[1, 9_001], 1);
    }
}
