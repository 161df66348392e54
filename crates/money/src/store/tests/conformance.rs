//! What every store must do, as one suite that each store's tests run. A database that passes it
//! can carry the engine.

use std::sync::Arc;

use ledger::{
    AccountId, Amount, ApiKeyId, Asker, Closing, ClosingDecision, Command, Currency, Decision,
    ID_MAX, IdempotencyKey, Movement, Opening, Outcome, Rejection, Stamp, TransactionId,
    TransferId, Wallet, WalletId, WalletStatus, close_wallets, decide, open_wallet, set_standing,
};

use service::BoxFuture;

use super::{books, operations};
use crate::store::{
    Effects, Footprint, HistoryPage, HistoryQuery, IdKind, LaneStore, Operations, Reads,
    audit::AuditReport,
};

pub(super) const STRIPE: AccountId = AccountId(1);
pub(super) const ANN: AccountId = AccountId(10_001);
pub(super) const BOB: AccountId = AccountId(10_002);

/// A store under test.
pub(crate) struct Subject<L> {
    pub(crate) lane: L,
    pub(crate) reads: Arc<dyn Reads>,
    pub(crate) operations: Arc<dyn Operations>,
    pub(crate) audit: Box<dyn Fn() -> BoxFuture<'static, AuditReport>>,
}

/// Runs the whole suite, each part on a new and empty store.
pub(crate) async fn run<L: LaneStore>(new: impl AsyncFn() -> Subject<L>) {
    ids_are_reserved_once(new().await).await;
    wallets_are_kept(new().await).await;
    transfers_are_kept_and_answer_their_keys(new().await).await;
    keys_belong_to_the_one_who_asks(new().await).await;
    an_abandoned_transaction_leaves_nothing(new().await).await;
    a_second_use_of_a_key_is_refused_by_the_database(new().await).await;
    a_negative_balance_is_refused_by_the_database(new().await).await;
    standings_and_the_feed_position_are_kept_together(new().await).await;
    refused_attempts_to_close_are_kept(new().await).await;
    history_is_paged_and_bounded_by_time(new().await).await;
    books::the_books_are_paged_and_bounded_by_time(new().await).await;
    a_worn_stripe_gives_way_to_another(new().await).await;
    the_audit_finds_nothing_wrong(new().await).await;
    operations::a_frozen_wallet_moves_no_money_until_it_is_unfrozen(new().await).await;
    operations::a_frozen_wallet_stays_frozen_whatever_becomes_of_its_account(new().await).await;
    operations::operations_that_change_nothing_are_refused(new().await).await;
    operations::operations_and_standings_at_once_leave_the_right_status(new().await).await;
    operations::a_closed_wallet_is_paid_out_once(new().await).await;
    operations::an_operation_waits_for_the_batch_and_the_batch_does_not_undo_it(new().await).await;
}

/// The smallest engine: one command, one transaction.
impl<L: LaneStore> Subject<L> {
    pub(super) async fn open(&mut self, account_id: AccountId, currency: Currency) -> Wallet {
        let first = self.lane.reserve_ids(IdKind::Wallet, 2).await.unwrap();
        self.lane.begin().await.unwrap();
        let mut owners = vec![STRIPE, account_id];
        owners.sort_unstable();
        let footprint = Footprint { owners, standings: vec![account_id], ..Footprint::default() };
        let mut loaded = self.lane.load(STRIPE, &footprint).await.unwrap().loaded;
        let opening = Opening {
            wallet_id: WalletId(first),
            system_wallet_id: WalletId(first + 1),
            now: 1_000,
        };
        let opened = open_wallet(&mut loaded, account_id, currency, opening).unwrap();
        let wallet = opened.last().unwrap().clone();
        self.lane.persist(&Effects { opened, ..Effects::default() }).await.unwrap();
        self.lane.commit().await.unwrap();
        wallet
    }

    pub(super) async fn decide(&mut self, command: &Command, now: i64) -> Decision {
        let first = self.lane.reserve_ids(IdKind::Transaction, 2).await.unwrap();
        // It begins with the time in milliseconds, as the engine's ids do.
        let id = i128::from(now / 1_000) << 80 | 7 << 76 | i128::from(first);
        let transfer_id = TransferId(id.to_be_bytes());
        self.lane.begin().await.unwrap();
        let mut wallets: Vec<_> = command.movement.own_wallet().into_iter().collect();
        if let Movement::Transfer { receiver, .. } = command.movement {
            wallets.push(receiver);
        }
        wallets.sort_unstable();
        wallets.dedup();
        let owners = vec![STRIPE, command.account_id];
        let keys = vec![&command.key];
        let footprint = Footprint { wallets, owners, keys, ..Footprint::default() };
        let mut loaded = self.lane.load(STRIPE, &footprint).await.unwrap().loaded;
        let stamp = Stamp { now, transfer_id, debit_id: TransactionId(first) };
        let decision = decide(&mut loaded, command, stamp);
        let mut effects = Effects { changed: loaded.changed_wallets(), ..Effects::default() };
        match &decision {
            Decision::Completed(posting) => {
                effects.transfers.push(posting.transfer.clone());
                effects.transactions.extend([posting.debit.clone(), posting.credit.clone()]);
            }
            Decision::Failed(transfer) => effects.transfers.push((**transfer).clone()),
            Decision::Refused(_) | Decision::Replayed(_) => {}
        }
        self.lane.persist(&effects).await.unwrap();
        self.lane.commit().await.unwrap();
        decision
    }

    /// Whether the account's wallets are closed.
    async fn close(&mut self, account_id: AccountId, attempt: i64) -> bool {
        self.lane.begin().await.unwrap();
        let [owners, standings] = [vec![account_id], vec![account_id]];
        let footprint = Footprint { owners, standings, ..Footprint::default() };
        let mut loaded = self.lane.load(STRIPE, &footprint).await.unwrap().loaded;
        let decision = close_wallets(&mut loaded, Closing { account_id, attempt }, 9_000);
        let mut effects = Effects { changed: loaded.changed_wallets(), ..Effects::default() };
        let is_closed = decision == ClosingDecision::Closed;
        if is_closed {
            effects.standings.push((account_id, WalletStatus::Closed));
        } else {
            effects.refused_closings.push((account_id, loaded.refused_closing(account_id)));
        }
        self.lane.persist(&effects).await.unwrap();
        self.lane.commit().await.unwrap();
        is_closed
    }

    pub(super) async fn deposit(&mut self, wallet: &Wallet, amount: i64, key: &str) -> Decision {
        let movement = Movement::Deposit { wallet: Some(wallet.id) };
        self.decide(&command(wallet.account_id, key, movement, amount), 2_000).await
    }
}

pub(super) fn command(
    account_id: AccountId,
    key: &str,
    movement: Movement,
    amount: i64,
) -> Command {
    Command {
        key: IdempotencyKey { asker: Asker::Account(account_id), key: key.to_owned() },
        account_id,
        movement,
        amount: Amount::new(amount).unwrap(),
        summary: Some("for 김치 \"quoted\"".to_owned()),
    }
}

/// Why a decision moved no money, if it is recorded.
pub(super) fn failure(decision: &Decision) -> Option<Rejection> {
    match decision {
        Decision::Completed(_) => None,
        Decision::Failed(transfer) => match transfer.outcome {
            Outcome::Failed(rejection) => Some(rejection),
            Outcome::Completed { .. } => panic!("a failure is not completed"),
        },
        other => panic!("not decided: {other:?}"),
    }
}

async fn ids_are_reserved_once<L: LaneStore>(mut subject: Subject<L>) {
    let first = subject.lane.reserve_ids(IdKind::Transaction, 10).await.unwrap();
    let second = subject.lane.reserve_ids(IdKind::Transaction, 1).await.unwrap();
    let other = subject.lane.reserve_ids(IdKind::Wallet, 1).await.unwrap();
    assert_eq!((first, second, other), (1, 11, 1));
}

async fn wallets_are_kept<L: LaneStore>(mut subject: Subject<L>) {
    let won = subject.open(ANN, Currency::KRW).await;
    let dollar = subject.open(ANN, Currency::from_code("USD").unwrap()).await;
    let reads = &subject.reads;
    assert_eq!(reads.wallet(won.id).await.unwrap(), Some(won.clone()));
    assert_eq!(reads.wallet(WalletId(404)).await.unwrap(), None);
    assert_eq!(reads.wallets_of(ANN).await.unwrap(), [won, dollar]);
    assert_eq!(reads.wallets_of(BOB).await.unwrap(), []);
    assert_eq!(reads.wallets_of(STRIPE).await.unwrap().len(), 2, "one for each currency");
}

async fn transfers_are_kept_and_answer_their_keys<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    let bob = subject.open(BOB, Currency::KRW).await;
    subject.deposit(&ann, 100, "top-up").await;
    let movement = Movement::Transfer { sender: None, receiver: bob.id };
    let send = command(ANN, "send", movement, 40);
    let Decision::Completed(posting) = subject.decide(&send, 3_000).await else { panic!() };
    let Decision::Replayed(again) = subject.decide(&send, 4_000).await else { panic!() };
    assert_eq!(*again, posting.transfer);

    let too_much = command(ANN, "too much", movement, 61);
    let Decision::Failed(failed) = subject.decide(&too_much, 5_000).await else { panic!() };
    let Decision::Replayed(again) = subject.decide(&too_much, 6_000).await else { panic!() };
    assert_eq!(again, failed);
    assert_eq!(again.outcome, Outcome::Failed(Rejection::InsufficientBalance));

    for leg in [&posting.debit, &posting.credit] {
        let query =
            HistoryQuery { wallet_id: leg.wallet_id, start: None, from: None, to: None, limit: 1 };
        let page = subject.reads.history(query).await.unwrap().unwrap();
        assert_eq!(page.items, std::slice::from_ref(leg));
        assert_eq!((leg.sender_wallet_id, leg.receiver_wallet_id), (ann.id, bob.id));
    }
    let view = subject.reads.transfer(posting.transfer.id).await.unwrap().unwrap();
    assert_eq!(view.transfer, posting.transfer);
    let receiver = view.receiver.unwrap();
    assert_eq!((receiver.account_id, receiver.balance_after), (BOB, 40));
    let by_key = subject.reads.transfer_by_key(failed.key.clone()).await.unwrap().unwrap();
    assert_eq!((by_key.transfer, by_key.receiver), (*failed, None));
    assert_eq!(subject.reads.transfer(TransferId([9; 16])).await.unwrap(), None);
    // Keys are compared character by character: case and trailing spaces count.
    for other in ["SEND", "send "] {
        let key = IdempotencyKey { asker: Asker::Account(ANN), key: other.to_owned() };
        assert_eq!(subject.reads.transfer_by_key(key).await.unwrap(), None, "{other:?}");
    }
    let ann = subject.reads.wallet(ann.id).await.unwrap().unwrap();
    assert_eq!((ann.balance, ann.transaction_count, ann.updated_at), (60, 2, 3_000));
}

/// The same command from an API key.
pub(super) fn by_api_key(id: i64, command: &Command) -> Command {
    let mut command = command.clone();
    command.key.asker = Asker::ApiKey(ApiKeyId(id));
    command
}

async fn keys_belong_to_the_one_who_asks<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    let bob = subject.open(BOB, Currency::KRW).await;
    let movement = Movement::Deposit { wallet: None };
    let by_ann = command(ANN, "key", movement, 5);
    // An API key may have an account's number, and the largest that there is.
    let by_api_keys = [1, ANN.0, ID_MAX].map(|id| by_api_key(id, &by_ann));
    for command in std::iter::once(&by_ann).chain(&by_api_keys) {
        let Decision::Completed(posting) = subject.decide(command, 3_000).await else { panic!() };
        let view = subject.reads.transfer(posting.transfer.id).await.unwrap().unwrap();
        assert_eq!(view.transfer, posting.transfer);
        assert_eq!((&view.transfer.key, view.transfer.account_id), (&command.key, ANN));
        let by_key = subject.reads.transfer_by_key(command.key.clone()).await.unwrap();
        assert_eq!(by_key.unwrap().transfer, posting.transfer);
        let Decision::Replayed(again) = subject.decide(command, 4_000).await else { panic!() };
        assert_eq!(*again, posting.transfer);
    }
    // A key of an API key is the same key, whichever account it acts for.
    let for_bob = Command { account_id: BOB, ..by_api_key(1, &by_ann) };
    let refused = Decision::Refused(Rejection::IdempotencyKeyReused);
    assert_eq!(subject.decide(&for_bob, 5_000).await, refused);
    for (wallet, balance) in [(ann, 20), (bob, 0)] {
        assert_eq!(subject.reads.wallet(wallet.id).await.unwrap().unwrap().balance, balance);
    }
    let report = (subject.audit)().await;
    assert!(report.is_clean(), "{report}");
}

async fn an_abandoned_transaction_leaves_nothing<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    subject.lane.begin().await.unwrap();
    let robbed = Wallet { balance: 7, ..ann.clone() };
    let effects = Effects { changed: vec![&robbed], ..Effects::default() };
    subject.lane.persist(&effects).await.unwrap();
    subject.lane.begin().await.unwrap();
    subject.lane.commit().await.unwrap();
    assert_eq!(subject.reads.wallet(ann.id).await.unwrap(), Some(ann));
}

async fn a_second_use_of_a_key_is_refused_by_the_database<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    let Decision::Completed(posting) = subject.deposit(&ann, 5, "once").await else { panic!() };
    let mut again = posting.transfer.clone();
    again.id = TransferId([7; 16]);
    subject.lane.begin().await.unwrap();
    let effects = Effects { transfers: vec![again], ..Effects::default() };
    assert!(subject.lane.persist(&effects).await.is_err());
}

async fn a_negative_balance_is_refused_by_the_database<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    subject.lane.begin().await.unwrap();
    let overdrawn = Wallet { balance: -1, ..ann };
    let effects = Effects { changed: vec![&overdrawn], ..Effects::default() };
    assert!(subject.lane.persist(&effects).await.is_err());
}

async fn standings_and_the_feed_position_are_kept_together<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    assert_eq!(subject.reads.feed_sequence().await.unwrap(), 0);
    for (status, sequence) in [(WalletStatus::Frozen, 3), (WalletStatus::Closed, 8)] {
        subject.lane.begin().await.unwrap();
        let footprint =
            Footprint { owners: vec![ANN], standings: vec![ANN], ..Footprint::default() };
        let mut loaded = subject.lane.load(STRIPE, &footprint).await.unwrap().loaded;
        set_standing(&mut loaded, ANN, status, 9_000);
        let effects = Effects {
            changed: loaded.changed_wallets(),
            standings: vec![(ANN, status)],
            feed_sequence: Some(sequence),
            ..Effects::default()
        };
        subject.lane.persist(&effects).await.unwrap();
        subject.lane.commit().await.unwrap();
        assert_eq!(subject.reads.feed_sequence().await.unwrap(), sequence);
        let wallet = subject.reads.wallet(ann.id).await.unwrap().unwrap();
        assert_eq!((wallet.status, wallet.updated_at), (status, 9_000));
    }
    subject.lane.begin().await.unwrap();
    let footprint = Footprint { standings: vec![ANN, BOB], ..Footprint::default() };
    let mut loaded = subject.lane.load(STRIPE, &footprint).await.unwrap().loaded;
    let opening = Opening { wallet_id: WalletId(50), system_wallet_id: WalletId(51), now: 0 };
    assert!(open_wallet(&mut loaded, ANN, Currency::KRW, opening).is_err(), "closed for good");
    assert!(open_wallet(&mut loaded, BOB, Currency::KRW, opening).is_ok());
}

/// Ann has been told that her wallet stays open. An attempt of before must not close it.
async fn refused_attempts_to_close_are_kept<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    subject.open(BOB, Currency::KRW).await;
    subject.deposit(&ann, 5, "in").await;
    assert!(!subject.close(ANN, 7).await);
    assert!(!subject.close(ANN, 6).await);
    assert!(subject.close(BOB, 3).await);
    assert!(subject.close(BOB, 3).await, "its standing says so");
    let movement = Movement::Withdrawal { wallet: Some(ann.id) };
    subject.decide(&command(ANN, "out", movement, 5), 9_001).await;
    assert!(!subject.close(ANN, 7).await, "it was refused");
    assert!(subject.close(ANN, 8).await);
    for id in [ann.id, subject.reads.wallets_of(BOB).await.unwrap()[0].id] {
        let wallet = subject.reads.wallet(id).await.unwrap().unwrap();
        assert_eq!((wallet.status, wallet.balance), (WalletStatus::Closed, 0));
    }
}

async fn a_worn_stripe_gives_way_to_another<L: LaneStore>(mut subject: Subject<L>) {
    subject.open(ANN, Currency::KRW).await;
    let system_wallet = subject.reads.wallets_of(STRIPE).await.unwrap().remove(0);
    let second = subject.lane.take_stripe(Some(STRIPE)).await.unwrap();
    assert_ne!(second, STRIPE);
    for (balance, used) in [(i64::MIN / 2, 0.5), (i64::MIN, 1.0), (i64::MAX, 1.0)] {
        subject.lane.begin().await.unwrap();
        let worn = Wallet { balance, ..system_wallet.clone() };
        let effects = Effects { changed: vec![&worn], ..Effects::default() };
        subject.lane.persist(&effects).await.unwrap();
        subject.lane.commit().await.unwrap();
        let totals = subject.reads.totals().await.unwrap();
        assert_eq!(totals.system_room_used().collect::<Vec<_>>(), [("KRW", used)]);
        // Also a lane that starts, and comes upon this one.
        for _ in 0..STRIPES_TRIED {
            assert_ne!(subject.lane.take_stripe(None).await.unwrap(), STRIPE);
        }
    }
}

/// Starts of lanes until each stripe that they share was at hand once.
const STRIPES_TRIED: usize = 64;

/// Long enough for several marks, with several transactions at each time.
async fn history_is_paged_and_bounded_by_time<L: LaneStore>(mut subject: Subject<L>) {
    const COUNT: i64 = 600;
    let ann = subject.open(ANN, Currency::KRW).await;
    let bob = subject.open(BOB, Currency::KRW).await;
    for n in 1..=COUNT {
        let movement = Movement::Deposit { wallet: Some(ann.id) };
        subject.decide(&command(ANN, &n.to_string(), movement, 1), 10_000 + n / 3).await;
    }
    let newest = HistoryQuery { wallet_id: ann.id, start: None, from: None, to: None, limit: 50 };
    let sequences =
        |page: &HistoryPage| -> Vec<i64> { page.items.iter().map(|leg| leg.sequence).collect() };
    let mut seen = Vec::new();
    let mut query = newest;
    loop {
        let page = subject.reads.history(query).await.unwrap().unwrap();
        assert!(page.items.len() <= 50);
        seen.extend(sequences(&page));
        match page.next {
            Some(next) => query.start = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, (1..=COUNT).rev().collect::<Vec<_>>());

    // Times 10,000 + n/3: from 10,020 to before 10,022 are n = 60 to 65.
    for to in [10_022, 10_100, 10_190] {
        let query = HistoryQuery { from: Some(to - 2), to: Some(to), ..newest };
        let page = subject.reads.history(query).await.unwrap().unwrap();
        let last = (to - 10_000) * 3 - 1;
        assert_eq!(sequences(&page), (last - 5..=last).rev().collect::<Vec<_>>());
        assert_eq!(page.next, None);
    }
    let after_all = HistoryQuery { from: Some(99_999), ..newest };
    assert_eq!(subject.reads.history(after_all).await.unwrap(), Some(HistoryPage::default()));

    let empty = HistoryQuery { wallet_id: bob.id, ..newest };
    assert_eq!(subject.reads.history(empty).await.unwrap(), Some(HistoryPage::default()));
    let start = subject.reads.history(newest).await.unwrap().unwrap().next;
    let stolen = HistoryQuery { start, ..empty };
    assert_eq!(subject.reads.history(stolen).await.unwrap(), None, "another wallet's cursor");
    let report = (subject.audit)().await;
    assert!(report.is_clean(), "every mark is where it should be: {report}");
}

async fn the_audit_finds_nothing_wrong<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    let bob = subject.open(BOB, Currency::KRW).await;
    subject.deposit(&ann, 100, "a").await;
    let movement = Movement::Transfer { sender: Some(ann.id), receiver: bob.id };
    subject.decide(&command(ANN, "b", movement, 70), 3_000).await;
    subject.decide(&command(ANN, "c", movement, 70), 3_000).await;
    let withdrawal = Movement::Withdrawal { wallet: None };
    subject.decide(&command(BOB, "d", withdrawal, 20), 3_000).await;
    let report = (subject.audit)().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.completed_transfers, report.failed_transfers), (3, 1));
    assert_eq!(report.wallets, 3);
}
