//! The audit: whether the books add up, from the rows alone. It trusts nothing that the engine
//! believes.

use std::fmt;

pub(super) const WALLETS: &str = "SELECT COUNT(*) FROM wallets";
pub(super) const COMPLETED_TRANSFERS: &str =
    "SELECT COUNT(*) FROM transfers WHERE transfer_status = 'completed'";
pub(super) const FAILED_TRANSFERS: &str =
    "SELECT COUNT(*) FROM transfers WHERE transfer_status = 'failed'";
/// The sum of each currency. The cast makes it a whole number in every database.
pub(super) const SUMS: &str = "SELECT currency, CAST(SUM(balance) AS SIGNED) FROM wallets \
     GROUP BY currency ORDER BY currency";

/// Each rule, and a count of the rows that break it.
pub(super) const RULES: &[(&str, &str)] = &[
    (
        "a person's balance is never negative",
        "SELECT COUNT(*) FROM wallets WHERE balance < 0 AND account_id > 9999",
    ),
    (
        "a wallet's balance is the sum of its transactions, and it counts them right",
        "SELECT COUNT(*) FROM wallets AS w LEFT JOIN (
             SELECT wallet_id, COUNT(*) AS legs,
                 SUM(CASE direction WHEN 'credit' THEN amount ELSE -amount END) AS total
             FROM transactions GROUP BY wallet_id
         ) AS t ON t.wallet_id = w.id
         WHERE w.balance <> COALESCE(t.total, 0) OR w.transaction_count <> COALESCE(t.legs, 0)",
    ),
    (
        "a wallet names its newest transaction",
        "SELECT COUNT(*) FROM wallets AS w
         LEFT JOIN transactions AS t ON t.id = w.newest_transaction_id AND t.wallet_id = w.id
         WHERE (w.transaction_count = 0) <> (w.newest_transaction_id IS NULL)
             OR (w.transaction_count > 0 AND (t.id IS NULL OR t.sequence <> w.transaction_count
                 OR t.balance_after <> w.balance))",
    ),
    (
        "every transaction continues the one before it in its wallet",
        "SELECT COUNT(*) FROM transactions AS t
         LEFT JOIN transactions AS p
             ON p.id = t.previous_transaction_id AND p.wallet_id = t.wallet_id
         WHERE t.sequence <> COALESCE(p.sequence, 0) + 1
             OR (t.previous_transaction_id IS NOT NULL AND p.id IS NULL)
             OR t.created_at < COALESCE(p.created_at, t.created_at)
             OR t.balance_after <> COALESCE(p.balance_after, 0)
                 + CASE t.direction WHEN 'credit' THEN t.amount ELSE -t.amount END",
    ),
    (
        "every completed transfer is one debit and one credit of its amount",
        "SELECT COUNT(*) FROM transfers AS t
         LEFT JOIN transactions AS d ON d.id = t.debit_transaction_id
         LEFT JOIN transactions AS c ON c.id = t.debit_transaction_id + 1
         WHERE t.transfer_status = 'completed' AND (d.id IS NULL OR c.id IS NULL
             OR d.transfer_id <> t.id OR c.transfer_id <> t.id
             OR d.direction <> 'debit' OR c.direction <> 'credit'
             OR d.amount <> t.amount OR c.amount <> t.amount
             OR d.created_at < t.created_at OR c.created_at < t.created_at)",
    ),
    (
        "there is no transaction without its completed transfer",
        "SELECT ABS((SELECT COUNT(*) FROM transactions)
             - 2 * (SELECT COUNT(*) FROM transfers WHERE transfer_status = 'completed'))",
    ),
    (
        "every transfer is found by its key, and only it",
        "SELECT ABS((SELECT COUNT(*) FROM idempotency_keys) - (SELECT COUNT(*) FROM transfers))
             + (SELECT COUNT(*) FROM transfers AS t
                LEFT JOIN idempotency_keys AS k
                    ON k.idempotency_key = t.idempotency_key AND k.account_id = t.account_id
                WHERE k.transfer_id IS NULL OR k.transfer_id <> t.id)",
    ),
];

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

    pub(super) fn check_sums(&mut self) {
        let wrong = self.sums.iter().filter(|sum| sum.sum != 0);
        let wrong = wrong.map(|CurrencySum { currency, sum }| {
            format!("the sum of {currency} is {sum}, not zero")
        });
        self.violations.extend(wrong);
    }

    pub(super) fn check_rule(&mut self, rule: &str, rows: i64) {
        if rows != 0 {
            self.violations.push(format!("{rule}: {rows} rows say otherwise"));
        }
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
