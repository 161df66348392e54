//! The flags of each command. Only what differs between two starts by hand has one; everything else
//! is a variable or in the file.

use std::{net::SocketAddr, path::PathBuf};

use axum::http::Uri;
use ledger::{AMOUNT_MAX, Amount, Currency};

use crate::config::{ConfigLayer, Format, Secret, Switch};

/// Flags that say what to load, and which settings they override.
pub trait CommandFlags {
    /// The configuration file, if it is named by a flag.
    fn file(&self) -> Option<&PathBuf>;

    /// The settings that were given.
    fn apply(&self, layer: &mut ConfigLayer);
}

/// What every command has.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CommonFlags {
    /// Configuration file, TOML [variable: `MY_PAY_CONFIG`]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// How log lines look [variable: `MY_PAY_LOG_FORMAT`] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<Format>,
}

/// Flags of `my-pay up` and `my-pay config`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// Address and port that clients connect to [variable: `MY_PAY_LISTEN`] [default:
    /// 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,

    /// Folder of the embedded databases [variable: `MY_PAY_DATA_DIR`] [default: ./my-pay-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Today's date, to start with a clock that would be refused although it is right [variable:
    /// `MY_PAY_CLOCK_TODAY`]
    #[arg(long, value_name = "DATE")]
    pub today: Option<String>,

    /// What every command has.
    #[command(flatten)]
    pub common: CommonFlags,

    /// Rate limits of the gateway [variable: `MY_PAY_RATE_LIMIT`] [default: on]
    #[arg(long, value_name = "SWITCH")]
    pub rate_limit: Option<Switch>,
}

/// Where Redis is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RedisFlags {
    /// Redis, that instances share: `redis://HOST:PORT`. With a password, rather use the variable
    /// [variable: `MY_PAY_REDIS_URL`]
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<Secret>,
}

/// Flags of `my-pay gateway`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GatewayFlags {
    /// Address and port that clients connect to [variable: `MY_PAY_LISTEN`] [default:
    /// 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,

    /// Addresses of the account services, separated by commas or repeated [variable:
    /// `MY_PAY_UPSTREAMS_ACCOUNT`]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub account_upstream: Vec<String>,

    /// Addresses of the money services, separated by commas or repeated [variable:
    /// `MY_PAY_UPSTREAMS_MONEY`]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub money_upstream: Vec<String>,

    /// Where Redis is.
    #[command(flatten)]
    pub redis: RedisFlags,

    /// What every command has.
    #[command(flatten)]
    pub common: CommonFlags,

    /// Rate limits of the gateway [variable: `MY_PAY_RATE_LIMIT`] [default: on]
    #[arg(long, value_name = "SWITCH")]
    pub rate_limit: Option<Switch>,
}

/// Flags of `my-pay account`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct AccountFlags {
    /// Address and port of this service [variable: `MY_PAY_ACCOUNT_LISTEN`] [default:
    /// 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,

    /// `sqlite:PATH` or `mysql://USER@HOST:PORT/SCHEMA`. With a password, rather use the variable
    /// [variable: `MY_PAY_ACCOUNT_DATABASE_URL`]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<Secret>,

    /// Addresses of the money services, separated by commas or repeated [variable:
    /// `MY_PAY_UPSTREAMS_MONEY`]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub money_upstream: Vec<String>,

    /// Where Redis is.
    #[command(flatten)]
    pub redis: RedisFlags,

    /// Today's date, to start with a clock that would be refused although it is right [variable:
    /// `MY_PAY_CLOCK_TODAY`]
    #[arg(long, value_name = "DATE")]
    pub today: Option<String>,

    /// What every command has.
    #[command(flatten)]
    pub common: CommonFlags,
}

/// Flags of `my-pay money`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MoneyFlags {
    /// Address and port of this service [variable: `MY_PAY_MONEY_LISTEN`] [default: 127.0.0.1:8082]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,

    /// `sqlite:PATH` or `mysql://USER@HOST:PORT/SCHEMA`. With a password, rather use the variable
    /// [variable: `MY_PAY_MONEY_DATABASE_URL`]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<Secret>,

    /// Addresses of the account services, separated by commas or repeated [variable:
    /// `MY_PAY_UPSTREAMS_ACCOUNT`]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub account_upstream: Vec<String>,

    /// Where Redis is.
    #[command(flatten)]
    pub redis: RedisFlags,

    /// Today's date, to start with a clock that would be refused although it is right [variable:
    /// `MY_PAY_CLOCK_TODAY`]
    #[arg(long, value_name = "DATE")]
    pub today: Option<String>,

    /// What every command has.
    #[command(flatten)]
    pub common: CommonFlags,
}

/// A service with a database of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The account service.
    Account,
    /// The money service.
    Money,
}

/// Flags of commands that work on a database beside its service.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DatabaseFlags {
    /// Folder of the embedded databases [variable: `MY_PAY_DATA_DIR`] [default: ./my-pay-data]
    #[arg(long, value_name = "DIR", conflicts_with = "database_url")]
    pub data_dir: Option<PathBuf>,

    /// The database, in place of the one in that folder: `sqlite:PATH` or
    /// `mysql://USER@HOST:PORT/SCHEMA` [variables: `MY_PAY_ACCOUNT_DATABASE_URL`,
    /// `MY_PAY_MONEY_DATABASE_URL`]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<Secret>,

    /// What every command has.
    #[command(flatten)]
    pub common: CommonFlags,
}

/// Flags of commands that work on both databases of a data directory.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DataDirFlags {
    /// Folder of the embedded databases [variable: `MY_PAY_DATA_DIR`] [default: ./my-pay-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// What every command has.
    #[command(flatten)]
    pub common: CommonFlags,
}

/// Flags of `my-pay migrate`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MigrateFlags {
    /// The database, as a user who may change its schema; not with `all` [variables:
    /// `MY_PAY_ACCOUNT_MIGRATION_DATABASE_URL` or `MY_PAY_ACCOUNT_DATABASE_URL`, and the same with
    /// MONEY]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<Secret>,

    /// What every command has.
    #[command(flatten)]
    pub common: CommonFlags,
}

/// Flags of `my-pay seed`.
#[derive(Debug, Clone, clap::Args)]
pub struct SeedFlags {
    /// How many accounts, 1 to 1,000,000
    #[arg(long, value_name = "N", value_parser = accounts_count)]
    pub accounts: usize,

    /// Where to write them: a line of JSON each, with the account's token. It replaces the file
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,

    /// The gateway
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: Uri,

    /// What each wallet holds at first, in the currency's minor unit
    #[arg(long, value_name = "AMOUNT", default_value = "1000000", value_parser = amount)]
    pub funds: Amount,

    /// ISO 4217 code
    #[arg(long, value_name = "CODE", default_value = "KRW", value_parser = currency)]
    pub currency: Currency,

    /// The account service's database.
    #[command(flatten)]
    pub database: DatabaseFlags,
}

fn accounts_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err("a number from 1 to 1,000,000 is needed".to_owned()),
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    let amount = text.parse().ok().and_then(Amount::new);
    amount.ok_or_else(|| format!("a number from 1 to {AMOUNT_MAX} is needed"))
}

fn currency(text: &str) -> Result<Currency, String> {
    Currency::from_code(text).ok_or_else(|| "an ISO 4217 code is needed, such as KRW".to_owned())
}

impl CommandFlags for CommonFlags {
    fn file(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    fn apply(&self, layer: &mut ConfigLayer) {
        layer.log_format = self.log_format;
    }
}

impl CommandFlags for Flags {
    fn file(&self) -> Option<&PathBuf> {
        self.common.file()
    }

    fn apply(&self, layer: &mut ConfigLayer) {
        self.common.apply(layer);
        layer.listen = self.listen;
        layer.data_dir.clone_from(&self.data_dir);
        layer.rate_limit = self.rate_limit;
        layer.clock.today.clone_from(&self.today);
    }
}

impl CommandFlags for GatewayFlags {
    fn file(&self) -> Option<&PathBuf> {
        self.common.file()
    }

    fn apply(&self, layer: &mut ConfigLayer) {
        self.common.apply(layer);
        self.redis.apply(layer);
        layer.listen = self.listen;
        layer.rate_limit = self.rate_limit;
        layer.upstreams.account = given(&self.account_upstream);
        layer.upstreams.money = given(&self.money_upstream);
    }
}

impl CommandFlags for AccountFlags {
    fn file(&self) -> Option<&PathBuf> {
        self.common.file()
    }

    fn apply(&self, layer: &mut ConfigLayer) {
        self.common.apply(layer);
        self.redis.apply(layer);
        layer.account.listen = self.listen;
        layer.clock.today.clone_from(&self.today);
        layer.account.database_url.clone_from(&self.database_url);
        layer.upstreams.money = given(&self.money_upstream);
    }
}

impl CommandFlags for MoneyFlags {
    fn file(&self) -> Option<&PathBuf> {
        self.common.file()
    }

    fn apply(&self, layer: &mut ConfigLayer) {
        self.common.apply(layer);
        self.redis.apply(layer);
        layer.money.listen = self.listen;
        layer.clock.today.clone_from(&self.today);
        layer.money.database_url.clone_from(&self.database_url);
        layer.upstreams.account = given(&self.account_upstream);
    }
}

impl CommandFlags for (Owner, &DatabaseFlags) {
    fn file(&self) -> Option<&PathBuf> {
        self.1.common.file()
    }

    fn apply(&self, layer: &mut ConfigLayer) {
        let (owner, flags) = self;
        flags.common.apply(layer);
        layer.data_dir.clone_from(&flags.data_dir);
        match owner {
            Owner::Account => layer.account.database_url.clone_from(&flags.database_url),
            Owner::Money => layer.money.database_url.clone_from(&flags.database_url),
        }
    }
}

impl CommandFlags for DataDirFlags {
    fn file(&self) -> Option<&PathBuf> {
        self.common.file()
    }

    fn apply(&self, layer: &mut ConfigLayer) {
        self.common.apply(layer);
        layer.data_dir.clone_from(&self.data_dir);
    }
}

impl CommandFlags for (Owner, &MigrateFlags) {
    fn file(&self) -> Option<&PathBuf> {
        self.1.common.file()
    }

    fn apply(&self, layer: &mut ConfigLayer) {
        let (owner, flags) = self;
        flags.common.apply(layer);
        let url = flags.database_url.clone();
        match owner {
            Owner::Account => layer.account.migration_database_url = url,
            Owner::Money => layer.money.migration_database_url = url,
        }
    }
}

impl RedisFlags {
    fn apply(&self, layer: &mut ConfigLayer) {
        layer.redis.url.clone_from(&self.redis_url);
    }
}

/// No flag at all leaves the setting to the variable, the file or the default.
fn given(addresses: &[String]) -> Option<Vec<String>> {
    (!addresses.is_empty()).then(|| addresses.to_vec())
}
