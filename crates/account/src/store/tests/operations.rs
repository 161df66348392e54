//! What every store must do with operators' actions: effect and record are one.

use std::sync::Arc;

use service::{
    clock::Timestamp,
    contract::account_feed::Standing,
    operator::{Operator, REASON},
};

use super::{Case, access, at, refresh, update};
use crate::{
    operations::{Action, NewOperation, Operation, OperationRefusal},
    store::{Operated, Rotation},
};

fn new(account_id: i64, action: Action) -> NewOperation {
    NewOperation {
        account_id,
        action,
        reason: "a report of theft, no. 7 / 도난".to_owned(),
        operator: Operator::ApiKey(9_007_199_254_740_991),
    }
}

impl Case {
    async fn operate(
        &self,
        new: NewOperation,
        now: Timestamp,
    ) -> Result<Operated, OperationRefusal> {
        self.store().operate(new, now).await.unwrap()
    }

    async fn recorded(&self, account_id: i64) -> Vec<Operation> {
        self.store().operations(account_id, None, 10).await.unwrap()
    }

    async fn standings(&self) -> Vec<Standing> {
        let changes = self.store().changes_after(0, 10).await.unwrap();
        changes.iter().map(|change| change.standing).collect()
    }
}

pub(super) async fn operations_take_effect_and_are_recorded(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    case.insert(10_002, "bob@example.com").await.unwrap();
    case.log_in(10_001, 1, at(0)).await;
    case.log_in(10_001, 2, at(30)).await;
    case.log_in(10_002, 3, at(30)).await;

    let revoked = case.operate(new(10_001, Action::RevokeSessions), at(61)).await.unwrap();
    assert_eq!(revoked.ended, [access(2)], "the first access token had ended by itself");
    assert_eq!(case.session_ids(10_001, at(61)).await, [0; 0]);
    assert!(case.is_valid(3, at(61)).await, "another account's");
    assert_eq!(case.standings().await, []);
    case.log_in(10_001, 4, at(62)).await;

    let user = Operator::User("ops".to_owned());
    let suspension = NewOperation { operator: user.clone(), ..new(10_001, Action::Suspend) };
    let suspended = case.operate(suspension, at(63)).await.unwrap();
    assert_eq!(suspended.ended, [access(4)]);
    let account = store.account(10_001).await.unwrap().unwrap();
    assert_eq!((account.standing, account.updated_at), (Standing::Suspended, at(63)));
    assert!(!case.is_valid(4, at(63)).await);
    let next = super::next(5, at(63));
    assert_eq!(store.rotate(refresh(4), next).await.unwrap(), Rotation::Refused);

    let enabled = case.operate(new(10_001, Action::Enable), at(64)).await.unwrap();
    assert_eq!(enabled.ended, []);
    let account = store.account(10_001).await.unwrap().unwrap();
    assert_eq!((account.standing, account.updated_at), (Standing::Active, at(64)));
    assert!(!case.is_valid(4, at(64)).await, "tokens stay ended");
    case.log_in(10_001, 6, at(64)).await;

    assert_eq!(case.standings().await, [Standing::Suspended, Standing::Active]);
    // The list that every instance follows has what was ended.
    let ended = store.revocations_after(0, 10).await.unwrap();
    let ended: Vec<_> = ended.iter().map(|token| token.digest).collect();
    assert_eq!(ended, [access(2), access(4)]);
    let recorded = case.recorded(10_001).await;
    assert_eq!(
        recorded,
        [enabled.operation.clone(), suspended.operation.clone(), revoked.operation.clone()]
    );
    let expected = Operation {
        account_id: 10_001,
        sequence: 2,
        action: Action::Suspend,
        reason: new(10_001, Action::Suspend).reason,
        operator: user,
        created_at: at(63),
    };
    assert_eq!(suspended.operation, expected);
    assert_eq!(recorded.iter().map(|one| one.sequence).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(case.recorded(10_002).await, []);
    // The longest reason and characters beyond the first plane are kept whole.
    let longest = REASON.check("🔒".repeat(500)).unwrap();
    let long = NewOperation { reason: longest.clone(), ..new(10_002, Action::Suspend) };
    case.operate(long, at(65)).await.unwrap();
    assert_eq!(case.recorded(10_002).await[0].reason, longest);
}

pub(super) async fn what_changes_nothing_is_refused_and_not_recorded(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    let refused = async |id, action| case.operate(new(id, action), at(1)).await.unwrap_err();
    for action in Action::ALL {
        for id in [1, 10_000, 10_002] {
            assert_eq!(refused(id, action).await, OperationRefusal::Unknown);
        }
    }
    assert_eq!(refused(10_001, Action::Enable).await, OperationRefusal::NotSuspended);
    assert_eq!(refused(10_001, Action::RevokeSessions).await, OperationRefusal::NoSessions);
    assert_eq!(case.recorded(10_001).await, []);
    // An account that its owner has suspended is suspended by an operator, too, once, and so again
    // after an operator has enabled it.
    for recorded in [2, 4] {
        let update = update("ada@example.com", false);
        store.update_account(10_001, update, at(1)).await.unwrap().unwrap();
        case.operate(new(10_001, Action::Suspend), at(2)).await.unwrap();
        assert_eq!(refused(10_001, Action::Suspend).await, OperationRefusal::AlreadySuspended);
        case.operate(new(10_001, Action::Enable), at(2)).await.unwrap();
        assert_eq!(case.recorded(10_001).await.len(), recorded);
    }
    store.close_account(10_001, at(3)).await.unwrap().unwrap();
    for action in Action::ALL {
        assert_eq!(refused(10_001, action).await, OperationRefusal::Closed, "{action:?}");
    }
    assert_eq!(case.recorded(10_001).await.len(), 4);
    let expected = [
        Standing::Suspended,
        Standing::Active,
        Standing::Suspended,
        Standing::Active,
        Standing::Closed,
    ];
    assert_eq!(case.standings().await, expected);
}

pub(super) async fn operations_are_read_in_pieces(case: Case) {
    let store = case.store();
    case.insert(10_001, "ada@example.com").await.unwrap();
    for n in 0..5 {
        let action = if n % 2 == 0 { Action::Suspend } else { Action::Enable };
        case.operate(new(10_001, action), at(n)).await.unwrap();
    }
    let page = async |before| {
        let page = store.operations(10_001, before, 2).await.unwrap();
        page.iter().map(|operation| operation.sequence).collect::<Vec<_>>()
    };
    assert_eq!(page(None).await, [5, 4]);
    assert_eq!(page(Some(4)).await, [3, 2]);
    assert_eq!(page(Some(2)).await, [1]);
    assert_eq!(page(Some(1)).await, [0; 0]);
}

pub(super) async fn simultaneous_operations_are_numbered_one_by_one(case: Case) {
    case.insert(10_001, "ada@example.com").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&case.0.store);
        tasks.spawn(async move {
            store.operate(new(10_001, Action::Suspend), at(1)).await.unwrap().is_ok()
        });
    }
    let suspended = tasks.join_all().await.into_iter().filter(|is_done| *is_done).count();
    assert_eq!(suspended, 1);
    let recorded = case.recorded(10_001).await;
    assert_eq!(recorded.iter().map(|one| one.sequence).collect::<Vec<_>>(), [1]);
    assert_eq!(case.standings().await, [Standing::Suspended]);
}
