//! What was revoked lately, so that an answer that was asked for before can be told from one that
//! was not overtaken. Bounded: of what is too long ago it says that it does not know.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use service::contract::introspection::TokenDigest;

/// Revocations that are remembered. Far more than there are while a question is answered.
const KEPT: usize = 1_024;

/// The newest revocations.
#[derive(Debug, Default)]
pub(super) struct Revoked(Mutex<Newest>);

#[derive(Debug, Default)]
struct Newest {
    /// How many there were altogether.
    count: u64,
    tokens: VecDeque<TokenDigest>,
}

/// Whether a token was revoked since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// It was not.
    No,
    /// It was.
    Yes,
    /// Too much has happened since.
    Unknown,
}

impl Revoked {
    /// A token is revoked.
    pub(super) fn note(&self, token: TokenDigest) {
        let mut newest = self.newest();
        newest.count += 1;
        if newest.tokens.len() == KEPT {
            newest.tokens.pop_front();
        }
        newest.tokens.push_back(token);
    }

    /// How many there were, for [`Revoked::since`].
    pub(super) fn count(&self) -> u64 {
        self.newest().count
    }

    /// Whether the token was revoked since there were so many.
    pub(super) fn since(&self, token: TokenDigest, count: u64) -> Since {
        let newest = self.newest();
        let Ok(after) = usize::try_from(newest.count - count) else { return Since::Unknown };
        if newest.tokens.iter().rev().take(after).any(|revoked| *revoked == token) {
            Since::Yes
        } else if after <= newest.tokens.len() {
            Since::No
        } else {
            Since::Unknown
        }
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        // Nothing panics while it is held, and each change is complete in itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_revoked_is_known_until_too_much_has_happened() {
        let (revoked, token) = (Revoked::default(), TokenDigest::of("a"));
        assert_eq!(revoked.since(token, 0), Since::No);
        revoked.note(TokenDigest::of("b"));
        let before = revoked.count();
        assert_eq!(revoked.since(token, 0), Since::No);
        revoked.note(token);
        assert_eq!(
            (revoked.since(token, before), revoked.since(token, 0)),
            (Since::Yes, Since::Yes)
        );
        assert_eq!(revoked.since(token, revoked.count()), Since::No);
        for _ in 0..KEPT - 1 {
            revoked.note(TokenDigest::of("b"));
        }
        assert_eq!(revoked.since(token, before), Since::Yes);
        assert_eq!(revoked.since(TokenDigest::of("c"), before), Since::No);
        revoked.note(TokenDigest::of("b"));
        assert_eq!(revoked.since(token, before), Since::Unknown);
    }
}
