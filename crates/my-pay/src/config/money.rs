//! Settings of the money service.

use money::EngineConfig;
use serde::Serialize;

/// The money service.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct MoneyConfig {
    /// Requests that may wait for the engine; more are answered 503 at once. 1 to 1,000,000.
    #[config(env = "MY_PAY_MONEY_QUEUE_JOBS_MAX", default = 16_384)]
    pub queue_jobs_max: usize,

    /// Requests in one commit. 1 to 4,096.
    #[config(env = "MY_PAY_MONEY_BATCH_JOBS_MAX", default = 1_024)]
    pub batch_jobs_max: usize,
}

impl MoneyConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        if !(1..=1_000_000).contains(&self.queue_jobs_max) {
            return Err("money.queue_jobs_max must be from 1 to 1000000".to_owned());
        }
        if !(1..=4_096).contains(&self.batch_jobs_max) {
            return Err("money.batch_jobs_max must be from 1 to 4096".to_owned());
        }
        Ok(())
    }

    /// As the engine takes them.
    pub fn engine(&self) -> EngineConfig {
        EngineConfig { queue_jobs_max: self.queue_jobs_max, batch_jobs_max: self.batch_jobs_max }
    }
}
