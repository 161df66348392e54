//! Opens a service's database, wherever it is, with its schema up to date.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use service::{
    fatal::Reporter,
    store::{mysql, sqlite::Watching},
    timekeeping::Keeper,
};

use crate::{
    config::{DatabaseSettings, DatabaseUrl, MoneyConfig, Secret},
    data_dir::DatabaseFile,
    flags::Owner,
    timekeeping,
};

/// A store, and what must be held as long as it is used.
pub(crate) struct Opened<T> {
    pub(crate) store: T,
    /// Where the service keeps the time.
    pub(crate) keeper: Keeper,
    /// Keeps other processes out of a file; none of a server's.
    pub(crate) file: Option<DatabaseFile>,
}

/// The account service's store. What ends the process is reported to `fatal`.
pub(crate) async fn open_account(
    settings: &DatabaseSettings<'_>,
    fatal: &Reporter,
) -> anyhow::Result<Opened<Arc<dyn account::Store>>> {
    match settings.url()? {
        DatabaseUrl::Sqlite(path) => {
            let file = DatabaseFile::take(&path)?;
            let store =
                account::SqliteStore::open(&path, fatal).with_context(|| cannot_open(settings))?;
            let keeper = timekeeping::embedded(settings.service, &path, fatal)?;
            Ok(Opened { store: Arc::new(store), keeper, file: Some(file) })
        }
        DatabaseUrl::Mysql(url) => {
            let database = open_mysql(Owner::Account, settings, &url).await?;
            let keeper = timekeeping::shared(settings.service, &database);
            let store = account::store::mysql::MySqlStore::new(database);
            Ok(Opened { store: Arc::new(store), keeper, file: None })
        }
    }
}

/// The money service's store. What ends the process is reported to `fatal`.
pub(crate) async fn open_money(
    config: &MoneyConfig,
    fatal: &Reporter,
) -> anyhow::Result<Opened<money::store::Database>> {
    let settings = &config.database();
    match settings.url()? {
        DatabaseUrl::Sqlite(path) => {
            let file = DatabaseFile::take(&path)?;
            let store = money::store::sqlite::SqliteStore::open(&path)
                .with_context(|| cannot_open(settings))?;
            let keeper = timekeeping::embedded(settings.service, &path, fatal)?;
            Ok(Opened { store: money::store::Database::Sqlite(store), keeper, file: Some(file) })
        }
        DatabaseUrl::Mysql(url) => {
            let database = open_mysql(Owner::Money, settings, &url).await?;
            let keeper = timekeeping::shared(settings.service, &database);
            let store = money::store::mysql::MySqlStore::new(database, config.lanes);
            Ok(Opened { store: money::store::Database::MySql(store), keeper, file: None })
        }
    }
}

/// Watches the file of an open database, if it is one. What happens to it is reported to `fatal`.
pub(crate) fn watch(
    file: Option<&DatabaseFile>,
    fatal: &Reporter,
) -> anyhow::Result<Option<Watching>> {
    let watch = file.map(DatabaseFile::watch).transpose()?;
    Ok(watch.map(|watch| watch.start(fatal.clone())))
}

/// Brings a service's schema up to date.
pub(crate) async fn migrate(owner: Owner, settings: &DatabaseSettings<'_>) -> anyhow::Result<()> {
    match settings.migration_url()? {
        DatabaseUrl::Sqlite(path) => migrate_sqlite(owner, &path),
        DatabaseUrl::Mysql(url) => migrate_mysql(owner, settings.service, &url).await,
    }
}

/// Opening is migrating. A file that a service has is up to date.
fn migrate_sqlite(owner: Owner, path: &Path) -> anyhow::Result<()> {
    let _file = DatabaseFile::take(path)?;
    match owner {
        Owner::Account => drop(account::SqliteStore::open(path, &Reporter::default())?),
        Owner::Money => drop(money::store::sqlite::SqliteStore::open(path)?),
    }
    Ok(())
}

/// On a connection of its own, perhaps as another user than who serves.
async fn migrate_mysql(owner: Owner, service: &str, url: &Secret) -> anyhow::Result<()> {
    let database = mysql_database(service, url, 1)?;
    let migrated = match owner {
        Owner::Account => account::store::mysql::migrate(&database).await,
        Owner::Money => money::store::mysql::migrate(&database).await,
    };
    database.close().await;
    migrated.with_context(|| format!("the {service} database cannot be brought up to date"))
}

async fn open_mysql(
    owner: Owner,
    settings: &DatabaseSettings<'_>,
    url: &Secret,
) -> anyhow::Result<mysql::Database> {
    if settings.migrate_at_start {
        migrate(owner, settings).await?;
    }
    let database = mysql_database(settings.service, url, settings.connections_max)?;
    match owner {
        Owner::Account => account::store::mysql::check_schema(&database).await,
        Owner::Money => money::store::mysql::check_schema(&database).await,
    }
    .with_context(|| cannot_open(settings))?;
    Ok(database)
}

/// The database at a URL, for a command that needs no store.
pub(crate) fn mysql_database(
    service: &str,
    url: &Secret,
    connections_max: usize,
) -> anyhow::Result<mysql::Database> {
    mysql::Database::new(url.expose(), connections_max)
        .with_context(|| format!("the URL of the {service} database is refused"))
}

fn cannot_open(settings: &DatabaseSettings<'_>) -> String {
    format!("the {} database cannot be opened", settings.service)
}
