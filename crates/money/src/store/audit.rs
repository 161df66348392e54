//! The audit: whether the books add up, from the rows alone. It trusts nothing that the engine
//! believes.

use std::fmt;

/// The sum over all wallets of a currency, which must be zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrencySum {
    /// The currency's code.
    pub currency: String,
    /// Sum of all balances, in minor units.
    pub sum: i64,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditReport {
    /// How many wallets there are, the system's included.
    pub wallets: i64,
    /// How many completed transfers.
    pub completed_transfers: i64,
    /// How many failed transfers.
    pub failed_transfers: i64,
    /// The sum of each currency.
    pub sums: Vec<CurrencySum>,
    /// Every rule that is broken, with how many rows break it. Empty if the books add up.
    pub violations: Vec<String>,
}

impl AuditReport {
    /// Whether the books add up.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} wallets, {} completed and {} failed transfers",
            self.wallets, self.completed_transfers, self.failed_transfers
        )?;
        for CurrencySum { currency, sum } in &self.sums {
            writeln!(f, "{currency}: the sum over all wallets is {sum}")?;
        }
        for violation in &self.violations {
            writeln!(f, "BROKEN: {violation}")?;
        }
        if self.is_clean() {
            writeln!(f, "the books add up")?;
        }
        Ok(())
    }
}
