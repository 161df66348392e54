//! `my-pay admin`: what an operator does from a process of its own, also while services run.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use money::store::{Operations, audit::AuditReport, sqlite::SqliteOperations};
use service::waiting::waiting_for;

use crate::{
    config::{Config, DatabaseSettings, DatabaseUrl},
    data_dir::{account_database, check_data_dir, money_database},
    database::mysql_database,
    flags::{DatabaseFlags, Owner},
};

/// The account database, beside whoever serves from it.
pub(crate) async fn account_store(
    flags: &DatabaseFlags,
    config: &Config,
) -> anyhow::Result<Arc<dyn account::Store>> {
    let settings = config.account.database();
    match place(flags, &settings, &config.data_dir, account_database)? {
        DatabaseUrl::Sqlite(path) => Ok(Arc::new(account::SqliteStore::open_existing(&path)?)),
        DatabaseUrl::Mysql(url) => {
            let database = mysql_database("account", &url, settings.connections_max)?;
            let checked = account::store::mysql::check_owner(&database).await;
            checked.context("the account database cannot be used")?;
            Ok(Arc::new(account::store::mysql::MySqlStore::new(database)))
        }
    }
}

/// What operators do in the money database, beside the services.
pub(crate) async fn money_operations(
    flags: &DatabaseFlags,
    config: &Config,
) -> anyhow::Result<Arc<dyn Operations>> {
    let settings = config.money.database();
    match place(flags, &settings, &config.data_dir, money_database)? {
        DatabaseUrl::Sqlite(path) => Ok(Arc::new(SqliteOperations::open_existing(&path)?)),
        DatabaseUrl::Mysql(url) => {
            let database = mysql_database("money", &url, settings.connections_max)?;
            let checked = money::store::mysql::check_owner(&database).await;
            checked.context("the money database cannot be used")?;
            Ok(money::store::mysql::MySqlStore::new(database, 1).operations())
        }
    }
}

/// Checks that the books add up.
pub async fn audit(flags: &DatabaseFlags) -> anyhow::Result<AuditReport> {
    let config = Config::load(&(Owner::Money, flags))?;
    match place(flags, &config.money.database(), &config.data_dir, money_database)? {
        DatabaseUrl::Sqlite(path) => {
            money::store::sqlite::audit(&path).context("the books cannot be audited")
        }
        DatabaseUrl::Mysql(url) => {
            let database = mysql_database("money", &url, 1)?;
            let _waiting = waiting_for("the audit of the money database");
            let report = money::store::mysql::audit(&database).await;
            database.close().await;
            report.context("the books cannot be audited")
        }
    }
}

/// The database that is named, or the one in the data directory, which must be there: a command
/// beside the service must not create a folder because its name was misspelt.
fn place(
    flags: &DatabaseFlags,
    settings: &DatabaseSettings<'_>,
    data_dir: &Path,
    file: fn(&Path) -> PathBuf,
) -> anyhow::Result<DatabaseUrl> {
    if flags.data_dir.is_none() && settings.is_given() {
        return settings.url();
    }
    check_data_dir(data_dir)?;
    Ok(DatabaseUrl::Sqlite(file(data_dir)))
}
