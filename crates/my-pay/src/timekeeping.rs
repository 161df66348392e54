//! The check of the machine's clock, as every command that serves makes it: at start, and all the
//! time.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use prometheus_client::registry::Registry;
use service::{
    clock::Clock,
    fatal::Reporter,
    store::{
        mysql::Database,
        times::{MySqlTimes, SqliteTimes},
    },
    timekeeping::{ClockMetrics, Keeper, Watch, check_at_start},
    waiting::waiting_for,
};

use crate::config::Config;

/// A clock that does not follow every jump.
pub(crate) fn steady(config: &Config, clock: Clock) -> Clock {
    clock.steady(config.clock.bounds().stopped_max)
}

/// Refuses a clock that the services' databases contradict. Nothing may be stamped before.
pub(crate) async fn check(
    config: &Config,
    clock: &Clock,
    keepers: &[Keeper],
) -> anyhow::Result<()> {
    let _waiting = waiting_for("the newest time in the databases");
    let today = config.clock.date().map_err(anyhow::Error::msg)?;
    Ok(check_at_start(keepers, clock, config.clock.bounds(), today).await?)
}

/// Watches the clock from now on.
pub(crate) fn watch(
    config: &Config,
    clock: &Clock,
    keepers: Vec<Keeper>,
    registry: &mut Registry,
) -> Watch {
    let metrics = ClockMetrics::default();
    metrics.register(registry);
    Watch::start(clock.clone(), config.clock.bounds(), keepers, metrics)
}

/// Where a service with an embedded database keeps the time.
pub(crate) fn embedded(
    service: &'static str,
    database: &Path,
    fatal: &Reporter,
) -> anyhow::Result<Keeper> {
    let record = SqliteTimes::open(database, fatal)
        .with_context(|| format!("the {service} database cannot be opened"))?;
    Ok(Keeper { service, record: Arc::new(record) })
}

/// Where a service with a server's database keeps the time.
pub(crate) fn shared(service: &'static str, database: &Database) -> Keeper {
    Keeper { service, record: Arc::new(MySqlTimes::new(database.clone())) }
}
