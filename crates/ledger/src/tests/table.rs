//! A row for every rejection, in order of precedence; each row's command breaks its own rule and,
//! where that is possible, every rule listed after it.

use super::{command, freeze, open, stamp};
use crate::{
    AMOUNT_MAX, AccountId, Amount, Command, Decision, Direction, Loaded, Movement, Outcome,
    Rejection, WalletId, WalletStatus, decide,
};

const ANN: i64 = 10_001;
const BOB: i64 = 10_002;
const FROZEN: i64 = 10_003;
const CLOSED: i64 = 10_004;
const DOLLAR: i64 = 10_005;
const FULL: i64 = 10_006;
const FROZEN_DOLLAR: i64 = 10_007;
const CLOSED_DOLLAR: i64 = 10_008;
const TWO: i64 = 10_009;
const NOBODY: i64 = 10_010;

fn world() -> Loaded {
    let mut loaded = Loaded::new(AccountId(1));
    open(&mut loaded, ANN, "KRW", 100);
    open(&mut loaded, BOB, "KRW", 0);
    open(&mut loaded, FROZEN, "KRW", 5);
    open(&mut loaded, CLOSED, "KRW", 5);
    open(&mut loaded, DOLLAR, "USD", 5);
    open(&mut loaded, FULL, "KRW", AMOUNT_MAX);
    open(&mut loaded, FROZEN_DOLLAR, "USD", 0);
    open(&mut loaded, CLOSED_DOLLAR, "USD", 0);
    open(&mut loaded, TWO, "KRW", 5);
    let second = crate::Opening { wallet_id: WalletId(77), system_wallet_id: WalletId(78), now: 0 };
    let usd = crate::Currency::from_code("USD").unwrap();
    crate::open_wallet(&mut loaded, AccountId(TWO), usd, second).unwrap();
    for account in [FROZEN, FROZEN_DOLLAR] {
        freeze(&mut loaded, account, WalletStatus::Frozen);
    }
    for account in [CLOSED, CLOSED_DOLLAR] {
        freeze(&mut loaded, account, WalletStatus::Closed);
    }
    let first = send(ANN, Some(ANN), BOB);
    decide(&mut loaded, &Command { key: key(ANN, "used"), ..first }, stamp(1));
    loaded
}

fn key(account: i64, key: &str) -> crate::IdempotencyKey {
    crate::IdempotencyKey { account_id: AccountId(account), key: key.to_owned() }
}

fn send(account: i64, sender: Option<i64>, receiver: i64) -> Command {
    let movement =
        Movement::Transfer { sender: sender.map(WalletId), receiver: WalletId(receiver) };
    command(account, "new", movement)
}

fn of(amount: i64, command: Command) -> Command {
    Command { amount: Amount::new(amount).unwrap(), ..command }
}

#[test]
fn every_rejection_in_order_of_precedence() {
    use Rejection as R;
    let system_wallet = 900_000;
    let reused = Command { key: key(ANN, "used"), ..send(ANN, None, 404) };
    let withdrawal = Movement::Withdrawal { wallet: None };
    let deposit = |account: i64| Movement::Deposit { wallet: Some(WalletId(account)) };
    let table = [
        (R::IdempotencyKeyReused, false, vec![of(99, reused)]),
        (
            R::WalletRequired,
            false,
            vec![of(99, send(TWO, None, 404)), command(TWO, "d", withdrawal)],
        ),
        (
            R::WalletNotFound,
            false,
            vec![
                send(NOBODY, None, 404),
                send(ANN, Some(404), 404),
                send(ANN, Some(BOB), BOB),
                command(BOB, "d", deposit(ANN)),
                send(ANN, Some(system_wallet), BOB),
            ],
        ),
        (R::SameWallet, true, vec![of(999, send(FROZEN, None, FROZEN)), send(ANN, Some(ANN), ANN)]),
        (
            R::ReceiverWalletNotFound,
            true,
            vec![of(999, send(FROZEN, None, 404)), send(ANN, None, system_wallet)],
        ),
        (
            R::WalletFrozen,
            true,
            vec![of(999, send(FROZEN, None, FROZEN_DOLLAR)), command(FROZEN, "d", deposit(FROZEN))],
        ),
        (
            R::WalletClosed,
            true,
            vec![of(999, send(CLOSED, None, FROZEN_DOLLAR)), command(CLOSED, "d", withdrawal)],
        ),
        (R::ReceiverWalletFrozen, true, vec![of(999, send(ANN, None, FROZEN_DOLLAR))]),
        (R::ReceiverWalletClosed, true, vec![of(999, send(ANN, None, CLOSED_DOLLAR))]),
        (R::CurrencyMismatch, true, vec![of(999, send(ANN, None, DOLLAR))]),
        (
            R::InsufficientBalance,
            true,
            vec![of(91, send(ANN, None, FULL)), of(11, command(BOB, "w", withdrawal))],
        ),
        (
            R::BalanceLimitExceeded,
            true,
            vec![send(ANN, None, FULL), command(FULL, "d", deposit(FULL))],
        ),
    ];
    assert_eq!(table.each_ref().map(|row| row.0), R::ALL, "a row for every rejection, in order");
    for (rejection, recorded, commands) in table {
        for command in commands {
            check(rejection, recorded, &command);
        }
    }
}

fn check(rejection: Rejection, recorded: bool, command: &Command) {
    let mut loaded = world();
    let before = format!("{:?}", loaded.changed_wallets());
    match decide(&mut loaded, command, stamp(7)) {
        Decision::Failed(transfer) if recorded => {
            assert_eq!(transfer.outcome, Outcome::Failed(rejection), "{command:?}");
            assert!(transfer.answers(command));
        }
        Decision::Refused(found) if !recorded => assert_eq!(found, rejection, "{command:?}"),
        other => panic!("{rejection:?} expected, found {other:?}"),
    }
    assert_eq!(format!("{:?}", loaded.changed_wallets()), before, "no wallet moves");
    let again = decide(&mut loaded, command, stamp(8));
    match again {
        Decision::Replayed(transfer) if recorded => {
            assert_eq!(transfer.outcome, Outcome::Failed(rejection));
        }
        Decision::Refused(found) => assert_eq!(found, rejection),
        other => panic!("a repetition of {rejection:?} answered {other:?}"),
    }
}

#[test]
fn codes_are_read_back() {
    for rejection in Rejection::ALL {
        assert_eq!(Rejection::from_code(rejection.code()), Some(rejection));
    }
    assert_eq!(Rejection::from_code("unknown"), None);
}

#[test]
fn a_transfer_posts_a_debit_and_a_credit() {
    let mut loaded = world();
    let Decision::Completed(posting) = decide(&mut loaded, &send(ANN, None, BOB), stamp(9)) else {
        panic!("the transfer is allowed");
    };
    let (debit, credit) = (&posting.debit, &posting.credit);
    assert_eq!((debit.direction, debit.wallet_id), (Direction::Debit, WalletId(ANN)));
    assert_eq!((credit.direction, credit.wallet_id), (Direction::Credit, WalletId(BOB)));
    assert_eq!((debit.balance_after, credit.balance_after), (80, 20));
    assert_eq!((debit.sequence, credit.sequence), (3, 2));
    assert_eq!(credit.id.0, debit.id.0 + 1);
    assert_eq!(posting.transfer.balance_after, 80, "the caller's balance");
    assert_eq!(loaded.wallet(WalletId(ANN)).unwrap().newest_transaction, Some(debit.id));
}

#[test]
fn time_never_runs_backwards_in_a_wallet() {
    let mut loaded = world();
    let early = crate::Stamp { now: 3, ..stamp(9) };
    let Decision::Completed(posting) = decide(&mut loaded, &send(ANN, None, BOB), early) else {
        panic!("the transfer is allowed");
    };
    assert!(posting.debit.created_at > 3);
    assert_eq!(posting.debit.created_at, posting.credit.created_at);
}
