//! The audit on MySQL. One read-only snapshot, so it may run beside busy services.

use mysql_async::{Conn, Value, prelude::Queryable};
use service::store::mysql::{Database, Error};

use crate::store::audit::{self, AuditReport, Broken, CurrencySum, Dialect, Row, Violation};

/// A transfer's time in milliseconds, as the digits at the start of its id.
const CREATED_AT_MILLIS_HEX: &str = "LPAD(HEX(t.created_at DIV 1000), 12, '0')";

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
        ..AuditReport::default()
    };
    report.check_sums();
    let dialect = dialect(conn).await?;
    for rule in audit::rules(&dialect) {
        report.add(broken(conn, &dialect, Broken::new(rule)).await?);
    }
    Ok(report)
}

async fn dialect(conn: &mut Conn) -> mysql_async::Result<Dialect> {
    let operations = "SELECT COUNT(*) FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_name = 'wallet_operations'";
    let askers = "SELECT COUNT(*) FROM information_schema.columns
         WHERE table_schema = DATABASE() AND table_name = 'transfers'
         AND column_name = 'api_key_id'";
    Ok(Dialect {
        has_askers: count(conn, askers).await? > 0,
        created_at_millis_hex: CREATED_AT_MILLIS_HEX,
        has_operations: count(conn, operations).await? > 0,
    })
}

async fn broken(
    conn: &mut Conn,
    dialect: &Dialect,
    mut broken: Broken<'_>,
) -> mysql_async::Result<Violation> {
    let mut rows = conn.query_iter(broken.query(dialect)).await?;
    while let Some(row) = rows.next().await? {
        broken.add(&Row(row.unwrap_raw().into_iter().map(|value| value.and_then(text)).collect()));
    }
    Ok(broken.found())
}

/// The text protocol sends every value as text.
fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

async fn count(conn: &mut Conn, query: &str) -> mysql_async::Result<i64> {
    Ok(conn.query_first(query).await?.unwrap_or_default())
}
