//! Settings of the check of the machine's clock.

use std::time::Duration;

use serde::Serialize;
use service::timekeeping::{Bounds, Date};

/// The check of the machine's clock.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct ClockConfig {
    /// How far the clock may be ahead of the newest time in a service's database when the service
    /// starts, which is how long it may have been stopped. A clock that jumps further while a
    /// process runs is not followed. 60 to 31,536,000.
    #[config(env = "MY_PAY_CLOCK_STOPPED_MAX_SECONDS", default = 2_678_400)]
    pub stopped_max_seconds: u64,

    /// How far the clock may be behind that time, or away from the clock of the database's server.
    /// A start beyond it is refused; a running process reports it. 1 to 3,600.
    #[config(env = "MY_PAY_CLOCK_DIFFERENCE_MAX_SECONDS", default = 60)]
    pub difference_max_seconds: u64,

    /// Today's date, such as `2026-11-26`, to start with a clock that would be refused although it
    /// is right. It has an effect on this day only.
    #[config(env = "MY_PAY_CLOCK_TODAY", validate = crate::config::given::text)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub today: Option<String>,
}

impl ClockConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        if !(60..=31_536_000).contains(&self.stopped_max_seconds) {
            return Err("clock.stopped_max_seconds must be from 60 to 31536000".to_owned());
        }
        if !(1..=3_600).contains(&self.difference_max_seconds) {
            return Err("clock.difference_max_seconds must be from 1 to 3600".to_owned());
        }
        self.date().map(|_date| ())
    }

    /// What day an operator says it is.
    pub fn date(&self) -> Result<Option<Date>, String> {
        let date = self.today.as_deref().map(str::parse).transpose();
        date.map_err(|reason: String| format!("clock.today {reason}"))
    }

    /// As the check takes them.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            stopped_max: Duration::from_secs(self.stopped_max_seconds),
            difference_max: Duration::from_secs(self.difference_max_seconds),
        }
    }
}
