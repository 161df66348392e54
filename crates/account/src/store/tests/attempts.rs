//! What every store must do with attempts at passwords.

use std::{sync::Arc, time::Duration};

use service::clock::Timestamp;

use super::{Case, at};
use crate::{
    attempts::{AttemptLimits, Attempts, FORGOTTEN_AFTER, TooManyAttempts},
    email::EmailDigest,
};

const LIMITS: AttemptLimits = AttemptLimits { free: 3, wait_max: Duration::from_mins(1) };

fn email(number: u32) -> EmailDigest {
    EmailDigest::of(&format!("{number}@example.com"))
}

impl Case {
    async fn reserve(&self, number: u32, now: Timestamp) -> Result<Attempts, TooManyAttempts> {
        self.store().reserve_attempt(email(number), now, LIMITS).await.unwrap()
    }
}

fn wait(seconds: u64) -> Result<Attempts, TooManyAttempts> {
    Err(TooManyAttempts { wait: Duration::from_secs(seconds) })
}

pub(super) async fn attempts_are_counted_by_email_until_they_are_forgotten(case: Case) {
    let second = Duration::from_secs(1);
    for count in 1..=3 {
        let attempts = Attempts { count, newest_at: at(0) };
        assert_eq!(case.reserve(1, at(0)).await, Ok(attempts));
    }
    assert_eq!(case.reserve(1, at(0)).await, wait(1));
    assert_eq!(case.reserve(1, at(0)).await, wait(1), "a refusal does not count");
    assert!(case.reserve(2, at(0)).await.is_ok(), "another email");
    let later = at(0).plus(second);
    assert_eq!(case.reserve(1, later).await, Ok(Attempts { count: 4, newest_at: later }));
    assert_eq!(case.reserve(1, later).await, wait(2));

    case.store().forget_attempts(email(1)).await.unwrap();
    assert_eq!(case.reserve(1, later).await, Ok(Attempts { count: 1, newest_at: later }));
    case.store().forget_attempts(email(3)).await.unwrap();
    let next_day = later.plus(FORGOTTEN_AFTER);
    assert_eq!(case.reserve(1, next_day).await, Ok(Attempts { count: 1, newest_at: next_day }));
}

pub(super) async fn of_many_attempts_at_once_the_free_ones_are_allowed(case: Case) {
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(&case.0.store);
        attempts
            .spawn(async move { store.reserve_attempt(email(1), at(0), LIMITS).await.unwrap() });
    }
    let mut allowed: Vec<_> = attempts.join_all().await.into_iter().flatten().collect();
    allowed.sort_by_key(|attempts| attempts.count);
    let counts: Vec<_> = allowed.iter().map(|attempts| attempts.count).collect();
    assert_eq!(counts, [1, 2, 3]);
}

pub(super) async fn a_record_of_the_future_is_corrected(case: Case) {
    // An instance whose clock is a day ahead.
    for _ in 1..=3 {
        case.reserve(1, at(24 * 60)).await.unwrap();
    }
    assert_eq!(case.reserve(1, at(0)).await, wait(1));
    let later = at(0).plus(Duration::from_secs(1));
    assert_eq!(case.reserve(1, later).await, Ok(Attempts { count: 4, newest_at: later }));
}

pub(super) async fn forgotten_attempts_are_purged(case: Case) {
    for number in 1..=20 {
        case.reserve(number, at(0)).await.unwrap();
    }
    assert_eq!(case.count("login_attempts"), 20);
    case.reserve(21, at(59)).await.unwrap();
    assert_eq!(case.count("login_attempts"), 21, "they still count");
    for number in 22..=31 {
        case.reserve(number, at(60)).await.unwrap();
    }
    assert_eq!(case.count("login_attempts"), 11);
}
