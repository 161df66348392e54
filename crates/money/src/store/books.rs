//! The books: the decided commands of all accounts, in the order of their ids, which begin with the
//! time of the clock that made them.

use ledger::{Transfer, TransferId, WalletId};

/// Which part of the books is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BooksQuery {
    /// The last transfer of the page before; none for the first page.
    pub after: Option<TransferId>,
    /// Nothing decided before this time, in microseconds.
    pub from: Option<i64>,
    /// Nothing decided at or after this time, in microseconds.
    pub to: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// A decided command with both of its legs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedTransfer {
    /// The transfer.
    pub transfer: Transfer,
    /// The wallet that paid, if money moved.
    pub debit: Option<Leg>,
    /// The wallet that received, if money moved.
    pub credit: Option<Leg>,
}

/// One side of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// The wallet, a person's or the system's.
    pub wallet_id: WalletId,
    /// Its balance afterwards.
    pub balance_after: i64,
}

/// A page of the books, in ascending order of ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BooksPage {
    /// The transfers.
    pub items: Vec<BookedTransfer>,
    /// What the next page comes after, if there is more.
    pub next: Option<TransferId>,
}

/// Selects a page, given the columns of a transfer: its primary key between two ids, both left
/// out, its time from one to before another, and at most so many rows.
pub(super) fn select(transfer: &str) -> String {
    format!(
        "SELECT {transfer}, d.wallet_id, d.balance_after, c.wallet_id, c.balance_after
         FROM transfers AS t
         LEFT JOIN transactions AS d ON d.id = t.debit_transaction_id
         LEFT JOIN transactions AS c ON c.id = t.debit_transaction_id + 1
         WHERE t.id > ? AND t.id < ? AND t.created_at >= ? AND t.created_at < ?
         ORDER BY t.id LIMIT ?"
    )
}

/// The values of [`select`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) after: TransferId,
    pub(super) before: TransferId,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) rows_max: i64,
}

impl BooksQuery {
    /// An id has its time in milliseconds, so the times of the rows themselves bound the first and
    /// the last one. One row more than the page holds tells whether there is another page.
    pub(super) fn range(&self) -> Range {
        let first = self.from.map_or(TransferId([0; 16]), |from| first_of(from.div_euclid(1_000)));
        let end = self
            .to
            .map_or(TransferId([0xFF; 16]), |to| first_of(to.div_euclid(1_000).saturating_add(1)));
        Range {
            after: self.after.map_or(first, |after| after.max(first)),
            before: end,
            from: self.from.unwrap_or(i64::MIN),
            to: self.to.unwrap_or(i64::MAX),
            rows_max: i64::try_from(self.limit).expect("pages are small") + 1,
        }
    }

    /// The page that these rows are.
    pub(super) fn page(&self, mut items: Vec<BookedTransfer>) -> BooksPage {
        let is_last = items.len() <= self.limit;
        items.truncate(self.limit);
        let next = if is_last { None } else { items.last().map(|last| last.transfer.id) };
        BooksPage { items, next }
    }
}

/// Before every id of this millisecond, and after those of the one before. An id has its time in
/// its first six bytes (RFC 9562, section 5.7), and its version behind them is not zero.
fn first_of(millis: i64) -> TransferId {
    const MILLIS_MAX: i64 = (1 << 48) - 1;
    let mut id = [0; 16];
    id[..6].copy_from_slice(&millis.clamp(0, MILLIS_MAX).to_be_bytes()[2..]);
    TransferId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_bounds_of_ids() {
        let id = |millis: i64| {
            let mut id = first_of(millis);
            id.0[6] = 0x70;
            id
        };
        let query = |from, to| BooksQuery { after: None, from, to, limit: 1 }.range();
        let range = query(Some(1_700_000_000_123_456), Some(1_700_000_000_125_000));
        for (millis, is_inside) in [
            (1_700_000_000_122, false),
            (1_700_000_000_123, true),
            (1_700_000_000_124, true),
            (1_700_000_000_125, true),
            (1_700_000_000_126, false),
        ] {
            let is_found = range.after < id(millis) && id(millis) < range.before;
            assert_eq!(is_found, is_inside, "{millis}");
        }
        for everything in [query(None, None), query(Some(i64::MIN), Some(i64::MAX))] {
            assert!(everything.after < id(0) && id((1 << 48) - 2) < everything.before);
        }
        // A cursor goes on from where it is, and not from before the time that is asked for.
        let cursor =
            |millis| BooksQuery { after: Some(id(millis)), from: Some(9_000), to: None, limit: 1 };
        assert_eq!(cursor(10).range().after, id(10));
        assert_eq!(cursor(3).range().after, first_of(9));
    }
}
