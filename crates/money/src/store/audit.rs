//! The audit: whether the books add up, from the rows alone. It trusts nothing that the engine
//! believes, and names the rows that contradict each other.

mod rules;
mod standings;

use std::fmt;

use service::clock::Timestamp;

use self::{
    rules::{API_KEY_ID, CREATED_AT_MILLIS_HEX, RULES, Rule},
    standings::{FROZEN, FROZEN_WALLETS, NONE_FROZEN, RULES_OF_OPERATIONS},
};

pub(super) const WALLETS: &str = "SELECT COUNT(*) FROM wallets";
pub(super) const COMPLETED_TRANSFERS: &str =
    "SELECT COUNT(*) FROM transfers WHERE transfer_status = 'completed'";
pub(super) const FAILED_TRANSFERS: &str =
    "SELECT COUNT(*) FROM transfers WHERE transfer_status = 'failed'";
/// The sum of each currency. The cast makes it a whole number in every database.
pub(super) const SUMS: &str = "SELECT currency, CAST(SUM(balance) AS SIGNED) FROM wallets \
     GROUP BY currency ORDER BY currency";

/// Rows that are named for each broken rule; the others are counted.
const NAMED_MAX: usize = 20;

/// The sum over all wallets of a currency, which must be zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrencySum {
    /// The currency's code.
    pub currency: String,
    /// Sum of all balances, in minor units.
    pub sum: i64,
}

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What should hold.
    pub rule: &'static str,
    /// How many rows say otherwise.
    pub rows: usize,
    /// The first of them, each named with what it says.
    pub named: Vec<String>,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditReport {
    /// How the database was read, if that is not as usual.
    pub note: Option<String>,
    /// How many wallets there are, the system's included.
    pub wallets: i64,
    /// How many completed transfers.
    pub completed_transfers: i64,
    /// How many failed transfers.
    pub failed_transfers: i64,
    /// The sum of each currency.
    pub sums: Vec<CurrencySum>,
    /// Every rule that is broken. Empty if the books add up.
    pub violations: Vec<Violation>,
}

/// What a database has of its own.
pub(super) struct Dialect {
    /// A transfer's time in milliseconds, as twelve hexadecimal digits in capitals.
    pub(super) created_at_millis_hex: &'static str,
    /// Whether its transfers have the column `api_key_id`: those of earlier versions have none.
    pub(super) has_askers: bool,
    /// Whether it has the table `wallet_operations`: a backup of an earlier version has none.
    pub(super) has_operations: bool,
}

/// The rules that such a database is held against.
pub(super) fn rules(dialect: &Dialect) -> impl Iterator<Item = &'static Rule> {
    let further = if dialect.has_operations { RULES_OF_OPERATIONS } else { &[] };
    RULES.iter().chain(further)
}

/// A row that breaks a rule: its columns as text.
pub(super) struct Row(pub(super) Vec<Option<String>>);

/// Collects the rows that break a rule, as they come.
pub(super) struct Broken<'a> {
    rule: &'a Rule,
    violation: Violation,
}

impl AuditReport {
    /// Whether the books add up.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    pub(super) fn check_sums(&mut self) {
        let wrong = self.sums.iter().filter(|sum| sum.sum != 0);
        let named: Vec<_> = wrong
            .map(|CurrencySum { currency, sum }| format!("the sum of {currency} is {sum}"))
            .collect();
        self.add(Violation {
            rule: "the sum over all wallets of a currency is zero",
            rows: named.len(),
            named,
        });
    }

    pub(super) fn add(&mut self, found: Violation) {
        if found.rows > 0 {
            self.violations.push(found);
        }
    }
}

impl<'a> Broken<'a> {
    pub(super) fn new(rule: &'a Rule) -> Self {
        let violation = Violation { rule: rule.name, rows: 0, named: Vec::new() };
        Self { rule, violation }
    }

    /// The query in the database's dialect.
    pub(super) fn query(&self, dialect: &Dialect) -> String {
        let frozen = if dialect.has_operations { FROZEN } else { NONE_FROZEN };
        self.rule
            .broken
            .replace(CREATED_AT_MILLIS_HEX, dialect.created_at_millis_hex)
            .replace(FROZEN_WALLETS, frozen)
            .replace(API_KEY_ID, if dialect.has_askers { "t.api_key_id" } else { "NULL" })
    }

    pub(super) fn add(&mut self, row: &Row) {
        self.violation.rows += 1;
        if self.violation.named.len() < NAMED_MAX {
            self.violation.named.push((self.rule.says)(row));
        }
    }

    pub(super) fn found(self) -> Violation {
        self.violation
    }
}

impl Row {
    /// A column; a number or a word.
    fn get(&self, column: usize) -> &str {
        self.0.get(column).and_then(Option::as_deref).unwrap_or("none")
    }

    /// A time in microseconds.
    fn time(&self, column: usize) -> String {
        match self.get(column).parse() {
            Ok(micros) => Timestamp::from_micros(micros).to_string(),
            Err(_) => self.get(column).to_owned(),
        }
    }

    /// The id of a transfer, as the API tells it, from hexadecimal digits.
    fn id(&self, column: usize) -> String {
        // SQLite makes an empty text of the digits of nothing.
        let digits = match self.get(column) {
            "" => "none",
            digits => digits,
        };
        uuid::Uuid::try_parse(digits).map_or_else(|_| digits.to_owned(), |id| id.to_string())
    }

    /// The names of the columns from this one on that are true.
    fn named(&self, first: usize, names: &[&str]) -> String {
        let columns = names.iter().enumerate();
        let found = columns.filter(|(n, _)| self.get(first + n) != "0").map(|(_, name)| *name);
        found.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(note) = &self.note {
            writeln!(f, "{note}")?;
        }
        writeln!(
            f,
            "{} wallets, {} completed and {} failed transfers",
            self.wallets, self.completed_transfers, self.failed_transfers
        )?;
        for CurrencySum { currency, sum } in &self.sums {
            writeln!(f, "{currency}: the sum over all wallets is {sum}")?;
        }
        for Violation { rule, rows, named } in &self.violations {
            writeln!(
                f,
                "BROKEN: {rule}: not so in {rows} {}",
                if *rows == 1 { "row" } else { "rows" }
            )?;
            for row in named {
                writeln!(f, "  {row}")?;
            }
            if *rows > named.len() {
                writeln!(f, "  and {} more", rows - named.len())?;
            }
        }
        if self.is_clean() {
            writeln!(f, "the books add up")?;
        }
        Ok(())
    }
}
