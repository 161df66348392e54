//! The audit on MySQL. One read-only snapshot, so it may run beside busy services.

use mysql_async::{Conn, prelude::Queryable};
use service::store::mysql::{Database, Error};

use crate::store::audit::{self, AuditReport, CurrencySum};

/// Audits the books. Changes nothing.
pub async fn audit(database: &Database) -> Result<AuditReport, Error> {
    database.check_owner(super::SCHEMA).await?;
    let mut connection = database.connection().await?;
    connection.query_drop("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    connection.query_drop("START TRANSACTION READ ONLY").await?;
    let report = report(&mut connection).await?;
    connection.query_drop("COMMIT").await?;
    connection.release();
    Ok(report)
}

async fn report(conn: &mut Conn) -> mysql_async::Result<AuditReport> {
    let mut report = AuditReport {
        wallets: count(conn, audit::WALLETS).await?,
        completed_transfers: count(conn, audit::COMPLETED_TRANSFERS).await?,
        failed_transfers: count(conn, audit::FAILED_TRANSFERS).await?,
        sums: conn.query_map(audit::SUMS, |(currency, sum)| CurrencySum { currency, sum }).await?,
        violations: Vec::new(),
    };
    report.check_sums();
    for (rule, broken) in audit::RULES {
        report.check_rule(rule, count(conn, broken).await?);
    }
    Ok(report)
}

async fn count(conn: &mut Conn, query: &str) -> mysql_async::Result<i64> {
    Ok(conn.query_first(query).await?.unwrap_or_default())
}
