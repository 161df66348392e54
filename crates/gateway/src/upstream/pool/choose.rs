//! Which address gets a request: the less loaded one of two that are drawn at random (Mitzenmacher:
//! "The Power of Two Choices in Randomized Load Balancing", 2001). Gateways need no common picture
//! for it, and do not all run to the one address that was idle a moment ago.

use std::{net::SocketAddr, sync::Arc};

use super::{
    member::{Member, Standing},
    random::Random,
};

/// The weight of an address that gets its full share. One that has just become ready has less.
pub(super) const FULL_WEIGHT: u32 = 1000;

/// What a choice is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    index: usize,
    weight: u32,
    in_flight: u64,
}

/// An address for the request that was not tried yet and is at least `lowest`, if there is one: a
/// ready one, or else one that can be reached for all we know. It may still answer (while it
/// drains), and otherwise says better than we could what it lacks.
pub(super) fn choose(
    members: &[Arc<Member>],
    tried: &[SocketAddr],
    lowest: Standing,
    random: &Random,
) -> Option<Arc<Member>> {
    let mut best = lowest;
    // Two passes over a handful of addresses, instead of a list to keep up to date.
    for member in untried(members, tried).map(|(_, member)| member) {
        best = best.max(member.standing());
    }
    let candidates = untried(members, tried)
        .filter(|(_, member)| member.standing() == best && member.has_room())
        .map(|(index, member)| Candidate {
            index,
            weight: member.weight(),
            in_flight: member.in_flight(),
        });
    let chosen = choose_candidate(candidates, random)?;
    members.get(chosen).map(Arc::clone)
}

fn untried<'a>(
    members: &'a [Arc<Member>],
    tried: &'a [SocketAddr],
) -> impl Iterator<Item = (usize, &'a Arc<Member>)> + Clone {
    members.iter().enumerate().filter(|(_, member)| !tried.contains(&member.address()))
}

/// Draws two by weight, and takes the one with less in flight for its weight; with nothing in
/// flight that is the first, so that an idle address ramps up as well as a busy one.
fn choose_candidate(
    candidates: impl Iterator<Item = Candidate> + Clone,
    random: &Random,
) -> Option<usize> {
    let one = draw(candidates.clone(), random)?;
    let Some(other) = draw(candidates.filter(|other| other.index != one.index), random) else {
        return Some(one.index);
    };
    let load_of_one = one.in_flight * u64::from(other.weight);
    let load_of_other = other.in_flight * u64::from(one.weight);
    Some(if load_of_one <= load_of_other { one.index } else { other.index })
}

fn draw(candidates: impl Iterator<Item = Candidate> + Clone, random: &Random) -> Option<Candidate> {
    let total: u32 = candidates.clone().map(|candidate| candidate.weight).sum();
    let mut left = if total == 0 { 0 } else { random.below(total) };
    let mut last = None;
    for candidate in candidates {
        if left < candidate.weight {
            return Some(candidate);
        }
        left -= candidate.weight;
        last = Some(candidate);
    }
    // Reached if weights grew smaller between the sum and here, or there is no candidate.
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 10,000 requests each address gets: (weight, requests in flight).
    fn shares<const N: usize>(addresses: [(u32, u64); N]) -> [u32; N] {
        let random = Random::with_seed(7);
        let candidates = addresses
            .iter()
            .enumerate()
            .map(|(index, &(weight, in_flight))| Candidate { index, weight, in_flight });
        let mut shares = [0; N];
        for _ in 0..10_000 {
            shares[choose_candidate(candidates.clone(), &random).unwrap()] += 1;
        }
        shares
    }

    #[track_caller]
    fn assert_about(found: u32, expected: u32) {
        assert!(found.abs_diff(expected) < 300, "{found}, expected about {expected}");
    }

    #[test]
    fn idle_addresses_get_equal_shares() {
        for share in shares([(FULL_WEIGHT, 0); 4]) {
            assert_about(share, 2500);
        }
    }

    #[test]
    fn of_two_the_less_loaded_gets_it() {
        assert_eq!(shares([(FULL_WEIGHT, 5), (FULL_WEIGHT, 4)]), [0, 10_000]);
        // The most loaded of three is never the better one of two.
        let [worst, middle, best] = shares([(1000, 9), (1000, 5), (1000, 1)]);
        assert_eq!(worst, 0);
        assert_about(middle, 3333);
        assert_about(best, 6667);
    }

    #[test]
    fn an_idle_address_gets_a_share_by_its_weight() {
        let [slow, full] = shares([(100, 0), (FULL_WEIGHT, 0)]);
        assert_about(slow, 909);
        assert_about(full, 9091);
    }

    #[test]
    fn a_busy_address_has_as_much_in_flight_as_its_weight_allows() {
        assert_eq!(shares([(100, 1), (FULL_WEIGHT, 5)]), [0, 10_000]);
        assert_eq!(shares([(100, 1), (FULL_WEIGHT, 11)]), [10_000, 0]);
    }

    #[test]
    fn one_address_gets_everything_and_none_gets_nothing() {
        assert_eq!(shares([(1, 1000)]), [10_000]);
        assert_eq!(choose_candidate(std::iter::empty(), &Random::with_seed(1)), None);
    }
}
