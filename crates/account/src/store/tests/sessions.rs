//! What every store must do with tokens and sessions.

use std::{sync::Arc, time::Duration};

use service::{clock::Timestamp, contract::identity::Identity};

use super::{Case, access, at, next, pair, refresh};
use crate::store::{Repetition, Rotation, Session};

pub(super) async fn tokens_are_valid_from_login_to_expiry(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    case.log_in(10_001, 7, at(0)).await;
    let identity = Identity::person(10_001, 7, at(60));
    assert_eq!(store.introspect(access(7), at(0)).await.unwrap(), Some(identity));
    let last = Timestamp::from_micros(at(60).as_micros() - 1);
    assert_eq!(store.introspect(access(7), last).await.unwrap(), Some(identity));
    assert_eq!(store.introspect(access(7), at(60)).await.unwrap(), None);
    assert_eq!(store.introspect(refresh(7), at(0)).await.unwrap(), None, "not an access token");
    assert_eq!(store.introspect(access(8), at(0)).await.unwrap(), None);
    let unknown = store.start_session(10_002, pair(8, at(0)), 3).await.unwrap();
    assert_eq!(unknown, None);
}

pub(super) async fn sessions_are_listed_newest_first_and_end_apart(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    case.insert(10_002, "bob@example.com").await.unwrap();
    case.log_in(10_001, 1, at(0)).await;
    case.log_in(10_001, 2, at(10)).await;
    case.log_in(10_002, 3, at(10)).await;
    let sessions = store.sessions(10_001, at(10)).await.unwrap();
    let session = |id, started: u32| Session {
        id,
        started_at: at(started),
        updated_at: at(started),
        expired_at: at(started + 60),
        refresh_expired_at: at(started + 24 * 60),
    };
    assert_eq!(sessions, [session(2, 10), session(1, 0)]);

    assert_eq!(store.end_session(10_001, 3, at(11)).await.unwrap(), [], "another's session");
    assert_eq!(store.end_session(10_001, 2, at(11)).await.unwrap(), [access(2)]);
    assert_eq!(store.end_session(10_001, 2, at(11)).await.unwrap(), [], "ended already");
    assert_eq!(case.session_ids(10_001, at(11)).await, [1]);
    assert!(!case.is_valid(2, at(11)).await && case.is_valid(1, at(11)).await);
    assert!(case.is_valid(3, at(11)).await);

    case.log_in(10_001, 4, at(12)).await;
    assert_eq!(store.end_sessions(10_001, at(13)).await.unwrap(), [access(4), access(1)]);
    assert_eq!(case.session_ids(10_001, at(13)).await, [0; 0]);
    assert_eq!(case.session_ids(10_002, at(13)).await, [3]);
    assert_eq!(case.session_ids(10_002, at(10 + 24 * 60)).await, [0; 0], "ended by itself");
}

pub(super) async fn beyond_the_most_sessions_the_oldest_ends(case: Case) {
    case.insert(10_001, "ada@example.com").await.unwrap();
    for id in 1..=3 {
        assert_eq!(case.log_in(10_001, id, at(0)).await, []);
    }
    assert_eq!(case.log_in(10_001, 4, at(1)).await, [access(1)]);
    assert_eq!(case.session_ids(10_001, at(1)).await, [4, 3, 2]);
    // The access token of the oldest has ended by itself, so nobody needs to hear of it.
    assert_eq!(case.log_in(10_001, 5, at(61)).await, []);
    assert_eq!(case.session_ids(10_001, at(61)).await, [5, 4, 3]);
}

pub(super) async fn refreshing_replaces_both_tokens(case: Case) {
    let store = case.store();
    let account = case.insert(10_001, "ada@example.com").await.unwrap();
    case.log_in(10_001, 1, at(0)).await;
    let Rotation::Rotated(rotated) = store.rotate(refresh(1), next(2, at(10))).await.unwrap()
    else {
        panic!("the token is valid")
    };
    assert_eq!((rotated.account, rotated.ended), (account, vec![access(1)]));
    assert!(!case.is_valid(1, at(10)).await);
    let identity = Identity::person(10_001, 1, at(70));
    assert_eq!(store.introspect(access(2), at(10)).await.unwrap(), Some(identity));
    let session = Session {
        id: 1,
        started_at: at(0),
        updated_at: at(10),
        expired_at: at(70),
        refresh_expired_at: at(10 + 24 * 60),
    };
    assert_eq!(store.sessions(10_001, at(10)).await.unwrap(), [session]);
    // After the access token has ended, the refresh token still works, and nothing is revoked.
    let later = store.rotate(refresh(2), next(3, at(71))).await.unwrap();
    assert!(matches!(&later, Rotation::Rotated(changed) if changed.ended.is_empty()), "{later:?}");
}

pub(super) async fn a_refresh_token_used_twice_ends_its_session(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    case.log_in(10_001, 1, at(0)).await;
    case.log_in(10_001, 9, at(0)).await;
    for (old, new) in [(1, 2), (2, 3)] {
        let rotated = store.rotate(refresh(old), next(new, at(1))).await.unwrap();
        assert!(matches!(rotated, Rotation::Rotated(_)), "{rotated:?}");
    }
    let reused = |ended| Rotation::Reused { account_id: 10_001, session_id: 1, ended };
    let first = store.rotate(refresh(1), next(4, at(2))).await.unwrap();
    assert_eq!(first, reused(vec![access(3)]));
    assert!(!case.is_valid(3, at(2)).await && !case.is_valid(4, at(2)).await);
    assert_eq!(case.session_ids(10_001, at(2)).await, [9], "other sessions go on");
    let head = store.rotate(refresh(3), next(5, at(2))).await.unwrap();
    assert_eq!(head, Rotation::Refused, "its newest token is revoked too");
    let again = store.rotate(refresh(2), next(6, at(2))).await.unwrap();
    assert_eq!(again, reused(vec![]));
}

pub(super) async fn refresh_tokens_that_are_not_valid_do_nothing(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    case.log_in(10_001, 1, at(0)).await;
    let rotate = async |token, now| store.rotate(token, next(100, now)).await.unwrap();
    assert_eq!(rotate(refresh(2), at(1)).await, Rotation::Refused, "unknown");
    assert_eq!(rotate(access(1), at(1)).await, Rotation::Refused, "not a refresh token");
    assert_eq!(rotate(refresh(1), at(24 * 60)).await, Rotation::Refused, "expired");
    assert_eq!(case.session_ids(10_001, at(1)).await, [1]);
    store.end_sessions(10_001, at(1)).await.unwrap();
    assert_eq!(rotate(refresh(1), at(1)).await, Rotation::Refused, "revoked");
}

pub(super) async fn one_of_many_simultaneous_refreshes_wins(case: Case) {
    case.insert(10_001, "ada@example.com").await.unwrap();
    case.log_in(10_001, 1, at(0)).await;
    let mut uses = tokio::task::JoinSet::new();
    for id in 2..18 {
        let store = Arc::clone(&case.0.store);
        uses.spawn(async move { store.rotate(refresh(1), next(id, at(1))).await.unwrap() });
    }
    let outcomes = uses.join_all().await;
    let count = |is: fn(&Rotation) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count();
    assert_eq!(count(|outcome| matches!(outcome, Rotation::Rotated(_))), 1);
    assert_eq!(count(|outcome| matches!(outcome, Rotation::Repeated(_))), 15);
    assert_eq!(case.session_ids(10_001, at(1)).await, [1]);
    let mut valid = 0;
    for id in 1..18 {
        valid += u32::from(case.is_valid(id, at(1)).await);
    }
    assert_eq!(valid, 1);
}

pub(super) async fn a_refresh_token_gives_the_same_pair_again_for_moments(case: Case) {
    let store = case.store();
    let account = case.insert(10_001, "ada@example.com").await.unwrap();
    case.log_in(10_001, 1, at(0)).await;
    let seconds = |seconds| at(1).plus(Duration::from_secs(seconds));
    let rotate = async |old, new, now| store.rotate(refresh(old), next(new, now)).await.unwrap();
    assert!(matches!(rotate(1, 2, at(1)).await, Rotation::Rotated(_)));
    let repetition = Repetition {
        account: account.clone(),
        salt: next(2, at(1)).salt,
        expired_at: at(61),
        refresh_expired_at: at(1 + 24 * 60),
    };
    for now in [at(1), seconds(1), seconds(9)] {
        assert_eq!(rotate(1, 3, now).await, Rotation::Repeated(repetition.clone()));
        assert!(case.is_valid(2, now).await && !case.is_valid(1, now).await);
        assert!(!case.is_valid(3, now).await, "nothing was added");
    }
    // Its successor was used: this is a thief, or the owner after a thief, grace or not.
    assert!(matches!(rotate(2, 4, seconds(9)).await, Rotation::Rotated(_)));
    let reused = Rotation::Reused { account_id: 10_001, session_id: 1, ended: vec![access(4)] };
    assert_eq!(rotate(1, 5, seconds(9)).await, reused);
    assert_eq!(case.session_ids(10_001, seconds(9)).await, [0; 0]);
    assert_eq!(rotate(4, 6, seconds(9)).await, Rotation::Refused);

    case.log_in(10_001, 11, at(0)).await;
    assert!(matches!(rotate(11, 12, at(1)).await, Rotation::Rotated(_)));
    let reused = Rotation::Reused { account_id: 10_001, session_id: 11, ended: vec![access(12)] };
    assert_eq!(rotate(11, 13, seconds(10)).await, reused, "the grace is over");

    case.log_in(10_001, 21, at(0)).await;
    assert!(matches!(rotate(21, 22, at(1)).await, Rotation::Rotated(_)));
    store.end_sessions(10_001, at(1)).await.unwrap();
    let ended = Rotation::Reused { account_id: 10_001, session_id: 21, ended: vec![] };
    assert_eq!(rotate(21, 23, at(1)).await, ended, "nothing is given after a log-out");
}

pub(super) async fn dead_pairs_are_purged_and_live_ones_stay(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    case.log_in(10_001, 1, at(0)).await;
    store.rotate(refresh(1), next(2, at(1))).await.unwrap();
    store.rotate(refresh(2), next(3, at(2))).await.unwrap();
    // The three pairs above are dead; each login removes some, and never a live one.
    let next_day = at(3 + 24 * 60);
    case.log_in(10_001, 4, next_day).await;
    case.log_in(10_001, 5, next_day).await;
    assert_eq!(case.session_ids(10_001, next_day).await, [5, 4]);
    // What is purged can be added anew; what is not would violate the uniqueness of digests.
    for id in 1..=3 {
        case.log_in(10_001, id, next_day).await;
    }
    assert!(case.is_valid(5, next_day).await);
}
