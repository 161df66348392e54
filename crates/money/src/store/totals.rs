//! The sum over all wallets of each currency, which is zero, and how far the system's wallets are
//! from their limits.

use std::collections::BTreeMap;

use ledger::AccountId;

/// What all wallets come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Each currency's code and the sum of its balances, in minor units.
    pub sums: Vec<(String, i64)>,
    /// Each currency's code and the least and greatest balance of its system wallets, both 0 at
    /// nearest.
    pub system_extremes: Vec<(String, [i64; 2])>,
    /// How many wallets there are.
    pub wallets: i64,
}

impl Totals {
    /// Each currency's code and the share of its room that the fullest of its system wallets has
    /// used, from 0 to 1.
    pub fn system_room_used(&self) -> impl Iterator<Item = (&str, f64)> {
        self.system_extremes.iter().map(|(currency, extremes)| {
            let used = extremes.map(ledger::system_room_used);
            (currency.as_str(), used[0].max(used[1]))
        })
    }
}

impl FromIterator<(String, i64, i64, [i64; 2])> for Totals {
    /// From rows of currency, sum, number of wallets, and extremes of the system's.
    fn from_iter<T: IntoIterator<Item = (String, i64, i64, [i64; 2])>>(rows: T) -> Self {
        let mut totals = Self::default();
        for (currency, sum, wallets, extremes) in rows {
            totals.sums.push((currency.clone(), sum));
            totals.system_extremes.push((currency, extremes));
            totals.wallets += wallets;
        }
        totals
    }
}

/// Adds wallets up one by one.
#[derive(Debug, Default)]
pub(super) struct Adder {
    currencies: BTreeMap<String, OfCurrency>,
    wallets: i64,
}

#[derive(Debug, Default)]
struct OfCurrency {
    /// Wider than any sum of balances can be.
    sum: i128,
    system_extremes: [i64; 2],
}

impl Adder {
    pub(super) fn add(&mut self, currency: &str, balance: i64, owner: AccountId) {
        self.wallets += 1;
        let of_currency = match self.currencies.get_mut(currency) {
            Some(known) => known,
            None => self.currencies.entry(currency.to_owned()).or_default(),
        };
        of_currency.sum += i128::from(balance);
        if owner.is_system() {
            let [least, greatest] = &mut of_currency.system_extremes;
            *least = balance.min(*least);
            *greatest = balance.max(*greatest);
        }
    }

    /// What they come to. A sum beyond its type is as wrong as the largest that fits.
    pub(super) fn totals(self) -> Totals {
        let fitting = |sum: i128| i64::try_from(sum.clamp(i64::MIN.into(), i64::MAX.into()));
        let fitting = |sum| fitting(sum).expect("it was made to fit");
        let mut totals = Totals { wallets: self.wallets, ..Totals::default() };
        for (currency, OfCurrency { sum, system_extremes }) in self.currencies {
            totals.sums.push((currency.clone(), fitting(sum)));
            totals.system_extremes.push((currency, system_extremes));
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use ledger::AMOUNT_MAX;

    use super::*;

    const PERSON: AccountId = AccountId(10_001);

    #[test]
    fn no_sum_is_too_large_and_none_that_is_wrong_looks_right() {
        let mut adder = Adder::default();
        for (currency, balance) in [("KRW", i64::MAX), ("EUR", 7), ("KRW", 2), ("KRW", -1)] {
            adder.add(currency, balance, PERSON);
        }
        let sums = vec![("EUR".to_owned(), 7), ("KRW".to_owned(), i64::MAX)];
        let totals = adder.totals();
        assert_eq!((totals.sums, totals.wallets), (sums, 4));
        let mut adder = Adder::default();
        for balance in [i64::MAX, i64::MAX, -i64::MAX, -i64::MAX] {
            adder.add("KRW", balance, PERSON);
        }
        assert_eq!(adder.totals().sums, [("KRW".to_owned(), 0)]);
    }

    #[test]
    fn the_fullest_system_wallet_of_each_currency_is_known() {
        let mut adder = Adder::default();
        let stripe = AccountId(1);
        for (currency, balance, owner) in [
            ("KRW", i64::MIN / 4, stripe),
            ("KRW", i64::MIN / 2, stripe),
            ("KRW", 5, stripe),
            ("EUR", i64::MAX / 4, stripe),
            ("EUR", AMOUNT_MAX, PERSON),
            ("USD", AMOUNT_MAX, PERSON),
        ] {
            adder.add(currency, balance, owner);
        }
        let totals = adder.totals();
        let shares: Vec<_> = totals.system_room_used().collect();
        let hundredths = |share: f64| (share * 100.0).round();
        let shares: Vec<_> =
            shares.into_iter().map(|(currency, share)| (currency, hundredths(share))).collect();
        assert_eq!(shares, [("EUR", 25.0), ("KRW", 50.0), ("USD", 0.0)]);
    }
}
