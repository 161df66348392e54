//! The sum over all wallets of each currency, which is zero.

/// One statement, so that it sees one state of the books whatever moves meanwhile.
pub(super) const TOTALS: &str = "SELECT currency, CAST(SUM(balance) AS SIGNED), COUNT(*) \
     FROM wallets GROUP BY currency ORDER BY currency";

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
