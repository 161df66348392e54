//! What an operator does with one wallet, and what its account's standing does, leave each other
//! alone.

use super::{NOW, STRIPE, command, open, stamp};
use crate::{
    AccountId, Decision, FreezeAction, FreezeRejection, Loaded, Movement, Outcome, Rejection,
    Wallet, WalletId, WalletStatus, decide, freeze, set_standing,
};

const ANN: i64 = 10_001;
const BOB: i64 = 10_002;

fn wallet(account: i64, status: WalletStatus) -> Wallet {
    let mut loaded = Loaded::new(STRIPE);
    open(&mut loaded, ANN, "KRW", 5);
    let wallet = loaded.wallet(WalletId(ANN)).unwrap().clone();
    Wallet { account_id: AccountId(account), status, ..wallet }
}

#[test]
fn every_rejection_in_order_of_precedence() {
    use FreezeAction::{Freeze, Unfreeze};
    use FreezeRejection as R;
    use WalletStatus::{Active, Closed, Frozen};
    for (account, status, standing, is_frozen, action, expected) in [
        // Who, status, standing, frozen by an operator, what, and what becomes of it.
        (1, Closed, Closed, true, Freeze, Err(R::System)),
        (9_999, Active, Active, false, Unfreeze, Err(R::System)),
        (ANN, Closed, Closed, true, Freeze, Err(R::Closed)),
        (ANN, Closed, Active, false, Unfreeze, Err(R::Closed)),
        (ANN, Frozen, Closed, true, Unfreeze, Err(R::Closed)),
        (ANN, Frozen, Active, true, Freeze, Err(R::AlreadyFrozen)),
        (ANN, Frozen, Frozen, true, Freeze, Err(R::AlreadyFrozen)),
        (ANN, Active, Active, false, Unfreeze, Err(R::NotFrozen)),
        (ANN, Frozen, Frozen, false, Unfreeze, Err(R::NotFrozen)),
        (ANN, Active, Active, false, Freeze, Ok(Frozen)),
        (ANN, Frozen, Frozen, false, Freeze, Ok(Frozen)),
        (ANN, Frozen, Active, true, Unfreeze, Ok(Active)),
        (ANN, Frozen, Frozen, true, Unfreeze, Ok(Frozen)),
    ] {
        let before = wallet(account, status);
        let mut after = before.clone();
        let later = before.updated_at + 7;
        let found = freeze(&mut after, action, is_frozen, standing, later);
        let case = format!("{account} {status:?} {standing:?} {is_frozen} {action:?}");
        assert_eq!(found.map(|()| after.status), expected, "{case}");
        let updated_at = if expected.is_ok() { later } else { before.updated_at };
        assert_eq!((after.updated_at, after.balance), (updated_at, before.balance), "{case}");
    }
}

#[test]
fn time_never_runs_backwards_in_a_frozen_wallet() {
    let mut frozen = wallet(ANN, WalletStatus::Active);
    let before = frozen.updated_at;
    freeze(&mut frozen, FreezeAction::Freeze, false, WalletStatus::Active, 3).unwrap();
    assert_eq!(frozen.updated_at, before);
}

#[test]
fn a_frozen_wallet_outlives_a_suspension_and_moves_no_money() {
    let mut loaded = Loaded::new(STRIPE);
    for account in [ANN, BOB] {
        open(&mut loaded, account, "KRW", 100);
    }
    let id = WalletId(ANN);
    freeze(loaded.change(id), FreezeAction::Freeze, false, WalletStatus::Active, NOW).unwrap();
    loaded.add_frozen(id);
    for standing in [WalletStatus::Frozen, WalletStatus::Active] {
        for account in [ANN, BOB] {
            set_standing(&mut loaded, AccountId(account), standing, NOW);
        }
        assert_eq!(loaded.wallet(id).unwrap().status, WalletStatus::Frozen);
        assert_eq!(loaded.wallet(WalletId(BOB)).unwrap().status, standing);
    }
    let send = |to: i64| Movement::Transfer { sender: None, receiver: WalletId(to) };
    let own = Rejection::WalletFrozen;
    for (n, (account, movement, expected)) in [
        (ANN, Movement::Deposit { wallet: None }, own),
        (ANN, Movement::Withdrawal { wallet: None }, own),
        (ANN, send(BOB), own),
        (BOB, send(ANN), Rejection::ReceiverWalletFrozen),
    ]
    .into_iter()
    .enumerate()
    {
        let command = command(account, &n.to_string(), movement);
        let decision = decide(&mut loaded, &command, stamp(10 + n as i64));
        let Decision::Failed(transfer) = decision else { panic!("{movement:?}: {decision:?}") };
        assert_eq!(transfer.outcome, Outcome::Failed(expected), "{movement:?}");
    }
    set_standing(&mut loaded, AccountId(ANN), WalletStatus::Closed, NOW);
    assert_eq!(loaded.wallet(id).unwrap().status, WalletStatus::Closed);
}
