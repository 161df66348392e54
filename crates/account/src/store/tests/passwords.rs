//! What every store must do with changes and resets of passwords.

use std::{sync::Arc, time::Duration};

use service::{clock::Timestamp, contract::introspection::TokenDigest};

use super::{Case, access, at, next, pair, refresh, update};
use crate::{
    attempts::AttemptLimits,
    email::EmailDigest,
    resets::{RESET_KEPT, RESETS_MAX},
    store::{
        ChangePassword, ChangeRefusal, ConfirmedLogin, EmailChange, InsertReset, PasswordHash,
        ResetRefusal, Rotation, UpdateAccount,
    },
};

const ADA: i64 = 10_001;

fn hash(text: &str) -> PasswordHash {
    PasswordHash(text.to_owned())
}

fn reset_token(number: u32) -> TokenDigest {
    TokenDigest::of(&format!("reset {number}"))
}

/// A reset token of Ada's that lives half an hour.
fn reset(number: u32, created_at: Timestamp) -> InsertReset {
    InsertReset {
        account_id: ADA,
        token: reset_token(number),
        created_at,
        expired_at: created_at.plus(Duration::from_mins(30)),
    }
}

fn login(password: &str) -> ConfirmedLogin {
    let email = EmailDigest::of("ada@example.com");
    ConfirmedLogin { account_id: ADA, password_hash: hash(password), email }
}

fn change(confirmed: &str, session_id: i64) -> ChangePassword {
    ChangePassword { account_id: ADA, confirmed: hash(confirmed), new: hash("new"), session_id }
}

impl Case {
    async fn with_ada(self) -> Self {
        self.insert(ADA, "ada@example.com").await.unwrap();
        self
    }

    async fn password_of(&self, account_id: i64) -> String {
        self.store().credentials_of(account_id).await.unwrap().unwrap().password_hash
    }

    async fn can_redeem(&self, number: u32, now: Timestamp) -> bool {
        self.store().find_reset(reset_token(number), now).await.unwrap().is_some()
    }

    /// Whether the next attempt at Ada's password would be the first.
    async fn attempts_are_forgotten(&self) -> bool {
        let limits = AttemptLimits { free: 9, wait_max: Duration::from_secs(1) };
        let email = EmailDigest::of("ada@example.com");
        let reserved = self.store().reserve_attempt(email, at(0), limits).await;
        reserved.unwrap().unwrap().count == 1
    }
}

pub(super) async fn a_login_needs_the_password_that_was_confirmed(case: Case) {
    let case = case.with_ada().await;
    let store = case.store();
    assert!(case.attempts_are_forgotten().await);
    assert!(!case.attempts_are_forgotten().await);
    let refused = store.log_in(login("hash of before"), pair(1, at(0)), 3).await.unwrap();
    assert_eq!(refused, Err(ChangeRefusal::PasswordDiffers));
    assert!(!case.is_valid(1, at(0)).await);
    assert!(!case.attempts_are_forgotten().await);

    let started = store.log_in(login("hash 10001"), pair(2, at(0)), 3).await.unwrap().unwrap();
    assert_eq!((started.account.id, started.ended), (ADA, vec![]));
    assert!(case.is_valid(2, at(0)).await);
    assert!(case.attempts_are_forgotten().await);

    store.close_account(ADA, at(1)).await.unwrap().unwrap();
    let closed = store.log_in(login("hash 10001"), pair(3, at(1)), 3).await.unwrap();
    assert_eq!(closed, Err(ChangeRefusal::NotActive));
}

pub(super) async fn a_changed_password_ends_other_sessions_and_reset_tokens(case: Case) {
    let case = case.with_ada().await;
    let store = case.store();
    for token in 1..=3 {
        case.log_in(ADA, token, at(0)).await;
    }
    store.insert_reset(reset(1, at(0))).await.unwrap().unwrap();
    let wrong = store.change_password(change("another hash", 2), at(1)).await.unwrap();
    assert_eq!(wrong, Err(ChangeRefusal::PasswordDiffers));
    assert!(case.is_valid(1, at(1)).await && case.can_redeem(1, at(1)).await);
    assert_eq!(case.password_of(ADA).await, "hash 10001");

    let changed = store.change_password(change("hash 10001", 2), at(1)).await.unwrap().unwrap();
    assert_eq!(changed.account.updated_at, at(1));
    let mut ended = changed.ended;
    ended.sort_by_key(|digest| *digest == access(3));
    assert_eq!(ended, [access(1), access(3)]);
    assert_eq!(case.session_ids(ADA, at(1)).await, [2]);
    assert_eq!(case.password_of(ADA).await, "new");
    assert!(!case.can_redeem(1, at(1)).await);
    let stolen = store.rotate(refresh(1), next(9, at(1))).await.unwrap();
    assert_eq!(stolen, Rotation::Refused);
    let own = store.rotate(refresh(2), next(10, at(1))).await.unwrap();
    assert!(matches!(own, Rotation::Rotated(_)), "{own:?}");

    store.close_account(ADA, at(2)).await.unwrap().unwrap();
    let closed = store.change_password(change("new", 2), at(2)).await.unwrap();
    assert_eq!(closed, Err(ChangeRefusal::NotActive));
}

pub(super) async fn an_email_changes_with_the_confirmed_password_only(case: Case) {
    let case = case.with_ada().await;
    let store = case.store();
    let change = async |email: &str, email_change| {
        let update = UpdateAccount { email_change, ..update(email, true) };
        let updated = store.update_account(ADA, update, at(1)).await.unwrap();
        updated.map(|changed| changed.account.email)
    };
    let confirmed = |text| EmailChange::Confirmed(hash(text));
    let refused = Err(ChangeRefusal::EmailDiffers);
    assert_eq!(change("eve@example.com", EmailChange::Refused).await, refused);
    assert_eq!(change("Ada@example.com", EmailChange::Refused).await, refused, "a spelling");
    let differs = Err(ChangeRefusal::PasswordDiffers);
    assert_eq!(change("eve@example.com", confirmed("of before")).await, differs);
    store.insert_reset(reset(1, at(0))).await.unwrap().unwrap();
    let same = Ok("ada@example.com".to_owned());
    assert_eq!(change("ada@example.com", EmailChange::Refused).await, same);
    assert!(case.can_redeem(1, at(1)).await, "the email is the same");
    let changed = change("king@example.com", confirmed("hash 10001")).await;
    assert_eq!(changed, Ok("king@example.com".to_owned()));
    assert!(!case.can_redeem(1, at(1)).await, "it was sent to the email of before");
    let allowed = change("ada@example.com", EmailChange::Allowed).await;
    assert_eq!(allowed, Ok("ada@example.com".to_owned()));
}

pub(super) async fn a_reset_token_is_redeemed_once(case: Case) {
    let case = case.with_ada().await;
    let store = case.store();
    case.insert(10_002, "bob@example.com").await.unwrap();
    case.log_in(ADA, 1, at(0)).await;
    case.log_in(10_002, 2, at(0)).await;
    store.insert_reset(reset(1, at(0))).await.unwrap().unwrap();
    assert!(case.attempts_are_forgotten().await && !case.attempts_are_forgotten().await);
    let redeem = async |number, now| {
        store.redeem_reset(reset_token(number), hash("new"), now).await.unwrap()
    };
    assert_eq!(redeem(2, at(1)).await, None, "unknown");
    let found = store.find_reset(reset_token(1), at(1)).await.unwrap().unwrap();
    assert_eq!((found.id, found.email.as_str()), (ADA, "ada@example.com"));

    let changed = redeem(1, at(1)).await.unwrap();
    assert_eq!((changed.account.id, changed.account.updated_at), (ADA, at(1)));
    assert_eq!(changed.ended, [access(1)]);
    assert_eq!(store.account(ADA).await.unwrap(), Some(changed.account));
    assert_eq!(case.password_of(ADA).await, "new");
    assert_eq!(case.password_of(10_002).await, "hash 10002");
    assert!(!case.is_valid(1, at(1)).await && case.is_valid(2, at(1)).await);
    assert!(case.attempts_are_forgotten().await);
    assert!(!case.can_redeem(1, at(1)).await);
    assert_eq!(redeem(1, at(1)).await, None, "used");
}

pub(super) async fn reset_tokens_end(case: Case) {
    let case = case.with_ada().await;
    let store = case.store();
    store.insert_reset(reset(1, at(0))).await.unwrap().unwrap();
    assert!(case.can_redeem(1, at(29)).await && !case.can_redeem(1, at(30)).await);
    let late = store.redeem_reset(reset_token(1), hash("new"), at(30)).await.unwrap();
    assert_eq!(late, None, "expired");
    store.insert_reset(reset(2, at(1))).await.unwrap().unwrap();
    assert!(!case.can_redeem(1, at(1)).await && case.can_redeem(2, at(1)).await, "replaced");

    store.update_account(ADA, update("ada@example.com", false), at(2)).await.unwrap().unwrap();
    assert!(case.can_redeem(2, at(2)).await, "suspended");
    store.insert_reset(reset(3, at(2))).await.unwrap().unwrap();
    assert!(!case.can_redeem(2, at(2)).await && case.can_redeem(3, at(2)).await);

    case.insert(10_002, "bob@example.com").await.unwrap();
    let bobs = |number, now| InsertReset { account_id: 10_002, ..reset(number, now) };
    store.insert_reset(bobs(4, at(2))).await.unwrap().unwrap();
    store.close_account(10_002, at(3)).await.unwrap().unwrap();
    assert!(!case.can_redeem(4, at(3)).await, "closed");
    let closed = store.redeem_reset(reset_token(4), hash("new"), at(3)).await.unwrap();
    assert_eq!(closed, None);
    let refused = store.insert_reset(bobs(5, at(3))).await.unwrap();
    assert_eq!(refused, Err(ResetRefusal::Closed));
    let unknown = InsertReset { account_id: 10_009, ..reset(6, at(3)) };
    assert_eq!(store.insert_reset(unknown).await.unwrap(), Err(ResetRefusal::Unknown));
    assert_eq!(case.password_of(ADA).await, "hash 10001");
}

pub(super) async fn an_account_gets_so_many_reset_tokens_in_an_hour(case: Case) {
    let case = case.with_ada().await;
    let insert = async |number, now| case.store().insert_reset(reset(number, now)).await.unwrap();
    // One of the future does not count: a clock was ahead.
    insert(99, at(10_000)).await.unwrap();
    for number in 0..RESETS_MAX {
        insert(number, at(number)).await.unwrap();
    }
    let wait = Duration::from_mins(56);
    assert_eq!(insert(10, at(4)).await, Err(ResetRefusal::TooMany { wait }));
    assert!(case.can_redeem(RESETS_MAX - 1, at(4)).await, "the newest stays");
    insert(10, at(60)).await.unwrap();
    let wait = Duration::from_mins(1);
    assert_eq!(insert(11, at(60)).await, Err(ResetRefusal::TooMany { wait }));
}

pub(super) async fn one_of_many_simultaneous_redemptions_wins(case: Case) {
    let case = case.with_ada().await;
    case.store().insert_reset(reset(1, at(0))).await.unwrap().unwrap();
    let mut uses = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(&case.0.store);
        uses.spawn(async move {
            let new = format!("new {number}");
            let redeemed = store.redeem_reset(reset_token(1), hash(&new), at(1)).await.unwrap();
            redeemed.map(|_| new)
        });
    }
    let won: Vec<_> = uses.join_all().await.into_iter().flatten().collect();
    assert_eq!(won, [case.password_of(ADA).await]);
}

pub(super) async fn old_reset_tokens_are_purged(case: Case) {
    let case = case.with_ada().await;
    for number in 0..RESETS_MAX {
        case.store().insert_reset(reset(number, at(0))).await.unwrap().unwrap();
    }
    for number in 10..10 + RESETS_MAX {
        let now = at(0).plus(RESET_KEPT);
        case.store().insert_reset(reset(number, now)).await.unwrap().unwrap();
    }
    assert_eq!(case.count("password_resets"), i64::from(RESETS_MAX));
}
