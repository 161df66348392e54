//! The sum over all wallets of each currency, which is zero, and how far the system's wallets are
//! from their limits.

use std::collections::BTreeMap;

use ledger::AccountId;

/// What all wallets come to, by currency.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals(pub Vec<CurrencyTotal>);

/// What the wallets of a currency come to. A sum beyond its type is the largest that fits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CurrencyTotal {
    /// The currency's code.
    pub currency: String,
    /// The sum of all balances, in minor units. Anything but 0 is wrong.
    pub sum: i64,
    /// The sum of the balances of people's wallets.
    pub people: i64,
    /// The sum of the balances of the system's wallets.
    pub system: i64,
    /// How many wallets people have.
    pub people_wallets: i64,
    /// How many wallets the system has.
    pub system_wallets: i64,
    /// The least and greatest balance of the system's wallets, both 0 at nearest.
    pub system_extremes: [i64; 2],
}

impl Totals {
    /// How many wallets there are.
    pub fn wallets(&self) -> i64 {
        self.0.iter().map(|total| total.people_wallets + total.system_wallets).sum()
    }

    /// Each currency's code and the share of its room that the fullest of its system wallets has
    /// used, from 0 to 1.
    pub fn system_room_used(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|total| {
            let used = total.system_extremes.map(ledger::system_room_used);
            (total.currency.as_str(), used[0].max(used[1]))
        })
    }
}

/// Adds wallets up one by one.
#[derive(Debug, Default)]
pub(super) struct Adder {
    currencies: BTreeMap<String, OfCurrency>,
}

/// Sums are wider than any sum of balances can be.
#[derive(Debug, Default)]
struct OfCurrency {
    people: i128,
    system: i128,
    people_wallets: i64,
    system_wallets: i64,
    system_extremes: [i64; 2],
}

impl Adder {
    pub(super) fn add(&mut self, currency: &str, balance: i64, owner: AccountId) {
        let of_currency = match self.currencies.get_mut(currency) {
            Some(known) => known,
            None => self.currencies.entry(currency.to_owned()).or_default(),
        };
        if owner.is_system() {
            let [least, greatest] = &mut of_currency.system_extremes;
            *least = balance.min(*least);
            *greatest = balance.max(*greatest);
            of_currency.system += i128::from(balance);
            of_currency.system_wallets += 1;
        } else {
            of_currency.people += i128::from(balance);
            of_currency.people_wallets += 1;
        }
    }

    /// What they come to. A sum beyond its type is as wrong as the largest that fits.
    pub(super) fn totals(self) -> Totals {
        let fitting = |sum: i128| i64::try_from(sum.clamp(i64::MIN.into(), i64::MAX.into()));
        let fitting = |sum| fitting(sum).expect("it was made to fit");
        let total = |(currency, found): (String, OfCurrency)| CurrencyTotal {
            currency,
            sum: fitting(found.people + found.system),
            people: fitting(found.people),
            system: fitting(found.system),
            people_wallets: found.people_wallets,
            system_wallets: found.system_wallets,
            system_extremes: found.system_extremes,
        };
        Totals(self.currencies.into_iter().map(total).collect())
    }
}

#[cfg(test)]
mod tests {
    use ledger::AMOUNT_MAX;

    use super::*;

    const PERSON: AccountId = AccountId(10_001);

    fn sums(totals: &Totals) -> Vec<(&str, i64)> {
        totals.0.iter().map(|total| (total.currency.as_str(), total.sum)).collect()
    }

    #[test]
    fn no_sum_is_too_large_and_none_that_is_wrong_looks_right() {
        let mut adder = Adder::default();
        for (currency, balance) in [("KRW", i64::MAX), ("EUR", 7), ("KRW", 2), ("KRW", -1)] {
            adder.add(currency, balance, PERSON);
        }
        let totals = adder.totals();
        assert_eq!((sums(&totals), totals.wallets()), (vec![("EUR", 7), ("KRW", i64::MAX)], 4));
        let mut adder = Adder::default();
        for balance in [i64::MAX, i64::MAX, -i64::MAX, -i64::MAX] {
            adder.add("KRW", balance, PERSON);
        }
        assert_eq!(sums(&adder.totals()), [("KRW", 0)]);
    }

    #[test]
    fn people_and_the_system_are_told_apart() {
        let mut adder = Adder::default();
        for (balance, owner) in [(-30, AccountId(1)), (0, AccountId(9_999)), (30, PERSON)] {
            adder.add("KRW", balance, owner);
        }
        let total = CurrencyTotal {
            currency: "KRW".to_owned(),
            sum: 0,
            people: 30,
            system: -30,
            people_wallets: 1,
            system_wallets: 2,
            system_extremes: [-30, 0],
        };
        assert_eq!(adder.totals(), Totals(vec![total]));
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
