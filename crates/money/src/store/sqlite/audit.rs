//! The audit on SQLite. One read transaction, so it may run beside a busy service.

use std::path::Path;

use rusqlite::Connection;
use service::store::sqlite;

use crate::store::audit::{AuditReport, CurrencySum};

/// Each rule, and a count of the rows that break it.
const RULES: &[(&str, &str)] = &[
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
             OR d.amount <> t.amount OR c.amount <> t.amount)",
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

/// Audits the database in this file, which must be there. Changes nothing.
pub fn audit(path: &Path) -> Result<AuditReport, sqlite::Error> {
    let mut db = sqlite::open_to_read(path, super::MIGRATIONS)?;
    let tx = db.transaction()?;
    let mut report = AuditReport {
        wallets: count(&tx, "SELECT COUNT(*) FROM wallets")?,
        completed_transfers: count(
            &tx,
            "SELECT COUNT(*) FROM transfers WHERE transfer_status = 'completed'",
        )?,
        failed_transfers: count(
            &tx,
            "SELECT COUNT(*) FROM transfers WHERE transfer_status = 'failed'",
        )?,
        sums: sums(&tx)?,
        violations: Vec::new(),
    };
    for CurrencySum { currency, sum } in &report.sums {
        if *sum != 0 {
            report.violations.push(format!("the sum of {currency} is {sum}, not zero"));
        }
    }
    for (rule, broken) in RULES {
        let rows = count(&tx, broken)?;
        if rows != 0 {
            report.violations.push(format!("{rule}: {rows} rows say otherwise"));
        }
    }
    Ok(report)
}

fn count(db: &Connection, query: &str) -> rusqlite::Result<i64> {
    db.query_row(query, [], |row| row.get(0))
}

fn sums(db: &Connection) -> rusqlite::Result<Vec<CurrencySum>> {
    db.prepare("SELECT currency, SUM(balance) FROM wallets GROUP BY currency ORDER BY currency")?
        .query_map([], |row| Ok(CurrencySum { currency: row.get(0)?, sum: row.get(1)? }))?
        .collect()
}
