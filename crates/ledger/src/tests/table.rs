//! A row for every rejection, in order of precedence; each row's command breaks its own rule and,
//! where that is possible, every rule listed after it.

use super::{NOW, command, open, stamp, stand};
use crate::{
    AMOUNT_MAX, AccountId, Amount, ApiKeyId, Asker, Command, Currency, Decision, Direction, Loaded,
    Movement, Outcome, Posting, Rejection, Stamp, WalletId, WalletStatus, decide,
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
/// Their currencies' system wallets are at either end of what they can hold.
const DRAINED: i64 = 10_011;
const FLOODED: i64 = 10_012;

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
    for (account, currency, balance) in
        [(DRAINED, "EUR", i64::MIN + 9), (FLOODED, "JPY", i64::MAX - 9)]
    {
        open(&mut loaded, account, currency, 20);
        let system_wallet = loaded.system_wallet(currency_of(currency)).id;
        loaded.change(system_wallet).balance = balance;
    }
    let second = crate::Opening { wallet_id: WalletId(77), system_wallet_id: WalletId(78), now: 0 };
    crate::open_wallet(&mut loaded, AccountId(TWO), currency_of("USD"), second).unwrap();
    for account in [FROZEN, FROZEN_DOLLAR] {
        stand(&mut loaded, account, WalletStatus::Frozen);
    }
    for account in [CLOSED, CLOSED_DOLLAR] {
        stand(&mut loaded, account, WalletStatus::Closed);
    }
    let first = send(ANN, Some(ANN), BOB);
    decide(&mut loaded, &Command { key: key(ANN, "used"), ..first }, stamp(1));
    decide(&mut loaded, &by_api_key(1, "used", send(ANN, None, 404)), stamp(2));
    loaded
}

fn currency_of(code: &str) -> Currency {
    Currency::from_code(code).unwrap()
}

fn key(account: i64, key: &str) -> crate::IdempotencyKey {
    crate::IdempotencyKey { asker: Asker::Account(AccountId(account)), key: key.to_owned() }
}

/// The same command from an API key that acts for the account.
fn by_api_key(id: i64, key: &str, command: Command) -> Command {
    let asker = Asker::ApiKey(ApiKeyId(id));
    Command { key: crate::IdempotencyKey { asker, key: key.to_owned() }, ..command }
}

fn send(account: i64, sender: Option<i64>, receiver: i64) -> Command {
    let movement =
        Movement::Transfer { sender: sender.map(WalletId), receiver: WalletId(receiver) };
    command(account, "new", movement)
}

/// As an operator's API key asks for it, on behalf of the owner.
fn payout(account: i64) -> Command {
    let movement = Movement::Payout { wallet: WalletId(account) };
    let command = command(account, "p", movement);
    let asker = Asker::ApiKey(ApiKeyId(7));
    Command { key: crate::IdempotencyKey { asker, ..command.key }, ..command }
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
        (
            R::IdempotencyKeyReused,
            false,
            vec![
                of(99, reused),
                of(11, by_api_key(1, "used", send(ANN, None, 404))),
                // Word for word the same request, for another account.
                by_api_key(1, "used", send(BOB, None, 404)),
            ],
        ),
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
        (R::WalletNotClosed, false, vec![of(999, payout(ANN)), of(999, payout(FROZEN))]),
        (R::ReceiverWalletFrozen, true, vec![of(999, send(ANN, None, FROZEN_DOLLAR))]),
        (R::ReceiverWalletClosed, true, vec![of(999, send(ANN, None, CLOSED_DOLLAR))]),
        (R::CurrencyMismatch, true, vec![of(999, send(ANN, None, DOLLAR))]),
        (
            R::InsufficientBalance,
            true,
            vec![
                of(91, send(ANN, None, FULL)),
                of(11, command(BOB, "w", withdrawal)),
                of(6, payout(CLOSED)),
            ],
        ),
        (R::BalanceLimitExceeded, true, vec![command(FULL, "d", deposit(FULL))]),
        (R::ReceiverBalanceLimitExceeded, true, vec![send(ANN, None, FULL)]),
        (
            R::SystemCapacityExceeded,
            false,
            vec![command(DRAINED, "d", deposit(DRAINED)), command(FLOODED, "w", withdrawal)],
        ),
    ];
    assert_eq!(table.each_ref().map(|row| row.0), R::ALL, "a row for every rejection, in order");
    for (rejection, recorded, commands) in table {
        assert_eq!(rejection.is_recorded(), recorded, "{rejection:?}");
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
fn keys_belong_to_the_one_who_asks() {
    let mut loaded = world();
    let from_ann = of(1, send(ANN, None, BOB));
    let commands = [
        from_ann.clone(),
        by_api_key(1, "new", from_ann.clone()),
        by_api_key(2, "new", from_ann.clone()),
        // The number of an account is not that account's owner.
        by_api_key(ANN, "new", from_ann.clone()),
    ];
    for (n, command) in (40..).zip(&commands) {
        let posting = completed(&mut loaded, command, stamp(n));
        assert_eq!(posting.transfer.key, command.key);
        assert_eq!(posting.transfer.account_id, command.account_id);
    }
    for command in &commands {
        let again = decide(&mut loaded, command, stamp(50));
        assert!(matches!(again, Decision::Replayed(_)), "{command:?}: {again:?}");
    }
}

#[test]
#[should_panic(expected = "a person acts for their own account")]
fn a_person_acts_for_their_own_account() {
    let command = Command { account_id: AccountId(BOB), ..send(ANN, None, FULL) };
    decide(&mut world(), &command, stamp(7));
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

fn completed(loaded: &mut Loaded, command: &Command, stamp: Stamp) -> Posting {
    match decide(loaded, command, stamp) {
        Decision::Completed(posting) => *posting,
        other => panic!("the command is allowed, and became {other:?}"),
    }
}

#[test]
fn time_never_runs_backwards_in_a_wallet() {
    let mut loaded = world();
    let before = loaded.wallet(WalletId(ANN)).unwrap().updated_at;
    let early = Stamp { now: 3, ..stamp(9) };
    let posting = completed(&mut loaded, &send(ANN, None, BOB), early);
    assert_eq!(posting.transfer.created_at, 3, "the clock's time");
    assert_eq!(posting.debit.created_at, before);
    assert_eq!(loaded.wallet(WalletId(ANN)).unwrap().updated_at, before);
}

/// Two years of microseconds, roughly.
const TWO_YEARS: i64 = 63_072_000_000_000;

/// What happened while the clock was wrong touches the wallets that moved then, and no other: not
/// through the system's wallet, and not through a transfer with one of them.
#[test]
fn a_wrong_time_stays_in_the_wallets_that_met_it() {
    let mut loaded = world();
    let wrong = NOW + TWO_YEARS;
    let deposit = |account: i64, key: &str| {
        command(account, key, Movement::Deposit { wallet: Some(WalletId(account)) })
    };
    let met = completed(&mut loaded, &deposit(ANN, "wrong"), Stamp { now: wrong, ..stamp(20) });
    assert_eq!([met.debit.created_at, met.credit.created_at], [wrong; 2]);

    let right = Stamp { now: NOW + 500, ..stamp(21) };
    let untouched = completed(&mut loaded, &deposit(BOB, "right"), right);
    assert_eq!(untouched.transfer.created_at, right.now);
    assert_eq!(untouched.credit.created_at, right.now);
    assert_eq!(untouched.debit.created_at, wrong, "the system's wallet has met it");

    let right = Stamp { now: NOW + 600, ..stamp(22) };
    let between = completed(&mut loaded, &send(ANN, None, BOB), right);
    let times = [between.transfer.created_at, between.credit.created_at, between.debit.created_at];
    assert_eq!(times, [right.now, right.now, wrong]);
    let back = Stamp { now: NOW + 700, ..stamp(23) };
    let back = completed(&mut loaded, &send(BOB, None, ANN), back);
    assert_eq!([back.debit.created_at, back.credit.created_at], [NOW + 700, wrong]);
    assert_eq!(loaded.wallet(WalletId(BOB)).unwrap().updated_at, NOW + 700);

    let opening =
        crate::Opening { wallet_id: WalletId(88), system_wallet_id: WalletId(89), now: NOW + 800 };
    let opened =
        crate::open_wallet(&mut loaded, AccountId(NOBODY), Currency::KRW, opening).unwrap();
    assert_eq!(opened.last().unwrap().created_at, NOW + 800);
}

/// 1,024 times 2^53 is 2^63: as much as the system's wallet can owe.
#[test]
fn wallets_filled_to_the_limit_use_up_a_stripe_and_say_so_in_time() {
    let mut loaded = Loaded::new(AccountId(1));
    let full = |loaded: &mut Loaded, account: i64| open(loaded, account, "KRW", AMOUNT_MAX);
    for n in 0..512 {
        assert!(!loaded.needs_another_stripe(), "after {n}");
        full(&mut loaded, 20_000 + n);
    }
    full(&mut loaded, 20_512);
    assert!(loaded.needs_another_stripe(), "half of it is used");
    for n in 513..1_024 {
        full(&mut loaded, 20_000 + n);
    }
    open(&mut loaded, ANN, "KRW", 1_024);
    open(&mut loaded, BOB, "KRW", 0);
    let deposit = Movement::Deposit { wallet: None };
    let refused = decide(&mut loaded, &of(1, command(BOB, "d", deposit)), stamp(30_000));
    assert_eq!(refused, Decision::Refused(Rejection::SystemCapacityExceeded));
    // Money between people and back to outside moves as before, and makes room.
    completed(&mut loaded, &of(1, send(ANN, None, BOB)), stamp(30_001));
    let withdrawal = Movement::Withdrawal { wallet: None };
    completed(&mut loaded, &of(1, command(ANN, "w", withdrawal)), stamp(30_002));
    let deposited = decide(&mut loaded, &of(1, command(BOB, "d", deposit)), stamp(30_003));
    assert!(matches!(deposited, Decision::Completed(_)), "the refusal was not recorded");
}

#[test]
fn a_payout_takes_money_out_of_a_closed_wallet_once() {
    let mut loaded = world();
    let posting = completed(&mut loaded, &of(3, payout(CLOSED)), stamp(9));
    assert_eq!((posting.debit.wallet_id, posting.debit.balance_after), (WalletId(CLOSED), 2));
    assert_eq!(posting.credit.wallet_id, loaded.system_wallet(Currency::KRW).id);
    let transfer = &posting.transfer;
    assert_eq!(
        (transfer.sender_wallet_id, transfer.receiver_wallet_id),
        (Some(WalletId(CLOSED)), None)
    );
    assert_eq!((transfer.account_id, transfer.balance_after), (AccountId(CLOSED), 2));
    assert_eq!(transfer.key.asker, Asker::ApiKey(ApiKeyId(7)));
    let again = decide(&mut loaded, &of(3, payout(CLOSED)), stamp(10));
    assert_eq!(again, Decision::Replayed(Box::new(transfer.clone())));
    let other = decide(&mut loaded, &of(2, payout(CLOSED)), stamp(11));
    assert_eq!(other, Decision::Refused(Rejection::IdempotencyKeyReused));
    assert_eq!(loaded.wallet(WalletId(CLOSED)).unwrap().status, WalletStatus::Closed);
}
