//! The program's configuration: from flags, then variables, then the file, then defaults. Unknown
//! keys and bad values are refused before anything starts. Each section's file documents its
//! settings, and the reference in docs/configuration.toml is generated from that documentation.

mod account;
mod clock;
mod database;
mod gateway;
mod given;
mod identity;
mod money;
mod redis;
mod secret;
mod server;
mod tracing;
mod upstreams;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use confique::{
    Config as _, Layer as _,
    meta::{FieldKind, Meta},
};
use serde::{Deserialize, Serialize};
use service::{
    http::{docs::Docs, server::AddressShare},
    telemetry::{self, LogFormat},
};

pub use self::{
    account::AccountConfig,
    clock::ClockConfig,
    database::{DatabaseSettings, DatabaseUrl},
    gateway::GatewayConfig,
    identity::IdentityConfig,
    money::MoneyConfig,
    redis::RedisConfig,
    secret::Secret,
    server::ServerConfig,
    tracing::TracingConfig,
    upstreams::UpstreamsConfig,
};
use crate::flags::CommandFlags;
pub use crate::flags::Flags;

/// The configuration of my-pay. One file serves every command; each reads what it needs. Times
/// carry their unit in their name. A variable that is empty counts as unset; one of blanks alone is
/// refused.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Config {
    /// Address and port that clients connect to, of `my-pay up` and `my-pay gateway`. Port 0 takes
    /// a free one, which the log tells.
    #[config(env = "MY_PAY_LISTEN", default = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Folder of the embedded databases of `my-pay up`. Created if it is not there, for its owner
    /// only. One process at a time may use it.
    #[config(
        env = "MY_PAY_DATA_DIR",
        validate = crate::config::given::path,
        default = "my-pay-data"
    )]
    pub data_dir: PathBuf,

    /// How log lines look: `text` for people, `json` for machines.
    #[config(env = "MY_PAY_LOG_FORMAT", default = "text")]
    pub log_format: Format,

    /// What is logged: a level (error, warn, info, debug, trace), or a level by module, such as
    /// `info,my_pay_gateway=debug`. `my_pay_gateway::access=warn` silences the line a request.
    #[config(env = "MY_PAY_LOG_LEVELS", validate = crate::config::given::text, default = "info")]
    pub log_levels: String,

    /// Limits of the gateway by address and by token: `on`, or `off` for load tests.
    #[config(env = "MY_PAY_RATE_LIMIT", default = "on")]
    pub rate_limit: Switch,

    /// The pages of documentation, `/accounts/docs` and `/money/docs`: `on`, or `off`, which
    /// leaves them and `openapi.json` out of what a process serves.
    #[config(env = "MY_PAY_DOCS", default = "on")]
    pub docs: Switch,

    /// The HTTP server.
    #[config(nested)]
    pub server: ServerConfig,

    /// The check of the machine's clock, of every service with a database.
    #[config(nested)]
    pub clock: ClockConfig,

    /// Traces, by OpenTelemetry: off unless there is an endpoint. `OTEL_RESOURCE_ATTRIBUTES` and
    /// `OTEL_EXPORTER_OTLP_HEADERS` are honoured.
    #[config(nested)]
    pub tracing: TracingConfig,

    /// The signed identity, by which services that run apart know who is calling.
    #[config(nested)]
    pub identity: IdentityConfig,

    /// Redis, which instances that run apart share. Everything goes on without it, if less well.
    /// Unused by `my-pay up`.
    #[config(nested)]
    pub redis: RedisConfig,

    /// Where the services are when they run apart: `HOST:PORT` of each instance, in a variable
    /// separated by commas. Unused by `my-pay up`.
    #[config(nested)]
    pub upstreams: UpstreamsConfig,

    /// The gateway.
    #[config(nested)]
    pub gateway: GatewayConfig,

    /// The account service.
    #[config(nested)]
    pub account: AccountConfig,

    /// The money service.
    #[config(nested)]
    pub money: MoneyConfig,
}

/// Settings that are given, before the rest is filled in.
pub type ConfigLayer = <Config as confique::Config>::Layer;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// Names the configuration file. It cannot be in the file, so it is not among the settings.
const CONFIG_VARIABLE: &str = "MY_PAY_CONFIG";

impl Config {
    /// Loads and checks the configuration.
    pub fn load(flags: &impl CommandFlags) -> anyhow::Result<Self> {
        refuse_bad_variables()?;
        let mut layer = ConfigLayer::empty();
        flags.apply(&mut layer);
        let mut builder = Self::builder().preloaded(layer).env();
        let variable = std::env::var_os(CONFIG_VARIABLE).filter(|name| !name.is_empty());
        let named = flags.file().cloned().or_else(|| variable.map(PathBuf::from));
        if let Some(path) = named {
            builder = builder.preloaded(read_file(&path)?);
        }
        let config = builder.load().map_err(|error| {
            anyhow::anyhow!(in_our_words(&service::http::problem::chain(&error)))
        })?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> anyhow::Result<()> {
        telemetry::parse_levels(&self.log_levels).map_err(anyhow::Error::msg)?;
        self.server.validate().map_err(anyhow::Error::msg)?;
        self.clock.validate().map_err(anyhow::Error::msg)?;
        self.tracing.validate().map_err(anyhow::Error::msg)?;
        self.upstreams.validate().map_err(anyhow::Error::msg)?;
        self.money.validate().map_err(anyhow::Error::msg)?;
        for database in [self.account.database(), self.money.database()] {
            database.validate().map_err(anyhow::Error::msg)?;
        }
        self.gateway().validate().map_err(|found| {
            anyhow::anyhow!("in the section `gateway`: {}", found.replace('\n', "; "))
        })?;
        self.account.to_service().validate().context("in the section `account`")?;
        Ok(())
    }

    /// Every variable that is a setting, and the one that names the file.
    pub fn variables() -> Vec<&'static str> {
        let mut names = vec![CONFIG_VARIABLE];
        collect_variables(&Self::META, &mut names);
        names
    }

    /// How many of the connections of clients an address may have.
    pub fn address_share(&self) -> AddressShare {
        self.server.address_share(self.rate_limit == Switch::On)
    }

    /// The gateway's settings, with the rate limits switched.
    pub fn gateway(&self) -> ::gateway::Config {
        self.gateway.to_gateway(self.rate_limit == Switch::On)
    }

    /// Whether documentation is served.
    pub fn docs(&self) -> Docs {
        match self.docs {
            Switch::On => Docs::Served,
            Switch::Off => Docs::Off,
        }
    }

    /// The effective configuration, as a file that would give it but for its secrets, which are
    /// masked.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every setting has a TOML form")
    }

    /// The reference: a file of all settings with their documentation, variables and defaults.
    pub fn reference() -> String {
        confique::toml::template::<Self>(confique::toml::FormatOptions::default())
    }
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

/// A misspelt variable would otherwise leave a default in force without a word. One of blanks alone
/// is neither a value nor unset.
fn refuse_bad_variables() -> anyhow::Result<()> {
    let known = Config::variables();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if !name.starts_with("MY_PAY_") {
            continue;
        }
        if !known.contains(&name) {
            bail!("the variable {name} is not a setting: `my-pay config` lists them");
        }
        let is_blank = value.to_str().is_some_and(|value| value.trim().is_empty());
        if is_blank && !value.is_empty() {
            bail!("the variable {name} has only blanks: leave it empty, which is as good as unset");
        }
    }
    Ok(())
}

fn collect_variables(meta: &Meta, names: &mut Vec<&'static str>) {
    for field in meta.fields {
        match field.kind {
            FieldKind::Leaf { env, .. } => names.extend(env),
            FieldKind::Nested { meta } => collect_variables(meta, names),
        }
    }
}

/// Reads the file here rather than in the library, whose errors draw pictures over several lines.
fn read_file(path: &Path) -> anyhow::Result<ConfigLayer> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration file {shown} cannot be read"))?;
    toml::from_str(&text).map_err(|error| {
        let before = text.get(..error.span().unwrap_or_default().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let message = one_line(error.message());
        anyhow::anyhow!("{shown}, line {line}: {message}")
    })
}

/// The library names the field of a bad variable, which means nothing to whoever set it.
fn in_our_words(error: &str) -> String {
    match error.split_once("from environment variable ") {
        Some((_, name_and_cause)) => format!("the variable {}", one_line(name_and_cause)),
        None => one_line(error),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
