//! The part of the conformance suite about the books of all accounts.

use ledger::{Currency, Decision, Movement, Transaction};

use super::conformance::{ANN, Subject, by_api_key, command};
use crate::store::{BookedTransfer, BooksPage, BooksQuery, CurrencyTotal, LaneStore, Leg, Totals};

/// Ten deposits and ten withdrawals that fail, two of each at each time, in milliseconds.
pub(super) async fn the_books_are_paged_and_bounded_by_time<L: LaneStore>(mut subject: Subject<L>) {
    let ann = subject.open(ANN, Currency::KRW).await;
    let all = BooksQuery { after: None, from: None, to: None, limit: 7 };
    assert_eq!(subject.reads.books(all).await.unwrap(), BooksPage::default());
    let mut decided = Vec::new();
    for n in 0..20 {
        let movement = match n % 2 {
            0 => Movement::Deposit { wallet: None },
            _ => Movement::Withdrawal { wallet: Some(ann.id) },
        };
        let amount = if n % 2 == 0 { 5 } else { 1_000 };
        let command = by_api_key(1 + n % 3, &command(ANN, &n.to_string(), movement, amount));
        // The last three digits are microseconds.
        match subject.decide(&command, 10_000_000 + 1_000 * (n / 4) + 7).await {
            Decision::Completed(posting) => decided.push(BookedTransfer {
                debit: Some(leg(&posting.debit)),
                credit: Some(leg(&posting.credit)),
                transfer: posting.transfer,
            }),
            Decision::Failed(transfer) => {
                decided.push(BookedTransfer { transfer: *transfer, debit: None, credit: None });
            }
            other => panic!("{other:?}"),
        }
    }
    let mut read = Vec::new();
    let mut query = all;
    loop {
        let page = subject.reads.books(query).await.unwrap();
        assert!(page.items.len() <= 7);
        read.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(read, decided);

    for (from, to, expected) in [
        (Some(10_001_000), None, 4..20),
        (Some(10_001_007), None, 4..20),
        (Some(10_001_008), None, 8..20),
        (None, Some(10_001_000), 0..4),
        (None, Some(10_001_007), 0..4),
        (None, Some(10_001_008), 0..8),
        (Some(10_001_007), Some(10_002_008), 4..12),
        (Some(10_006_000), None, 20..20),
        (None, Some(0), 0..0),
        (Some(i64::MIN), Some(i64::MAX), 0..20),
    ] {
        let query = BooksQuery { from, to, limit: 200, ..all };
        let page = subject.reads.books(query).await.unwrap();
        assert_eq!(page.items, decided[expected.clone()], "{from:?} {to:?}");
        assert_eq!(page.next, None);
    }
    let totals = subject.reads.totals().await.unwrap();
    let total = CurrencyTotal {
        currency: "KRW".to_owned(),
        sum: 0,
        people: 50,
        system: -50,
        people_wallets: 1,
        system_wallets: 1,
        system_extremes: [-50, 0],
    };
    assert_eq!(totals, Totals(vec![total]));
}

fn leg(transaction: &Transaction) -> Leg {
    Leg { wallet_id: transaction.wallet_id, balance_after: transaction.balance_after }
}
