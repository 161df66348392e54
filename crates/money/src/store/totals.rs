//! The sum over all wallets of each currency, which is zero.

use std::collections::BTreeMap;

/// What all wallets come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Each currency's code and the sum of its balances, in minor units.
    pub sums: Vec<(String, i64)>,
    /// How many wallets there are.
    pub wallets: i64,
}

impl FromIterator<(String, i64, i64)> for Totals {
    /// From rows of currency, sum and number of wallets.
    fn from_iter<T: IntoIterator<Item = (String, i64, i64)>>(rows: T) -> Self {
        let mut totals = Self::default();
        for (currency, sum, wallets) in rows {
            totals.sums.push((currency, sum));
            totals.wallets += wallets;
        }
        totals
    }
}

/// Adds wallets up one by one.
#[derive(Debug, Default)]
pub(super) struct Adder {
    /// Wider than any sum of balances can be.
    sums: BTreeMap<String, i128>,
    wallets: i64,
}

impl Adder {
    pub(super) fn add(&mut self, currency: &str, balance: i64) {
        self.wallets += 1;
        match self.sums.get_mut(currency) {
            Some(sum) => *sum += i128::from(balance),
            None => drop(self.sums.insert(currency.to_owned(), balance.into())),
        }
    }

    /// What they come to. A sum beyond its type is as wrong as the largest that fits.
    pub(super) fn totals(self) -> Totals {
        let fitting = |sum: i128| i64::try_from(sum.clamp(i64::MIN.into(), i64::MAX.into()));
        let fitting = |sum| fitting(sum).expect("it was made to fit");
        let sums = self.sums.into_iter().map(|(currency, sum)| (currency, fitting(sum)));
        Totals { sums: sums.collect(), wallets: self.wallets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sum_is_too_large_and_none_that_is_wrong_looks_right() {
        let mut adder = Adder::default();
        for (currency, balance) in [("KRW", i64::MAX), ("EUR", 7), ("KRW", 2), ("KRW", -1)] {
            adder.add(currency, balance);
        }
        let sums = vec![("EUR".to_owned(), 7), ("KRW".to_owned(), i64::MAX)];
        assert_eq!(adder.totals(), Totals { sums, wallets: 4 });
        let mut adder = Adder::default();
        for balance in [i64::MAX, i64::MAX, -i64::MAX, -i64::MAX] {
            adder.add("KRW", balance);
        }
        assert_eq!(adder.totals().sums, [("KRW".to_owned(), 0)]);
    }
}
