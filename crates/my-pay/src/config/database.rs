//! Settings of a service's database, which the account and the money section share in kind.

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::secret::{self, Secret};

/// A service's database settings, borrowed from its section.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseSettings<'a> {
    /// The service, which is also the section's name.
    pub service: &'static str,
    pub(super) url: Option<&'a Secret>,
    pub(super) url_file: Option<&'a Path>,
    pub(super) migration_url: Option<&'a Secret>,
    pub(super) migration_url_file: Option<&'a Path>,
    /// Connections of the pool at most.
    pub connections_max: usize,
    /// Whether the service brings the schema up to date when it starts.
    pub migrate_at_start: bool,
}

/// Where a service keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file, for one instance.
    Sqlite(PathBuf),
    /// A schema on MySQL, MariaDB or TiDB, for any number of instances.
    Mysql(Secret),
}

/// More connections than any database server is set up for.
const CONNECTIONS_MAX: usize = 1_000;

impl DatabaseSettings<'_> {
    pub(super) fn validate(&self) -> Result<(), String> {
        if !(1..=CONNECTIONS_MAX).contains(&self.connections_max) {
            let service = self.service;
            return Err(format!(
                "{service}.database_connections_max must be from 1 to {CONNECTIONS_MAX}"
            ));
        }
        Ok(())
    }

    /// The database that is served from, which must be given.
    pub fn url(&self) -> anyhow::Result<DatabaseUrl> {
        let name = format!("{}.database_url", self.service);
        match secret::read(&name, self.url, self.url_file)? {
            Some(url) => parse(&name, url),
            None => bail!(
                "--database-url is needed: `sqlite:PATH` or `mysql://…` (or the variable \
                 MY_PAY_{}_DATABASE_URL)",
                self.service.to_uppercase()
            ),
        }
    }

    /// The same database as the user who may change its schema; the user who serves if no other is
    /// named.
    pub fn migration_url(&self) -> anyhow::Result<DatabaseUrl> {
        let name = format!("{}.migration_database_url", self.service);
        match secret::read(&name, self.migration_url, self.migration_url_file)? {
            Some(url) => parse(&name, url),
            None => self.url(),
        }
    }

    /// Whether a database is named at all.
    pub fn is_given(&self) -> bool {
        self.url.is_some() || self.url_file.is_some()
    }
}

fn parse(name: &str, url: Secret) -> anyhow::Result<DatabaseUrl> {
    match url.expose().strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => Ok(DatabaseUrl::Sqlite(PathBuf::from(path))),
        None if url.expose().starts_with("mysql://") => Ok(DatabaseUrl::Mysql(url)),
        _ => bail!("{name} must be `sqlite:PATH` or `mysql://USER:PASSWORD@HOST:PORT/SCHEMA`"),
    }
}
