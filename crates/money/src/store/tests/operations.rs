//! What every store must do with operators' actions on wallets.

use std::sync::Arc;

use ledger::{
    AccountId, ApiKeyId, Asker, Command, Currency, Decision, FreezeAction, IdempotencyKey,
    Movement, Outcome, Rejection, TransferKind, WalletId, WalletStatus, set_standing,
};
use service::{clock::Timestamp, operator::Operator};

use super::conformance::{ANN, BOB, STRIPE, Subject, command, failure};
use crate::{
    operations::{self, NewOperation, Operation, OperationRefusal},
    store::{Effects, Footprint, LaneStore},
};

fn new(wallet_id: WalletId, action: FreezeAction) -> NewOperation {
    NewOperation {
        wallet_id,
        action,
        reason: "a report of theft / 도난 🔒".to_owned(),
        operator: Operator::ApiKey(9_007_199_254_740_991),
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

impl<L: LaneStore> Subject<L> {
    async fn operate(
        &self,
        id: WalletId,
        action: FreezeAction,
        now: i64,
    ) -> Result<Operation, OperationRefusal> {
        self.operations.operate(new(id, action), at(now)).await.unwrap()
    }

    async fn status(&self, id: WalletId) -> WalletStatus {
        self.reads.wallet(id).await.unwrap().unwrap().status
    }

    /// As the follower of the feed does it.
    async fn stand(&mut self, account_id: AccountId, standing: WalletStatus, sequence: i64) {
        self.lane.begin().await.unwrap();
        let footprint = Footprint {
            owners: vec![account_id],
            standings: vec![account_id],
            feed_position: true,
            frozen: true,
            ..Footprint::default()
        };
        let mut loaded = self.lane.load(STRIPE, &footprint).await.unwrap().loaded;
        set_standing(&mut loaded, account_id, standing, 9_000);
        let effects = Effects {
            changed: loaded.changed_wallets(),
            standings: vec![(account_id, standing)],
            feed_sequence: Some(sequence),
            ..Effects::default()
        };
        self.lane.persist(&effects).await.unwrap();
        self.lane.commit().await.unwrap();
    }
}

pub(super) async fn a_frozen_wallet_moves_no_money_until_it_is_unfrozen<L: LaneStore>(
    mut subject: Subject<L>,
) {
    use FreezeAction::{Freeze, Unfreeze};
    let ann = subject.open(ANN, Currency::KRW).await;
    let dollars = subject.open(ANN, Currency::from_code("USD").unwrap()).await;
    let bob = subject.open(BOB, Currency::KRW).await;
    for wallet in [&ann, &bob] {
        subject.deposit(wallet, 100, "funds").await;
    }
    let frozen = subject.operate(ann.id, Freeze, 5_000).await.unwrap();
    let expected = Operation {
        wallet_id: ann.id,
        sequence: 1,
        action: Freeze,
        reason: new(ann.id, Freeze).reason,
        operator: Operator::ApiKey(9_007_199_254_740_991),
        created_at: at(5_000),
    };
    assert_eq!(frozen, expected);
    let wallet = subject.reads.wallet(ann.id).await.unwrap().unwrap();
    assert_eq!((wallet.status, wallet.updated_at), (WalletStatus::Frozen, 5_000));
    let own = Some(Rejection::WalletFrozen);
    for (key, account, movement, expected) in [
        ("a", ANN, Movement::Deposit { wallet: Some(ann.id) }, own),
        ("b", ANN, Movement::Withdrawal { wallet: Some(ann.id) }, own),
        ("c", ANN, Movement::Transfer { sender: Some(ann.id), receiver: bob.id }, own),
        (
            "d",
            BOB,
            Movement::Transfer { sender: None, receiver: ann.id },
            Some(Rejection::ReceiverWalletFrozen),
        ),
        ("e", ANN, Movement::Deposit { wallet: Some(dollars.id) }, None),
    ] {
        let decision = subject.decide(&command(account, key, movement, 1), 6_000).await;
        assert_eq!(failure(&decision), expected, "{movement:?}");
    }
    let unfrozen = subject.operate(ann.id, Unfreeze, 7_000).await.unwrap();
    let back = Movement::Transfer { sender: Some(ann.id), receiver: bob.id };
    let again = subject.decide(&command(ANN, "f", back, 1), 8_000).await;
    assert_eq!(failure(&again), None);
    let page = operations::operations(subject.operations.as_ref(), ann.id, None, 1).await.unwrap();
    let page = page.unwrap();
    assert_eq!((page.items, page.next), (vec![unfrozen], Some(2)));
    let page = operations::operations(subject.operations.as_ref(), ann.id, page.next, 1).await;
    let page = page.unwrap().unwrap();
    assert_eq!((page.items, page.next), (vec![frozen], None));
    let report = (subject.audit)().await;
    assert!(report.is_clean(), "{report}");
}

pub(super) async fn a_frozen_wallet_stays_frozen_whatever_becomes_of_its_account<L: LaneStore>(
    mut subject: Subject<L>,
) {
    use FreezeAction::{Freeze, Unfreeze};
    use WalletStatus::{Active, Closed, Frozen};
    let ann = subject.open(ANN, Currency::KRW).await.id;
    let dollars = subject.open(ANN, Currency::from_code("USD").unwrap()).await.id;
    subject.operate(ann, Freeze, 1).await.unwrap();
    subject.stand(ANN, Frozen, 1).await;
    assert_eq!([subject.status(ann).await, subject.status(dollars).await], [Frozen, Frozen]);
    // Frozen by its account only, and now by an operator too.
    subject.operate(dollars, Freeze, 2).await.unwrap();
    subject.stand(ANN, Active, 2).await;
    assert_eq!([subject.status(ann).await, subject.status(dollars).await], [Frozen, Frozen]);
    subject.operate(ann, Unfreeze, 3).await.unwrap();
    assert_eq!([subject.status(ann).await, subject.status(dollars).await], [Active, Frozen]);
    // Unfrozen while its account is suspended, it moves money with its account's next standing.
    subject.stand(ANN, Frozen, 3).await;
    subject.operate(dollars, Unfreeze, 4).await.unwrap();
    assert_eq!(subject.status(dollars).await, Frozen);
    subject.stand(ANN, Active, 4).await;
    assert_eq!([subject.status(ann).await, subject.status(dollars).await], [Active, Active]);
    subject.operate(ann, Freeze, 5).await.unwrap();
    subject.stand(ANN, Closed, 5).await;
    assert_eq!([subject.status(ann).await, subject.status(dollars).await], [Closed, Closed]);
    let report = (subject.audit)().await;
    assert!(report.is_clean(), "{report}");
}

pub(super) async fn operations_that_change_nothing_are_refused<L: LaneStore>(
    mut subject: Subject<L>,
) {
    use FreezeAction::{Freeze, Unfreeze};
    let ann = subject.open(ANN, Currency::KRW).await.id;
    let system = subject.reads.wallets_of(STRIPE).await.unwrap().remove(0).id;
    for id in [system, WalletId(404)] {
        for action in [Freeze, Unfreeze] {
            assert_eq!(subject.operate(id, action, 1).await, Err(OperationRefusal::Unknown));
        }
        let listed = operations::operations(subject.operations.as_ref(), id, None, 9).await;
        assert_eq!(listed.unwrap(), None);
    }
    assert_eq!(subject.operate(ann, Unfreeze, 1).await, Err(OperationRefusal::NotFrozen));
    subject.operate(ann, Freeze, 1).await.unwrap();
    assert_eq!(subject.operate(ann, Freeze, 1).await, Err(OperationRefusal::AlreadyFrozen));
    subject.stand(ANN, WalletStatus::Closed, 1).await;
    for action in [Freeze, Unfreeze] {
        assert_eq!(subject.operate(ann, action, 1).await, Err(OperationRefusal::Closed));
    }
    let listed = operations::operations(subject.operations.as_ref(), ann, None, 9).await;
    assert_eq!(listed.unwrap().unwrap().items.len(), 1);
}

/// A batch that has loaded the wallet as active commits before the operation, and does not undo it.
pub(super) async fn an_operation_waits_for_the_batch_and_the_batch_does_not_undo_it<
    L: LaneStore,
>(
    mut subject: Subject<L>,
) {
    let ann = subject.open(ANN, Currency::KRW).await;
    subject.lane.begin().await.unwrap();
    let footprint = Footprint { wallets: vec![ann.id], ..Footprint::default() };
    let loaded = subject.lane.load(STRIPE, &footprint).await.unwrap().loaded;
    let operations = Arc::clone(&subject.operations);
    let freeze = new(ann.id, FreezeAction::Freeze);
    let operating = tokio::spawn(async move { operations.operate(freeze, at(5)).await });
    tokio::task::yield_now().await;
    let mut changed = loaded.wallet(ann.id).unwrap().clone();
    changed.updated_at = 7_000;
    let effects = Effects { changed: vec![&changed], ..Effects::default() };
    subject.lane.persist(&effects).await.unwrap();
    assert!(!operating.is_finished(), "the batch holds the wallet");
    subject.lane.commit().await.unwrap();
    operating.await.unwrap().unwrap().unwrap();
    let wallet = subject.reads.wallet(ann.id).await.unwrap().unwrap();
    assert_eq!((wallet.status, wallet.updated_at), (WalletStatus::Frozen, 7_000));
    let decision = subject.deposit(&wallet, 1, "after").await;
    let expected = Outcome::Failed(Rejection::WalletFrozen);
    assert_eq!(failure(&decision).map(Outcome::Failed), Some(expected));
}

pub(super) async fn a_closed_wallet_is_paid_out_once<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    subject.deposit(&ann, 100, "funds").await;
    let payout = |amount| {
        let payout = command(ANN, "payout", Movement::Payout { wallet: ann.id }, amount);
        let asker = Asker::ApiKey(ApiKeyId(7));
        Command { key: IdempotencyKey { asker, ..payout.key.clone() }, ..payout }
    };
    let refused = subject.decide(&payout(60), 3_000).await;
    assert_eq!(refused, Decision::Refused(Rejection::WalletNotClosed));
    subject.stand(ANN, WalletStatus::Closed, 1).await;
    let Decision::Completed(paid) = subject.decide(&payout(60), 10_000).await else {
        panic!("the key is free, and the wallet is closed");
    };
    let again = subject.decide(&payout(60), 11_000).await;
    assert_eq!(again, Decision::Replayed(Box::new(paid.transfer.clone())));
    let found = subject.reads.transfer(paid.transfer.id).await.unwrap().unwrap().transfer;
    assert_eq!(found, paid.transfer);
    assert_eq!((found.kind, found.account_id), (TransferKind::Withdrawal, ANN));
    let wallet = subject.reads.wallet(ann.id).await.unwrap().unwrap();
    assert_eq!((wallet.balance, wallet.status), (40, WalletStatus::Closed));
    let report = (subject.audit)().await;
    assert!(report.is_clean(), "{report}");
}

/// Whichever comes first, the status in the end is what both ask for.
pub(super) async fn operations_and_standings_at_once_leave_the_right_status<L: LaneStore>(
    mut subject: Subject<L>,
) {
    let id = subject.open(ANN, Currency::KRW).await.id;
    for round in 1..=20 {
        let is_odd = round % 2 == 1;
        let action = if is_odd { FreezeAction::Freeze } else { FreezeAction::Unfreeze };
        let operations = Arc::clone(&subject.operations);
        let operating =
            tokio::spawn(async move { operations.operate(new(id, action), at(round)).await });
        // Each standing meets a freeze as well as an unfreeze.
        let standing = if round % 4 < 2 { WalletStatus::Frozen } else { WalletStatus::Active };
        subject.stand(ANN, standing, round).await;
        operating.await.unwrap().unwrap().unwrap();
        let expected = if is_odd { WalletStatus::Frozen } else { standing };
        assert_eq!(subject.status(id).await, expected, "round {round}");
        let report = (subject.audit)().await;
        assert!(report.is_clean(), "round {round}: {report}");
    }
}
