//! The audit on SQLite. One read transaction, so it may run beside a busy service.

use std::path::Path;

use ledger::AccountId;
use rusqlite::{Connection, types::ValueRef};
use service::store::sqlite;

use crate::store::{
    audit::{self, AuditReport, Broken, CurrencySum, Dialect, Row, Violation},
    totals::Adder,
};

/// A transfer's time in milliseconds, as the digits at the start of its id.
const CREATED_AT_MILLIS_HEX: &str = "PRINTF('%012X', t.created_at / 1000)";

/// Audits the database in this file, which must be there. Changes nothing.
pub fn audit(path: &Path) -> Result<AuditReport, sqlite::Error> {
    let mut opened = sqlite::open_to_read(path, super::SCHEMA)?;
    let note = opened.note.take();
    let tx = opened.db.transaction()?;
    let mut report = AuditReport {
        note,
        wallets: count(&tx, audit::WALLETS)?,
        completed_transfers: count(&tx, audit::COMPLETED_TRANSFERS)?,
        failed_transfers: count(&tx, audit::FAILED_TRANSFERS)?,
        sums: sums(&tx)?,
        violations: Vec::new(),
    };
    report.check_sums();
    let dialect = dialect(&tx)?;
    for rule in audit::rules(&dialect) {
        report.add(broken(&tx, &dialect, Broken::new(rule))?);
    }
    Ok(report)
}

fn dialect(db: &Connection) -> rusqlite::Result<Dialect> {
    let operations = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'wallet_operations'";
    let askers = "SELECT COUNT(*) FROM pragma_table_info('transfers') WHERE name = 'api_key_id'";
    Ok(Dialect {
        has_askers: count(db, askers)? > 0,
        created_at_millis_hex: CREATED_AT_MILLIS_HEX,
        has_operations: count(db, operations)? > 0,
    })
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
    let totals = adder.totals().0.into_iter();
    Ok(totals.map(|total| CurrencySum { currency: total.currency, sum: total.sum }).collect())
}

fn broken(
    db: &Connection,
    dialect: &Dialect,
    mut broken: Broken<'_>,
) -> rusqlite::Result<Violation> {
    let mut statement = db.prepare(&broken.query(dialect))?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|column| row.get_ref(column).map(text));
        broken.add(&Row(cells.collect::<rusqlite::Result<_>>()?));
    }
    Ok(broken.found())
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}
