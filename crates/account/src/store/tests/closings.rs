//! What every store must do with closings: attempts ascend, and only the newest one ends a closing.

use service::contract::account_feed::Standing;

use super::{Case, access, at, update};
use crate::store::{BegunClosing, ChangeRefusal, OpenClosing};

pub(super) async fn attempts_to_close_ascend_whatever_the_clock_says(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    let begin = async |minutes| store.begin_closing(10_001, at(minutes)).await.unwrap().unwrap();
    let first = begin(5).await;
    assert_eq!(first, BegunClosing { attempt: at(5).as_micros(), is_first: true });
    // The clock of another instance is behind.
    let second = begin(3).await;
    assert_eq!(second, BegunClosing { attempt: first.attempt + 1, is_first: false });
    let resumed = store.resume_closing(10_001, second.attempt, at(4)).await.unwrap();
    assert_eq!(resumed, Some(second.attempt + 1));
    store.end_closing(10_001, second.attempt + 1).await.unwrap();
    let fourth = begin(1).await;
    assert_eq!(fourth, BegunClosing { attempt: second.attempt + 2, is_first: true });
}

pub(super) async fn a_closing_is_open_until_its_newest_attempt_is_settled(case: Case) {
    let store = case.store();
    for (id, email) in [(10_001, "ada@example.com"), (10_002, "bob@example.com")] {
        case.insert(id, email).await.unwrap();
    }
    let begin =
        async |id, minutes| store.begin_closing(id, at(minutes)).await.unwrap().unwrap().attempt;
    let (ada, bob) = (begin(10_001, 1).await, begin(10_002, 2).await);
    let later = begin(10_001, 3).await;
    let open = |account_id, attempt, started, attempted| OpenClosing {
        account_id,
        attempt,
        started_at: at(started),
        attempted_at: at(attempted),
    };
    let both = [open(10_002, bob, 2, 2), open(10_001, later, 1, 3)];
    assert_eq!(store.open_closings(10).await.unwrap(), both);
    assert_eq!(store.open_closings(1).await.unwrap(), both[..1]);

    // The attempt before was refused, which says nothing about this one.
    store.end_closing(10_001, ada).await.unwrap();
    assert_eq!(store.open_closings(10).await.unwrap(), both);
    assert_eq!(store.resume_closing(10_001, ada, at(4)).await.unwrap(), None);
    let resumed = store.resume_closing(10_001, later, at(4)).await.unwrap().unwrap();
    let both = [open(10_002, bob, 2, 2), open(10_001, resumed, 1, 4)];
    assert_eq!(store.open_closings(10).await.unwrap(), both);
    store.end_closing(10_001, resumed).await.unwrap();
    assert_eq!(store.open_closings(10).await.unwrap(), both[..1]);
    assert_eq!(store.resume_closing(10_001, resumed, at(5)).await.unwrap(), None, "it has ended");

    store.close_account(10_002, at(6)).await.unwrap().unwrap();
    assert_eq!(store.open_closings(10).await.unwrap(), []);
    assert_eq!(store.account(10_001).await.unwrap().unwrap().standing, Standing::Active);
}

pub(super) async fn closing_begins_in_good_standing_and_ends_in_any(case: Case) {
    let store = case.store();
    for (id, email) in [(10_001, "ada@example.com"), (10_002, "bob@example.com")] {
        case.insert(id, email).await.unwrap();
        case.log_in(id, id * 10, at(0)).await;
    }
    let begin = async |id| store.begin_closing(id, at(1)).await.unwrap();
    begin(10_001).await.unwrap();
    let suspend = async |id, email| {
        store.update_account(id, update(email, false), at(2)).await.unwrap().unwrap()
    };
    suspend(10_001, "ada@example.com").await;
    suspend(10_002, "bob@example.com").await;
    assert_eq!(begin(10_001).await, Err(ChangeRefusal::NotActive));
    assert_eq!(begin(10_002).await, Err(ChangeRefusal::NotActive));
    assert_eq!(begin(10_003).await, Err(ChangeRefusal::Unknown));

    let closed = store.close_account(10_001, at(3)).await.unwrap().unwrap();
    assert_eq!((closed.account.standing, closed.ended), (Standing::Closed, Vec::new()));
    assert!(!case.is_valid(100_010, at(3)).await, "{:?}", access(100_010));
    let again = store.close_account(10_001, at(4)).await.unwrap();
    assert_eq!(again, Err(ChangeRefusal::NotActive));
    assert_eq!(begin(10_001).await, Err(ChangeRefusal::NotActive));
    let told: Vec<_> = store.changes_after(0, 10).await.unwrap();
    let told: Vec<_> = told.iter().map(|change| (change.account_id, change.standing)).collect();
    let suspended = [(10_001, Standing::Suspended), (10_002, Standing::Suspended)];
    assert_eq!(told, [&suspended[..], &[(10_001, Standing::Closed)]].concat());
}
