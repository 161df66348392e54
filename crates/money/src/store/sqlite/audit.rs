//! The audit on SQLite. One read transaction, so it may run beside a busy service.

use std::path::Path;

use ledger::AccountId;
use rusqlite::Connection;
use service::store::sqlite;

use crate::store::{
    audit::{self, AuditReport, CurrencySum},
    totals::Adder,
};

/// Audits the database in this file, which must be there. Changes nothing.
pub fn audit(path: &Path) -> Result<AuditReport, sqlite::Error> {
    let mut opened = sqlite::open_to_read(path, super::SCHEMA)?;
    let tx = opened.db.transaction()?;
    let mut report = AuditReport {
        wallets: count(&tx, audit::WALLETS)?,
        completed_transfers: count(&tx, audit::COMPLETED_TRANSFERS)?,
        failed_transfers: count(&tx, audit::FAILED_TRANSFERS)?,
        sums: sums(&tx)?,
        violations: Vec::new(),
    };
    report.check_sums();
    for (rule, broken) in audit::RULES {
        report.check_rule(rule, count(&tx, broken)?);
    }
    Ok(report)
}

fn count(db: &Connection, query: &str) -> rusqlite::Result<i64> {
    db.query_row(query, [], |row| row.get(0))
}

fn sums(db: &Connection) -> rusqlite::Result<Vec<CurrencySum>> {
    // Added up here: SQLite's SUM ends in an error where a part of the sum is beyond its type.
    let mut adder = Adder::default();
    let mut wallets = db.prepare("SELECT currency, balance, account_id FROM wallets")?;
    let mut found = wallets.query([])?;
    while let Some(row) = found.next()? {
        adder.add(row.get_ref(0)?.as_str()?, row.get(1)?, AccountId(row.get(2)?));
    }
    let sums = adder.totals().sums.into_iter();
    Ok(sums.map(|(currency, sum)| CurrencySum { currency, sum }).collect())
}
