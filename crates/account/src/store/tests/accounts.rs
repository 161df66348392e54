//! What every store must do with accounts, and with the feed of their changes.

use service::{
    contract::account_feed::{AccountChange, Standing},
    installation::Installation,
};

use super::{Case, access, at, next, pair, refresh, update};
use crate::{
    ids::{IdName, Ids},
    store::{Account, ChangeRefusal, EmailTaken, Rotation},
};

pub(super) async fn ids_are_never_handed_out_twice(case: Case) {
    let store = case.store();
    assert_eq!(store.reserve_ids(IdName::Accounts, 100).await.unwrap(), 10_001);
    assert_eq!(store.reserve_ids(IdName::Accounts, 1).await.unwrap(), 10_101);
    assert_eq!(store.reserve_ids(IdName::AuthTokens, 100).await.unwrap(), 1);
    let ids = Ids::new(IdName::Accounts);
    for expected in 10_102..10_402 {
        assert_eq!(ids.next(store).await.unwrap(), expected);
    }
}

pub(super) async fn accounts_are_found_by_id_and_by_email(case: Case) {
    let store = case.store();
    let account = case.insert(10_001, "Ada@Example.com").await.unwrap();
    assert_eq!(
        account,
        Account {
            id: 10_001,
            name: "Name 10001".to_owned(),
            email: "Ada@Example.com".to_owned(),
            standing: Standing::Active,
            created_at: at(0),
            updated_at: at(0),
        }
    );
    assert_eq!(store.account(10_001).await.unwrap().as_ref(), Some(&account));
    assert_eq!(store.account(10_002).await.unwrap(), None);
    let found = store.credentials("ada@example.com".to_owned()).await.unwrap().unwrap();
    assert_eq!((found.account, found.password_hash), (account, "hash 10001".to_owned()));
    assert!(store.credentials("bob@example.com".to_owned()).await.unwrap().is_none());
}

pub(super) async fn emails_are_unique_without_regard_to_case(case: Case) {
    case.insert(10_001, "ada@example.com").await.unwrap();
    assert_eq!(case.insert(10_002, "ADA@example.com").await, Err(EmailTaken));
    assert_eq!(case.store().account(10_002).await.unwrap(), None);
    case.insert(10_003, "bob@example.com").await.unwrap();
    let taken = case.store().update_account(10_003, update("Ada@Example.com", false), at(1)).await;
    assert_eq!(taken.unwrap(), Err(ChangeRefusal::EmailTaken));
    let unchanged = case.store().account(10_003).await.unwrap().unwrap();
    assert_eq!((unchanged.standing, unchanged.updated_at), (Standing::Active, at(0)));
    assert_eq!(case.store().changes_after(0, 10).await.unwrap(), []);

    case.store().close_account(10_001, at(1)).await.unwrap().unwrap();
    assert_eq!(case.insert(10_004, "ada@example.com").await, Err(EmailTaken));
}

pub(super) async fn owners_change_what_is_theirs_while_they_may(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    let respelt = store.update_account(10_001, update("ADA@example.com", true), at(1)).await;
    let respelt = respelt.unwrap().unwrap();
    assert_eq!(respelt.ended, []);
    assert_eq!(respelt.account.email, "ADA@example.com");
    assert_eq!(respelt.account.name, "New Name");
    assert_eq!((respelt.account.created_at, respelt.account.updated_at), (at(0), at(1)));
    assert_eq!(store.account(10_001).await.unwrap(), Some(respelt.account));
    assert_eq!(store.changes_after(0, 10).await.unwrap(), [], "the standing is the same");

    let change = async |id: i64| {
        let updated = store.update_account(id, update("new@example.com", true), at(2)).await;
        (updated.unwrap().unwrap_err(), store.begin_closing(id, at(2)).await.unwrap().unwrap_err())
    };
    let unknown = (ChangeRefusal::Unknown, ChangeRefusal::Unknown);
    let not_active = (ChangeRefusal::NotActive, ChangeRefusal::NotActive);
    assert_eq!(change(10_002).await, unknown);
    store.update_account(10_001, update("ada@example.com", false), at(2)).await.unwrap().unwrap();
    assert_eq!(change(10_001).await, not_active, "suspended");
    case.insert(10_003, "bob@example.com").await.unwrap();
    store.close_account(10_003, at(2)).await.unwrap().unwrap();
    assert_eq!(change(10_003).await, not_active, "closed");
}

pub(super) async fn leaving_good_standing_ends_tokens_and_tells_the_feed(case: Case) {
    let store = case.store();
    for (account_id, email) in [(10_001, "ada@example.com"), (10_002, "bob@example.com")] {
        case.insert(account_id, email).await.unwrap();
        // The first access token has ended by itself when the standing changes.
        case.log_in(account_id, account_id * 10, at(0)).await;
        case.log_in(account_id, account_id * 10 + 1, at(30)).await;
    }
    let suspended = store.update_account(10_001, update("ada@example.com", false), at(61)).await;
    let suspended = suspended.unwrap().unwrap();
    assert_eq!(suspended.account.standing, Standing::Suspended);
    assert_eq!(suspended.ended, [access(100_011)]);
    let closed = store.close_account(10_002, at(61)).await.unwrap().unwrap();
    assert_eq!(closed.account.standing, Standing::Closed);
    assert_eq!(closed.ended, [access(100_021)]);

    for account_id in [10_001, 10_002] {
        assert!(!case.is_valid(account_id * 10 + 1, at(61)).await);
        assert_eq!(case.session_ids(account_id, at(61)).await, [0; 0]);
        let login = store.start_session(account_id, pair(1, at(61)), 3).await.unwrap();
        assert_eq!(login, None);
        let refused = store.rotate(refresh(account_id * 10), next(2, at(61))).await.unwrap();
        assert_eq!(refused, Rotation::Refused);
    }
    let changes = store.changes_after(0, 10).await.unwrap();
    let seen: Vec<_> = changes.iter().map(|change| (change.account_id, change.standing)).collect();
    assert_eq!(seen, [(10_001, Standing::Suspended), (10_002, Standing::Closed)]);
}

pub(super) async fn the_feed_is_read_in_pieces(case: Case) {
    let store = case.store();
    for id in 10_001..=10_003 {
        case.insert(id, &format!("{id}@example.com")).await.unwrap();
        store.close_account(id, at(1)).await.unwrap().unwrap();
    }
    let all = store.changes_after(0, 10).await.unwrap();
    assert!(all.is_sorted_by(|a, b| a.sequence < b.sequence));
    assert_eq!(all.len(), 3);
    assert_eq!(store.changes_after(0, 2).await.unwrap(), all[..2]);
    assert_eq!(store.changes_after(all[1].sequence, 2).await.unwrap(), all[2..]);
    assert_eq!(store.changes_after(all[2].sequence, 2).await.unwrap(), Vec::<AccountChange>::new());
}

pub(super) async fn the_installation_is_recorded_once(case: Case) {
    let [first, second] = [1, 2].map(Installation::from_u128);
    assert_eq!(case.store().settle_installation(first).await.unwrap(), first);
    assert_eq!(case.store().settle_installation(second).await.unwrap(), first);
}
