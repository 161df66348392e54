//! Closing: a row for every state that an attempt finds.

use super::{NOW, command, open, stamp};
use crate::{
    AccountId, Closing, ClosingDecision, Currency, Decision, Loaded, Movement, Opening,
    OpeningRejection, Outcome, Rejection, WalletId, WalletStatus, close_wallets, decide,
    open_wallet, set_standing,
};

const ANN: i64 = 10_001;
const BOB: i64 = 10_002;
/// Ann's second wallet.
const DOLLARS: WalletId = WalletId(20_001);

/// Ann with this much in won and in dollars, and Bob with 100 won.
fn world([won, dollars]: [i64; 2]) -> Loaded {
    let mut loaded = Loaded::new(AccountId(1));
    open(&mut loaded, ANN, "KRW", won);
    open(&mut loaded, BOB, "KRW", 100);
    let currency = Currency::from_code("USD").unwrap();
    let opening = Opening { wallet_id: DOLLARS, system_wallet_id: WalletId(900_009), now: NOW };
    open_wallet(&mut loaded, AccountId(ANN), currency, opening).unwrap();
    loaded.change(DOLLARS).balance = dollars;
    loaded
}

fn close(loaded: &mut Loaded, attempt: i64) -> ClosingDecision {
    close_wallets(loaded, Closing { account_id: AccountId(ANN), attempt }, NOW + 7)
}

fn refused(loaded: &Loaded, holding: &[WalletId]) -> ClosingDecision {
    let holding = holding.iter().map(|id| loaded.wallet(*id).unwrap().clone()).collect();
    ClosingDecision::Refused { holding }
}

#[test]
fn wallets_are_closed_only_if_all_are_empty() {
    let ann = WalletId(ANN);
    for (balances, holding) in [
        ([0, 0], &[][..]),
        ([1, 0], &[ann][..]),
        ([0, 1], &[DOLLARS][..]),
        ([5, 6], &[ann, DOLLARS][..]),
    ] {
        let mut loaded = world(balances);
        let before = [ann, DOLLARS].map(|id| loaded.wallet(id).unwrap().clone());
        let decision = close(&mut loaded, 1);
        if holding.is_empty() {
            assert_eq!(decision, ClosingDecision::Closed, "{balances:?}");
            for wallet in before {
                let closed = loaded.wallet(wallet.id).unwrap();
                assert_eq!((closed.status, closed.updated_at), (WalletStatus::Closed, NOW + 7));
            }
        } else {
            assert_eq!(decision, refused(&loaded, holding), "{balances:?}");
            for wallet in before {
                assert_eq!(loaded.wallet(wallet.id), Some(&wallet), "{balances:?}");
            }
        }
    }
}

#[test]
fn an_account_without_wallets_is_closed_and_opens_none() {
    let mut loaded = Loaded::new(AccountId(1));
    assert_eq!(close(&mut loaded, 1), ClosingDecision::Closed);
    let opening = Opening { wallet_id: DOLLARS, system_wallet_id: WalletId(900_009), now: NOW };
    let opened = open_wallet(&mut loaded, AccountId(ANN), Currency::KRW, opening);
    assert_eq!(opened, Err(OpeningRejection::AccountDisabled));
}

#[test]
fn a_suspended_account_is_closed_as_any_other() {
    for (won, decision) in [(0, Some(ClosingDecision::Closed)), (3, None)] {
        let mut loaded = world([won, 0]);
        set_standing(&mut loaded, AccountId(ANN), WalletStatus::Frozen, NOW);
        let expected = decision.unwrap_or_else(|| refused(&loaded, &[WalletId(ANN)]));
        assert_eq!(close(&mut loaded, 1), expected);
        let status = if won == 0 { WalletStatus::Closed } else { WalletStatus::Frozen };
        assert_eq!(loaded.wallet(WalletId(ANN)).unwrap().status, status);
    }
}

#[test]
fn nothing_reaches_wallets_once_they_are_closed() {
    let mut loaded = world([0, 0]);
    assert_eq!(close(&mut loaded, 1), ClosingDecision::Closed);
    let movement = Movement::Transfer { sender: None, receiver: WalletId(ANN) };
    let Decision::Failed(transfer) = decide(&mut loaded, &command(BOB, "k", movement), stamp(1))
    else {
        panic!("money reached a closed wallet")
    };
    assert_eq!(transfer.outcome, Outcome::Failed(Rejection::ReceiverWalletClosed));
}

/// A message that arrives late must not close what its sender has been told is open.
#[test]
fn an_attempt_that_was_refused_stays_refused_and_all_before_it() {
    let mut loaded = world([5, 0]);
    let holding = refused(&loaded, &[WalletId(ANN)]);
    assert_eq!(close(&mut loaded, 4), holding);
    assert_eq!(close(&mut loaded, 3), holding);
    assert_eq!(loaded.refused_closing(AccountId(ANN)), 4, "not an older one");
    loaded.change(WalletId(ANN)).balance = 0;
    for attempt in [4, 3, 1] {
        assert_eq!(close(&mut loaded, attempt), refused(&loaded, &[]), "{attempt}");
        assert_eq!(loaded.wallet(WalletId(ANN)).unwrap().status, WalletStatus::Active);
    }
    assert_eq!(close(&mut loaded, 5), ClosingDecision::Closed);
    for attempt in [1, 5, 6] {
        assert_eq!(close(&mut loaded, attempt), ClosingDecision::Closed, "{attempt}");
    }
}

#[test]
fn what_is_closed_stays_closed() {
    for by_feed in [false, true] {
        let mut loaded = world([if by_feed { 5 } else { 0 }, 0]);
        if by_feed {
            // Operators and earlier versions close accounts whatever their wallets hold.
            set_standing(&mut loaded, AccountId(ANN), WalletStatus::Closed, NOW);
        } else {
            close(&mut loaded, 1);
        }
        for status in [WalletStatus::Active, WalletStatus::Frozen, WalletStatus::Closed] {
            let standing = set_standing(&mut loaded, AccountId(ANN), status, NOW + 9);
            assert_eq!(standing, WalletStatus::Closed, "{status:?}");
            assert_eq!(loaded.wallet(WalletId(ANN)).unwrap().status, WalletStatus::Closed);
        }
        assert_eq!(close(&mut loaded, 2), ClosingDecision::Closed);
    }
}
