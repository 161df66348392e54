//! The check at start.

use super::{
    Bounds, Date, Implausible, Keeper, RecordError,
    plausible::{Readings, judge},
};
use crate::clock::Clock;

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its clock is not believed, and no operator has said that it is right.
    #[error(
        "{implausible} (the {service} database). Nothing was changed. Set the clock of this \
         machine right, or, if it is right, start once with `--today` and today's date"
    )]
    Implausible {
        /// Whose database says otherwise.
        service: &'static str,
        /// Why.
        implausible: Implausible,
    },
    /// An operator has said what day it is, and the clock says another.
    #[error(
        "it is said to be {today} today, but the clock of this machine says {clock}: set it right"
    )]
    AnotherDay {
        /// What the operator has said.
        today: Date,
        /// What the clock says.
        clock: crate::clock::Timestamp,
    },
    /// The database did not tell or keep the time.
    #[error("the time in the {service} database cannot be read or kept")]
    Record {
        /// Whose database.
        service: &'static str,
        /// Why.
        #[source]
        source: RecordError,
    },
}

/// Refuses a clock that is implausible beside what the services' databases know, before anything is
/// written by it. A date that an operator gives, and that the clock agrees with, overrules the
/// refusal, and the clock's time takes the place of what was known.
pub async fn check_at_start(
    keepers: &[Keeper],
    clock: &Clock,
    bounds: Bounds,
    today: Option<Date>,
) -> Result<(), StartError> {
    for keeper in keepers {
        let service = keeper.service;
        let failed = |source| StartError::Record { service, source };
        let before = clock.now();
        let known = keeper.record.read().await.map_err(failed)?;
        let readings = Readings { before, after: clock.now() };
        let Some(implausible) = judge(readings, known, bounds) else { continue };
        let Some(today) = today else {
            return Err(StartError::Implausible { service, implausible });
        };
        let now = clock.now();
        if !today.is_at(now) {
            return Err(StartError::AnotherDay { today, clock: now });
        }
        tracing::warn!(
            %service, %implausible, %today,
            "an operator has confirmed the clock, and the service goes by it"
        );
        keeper.record.replace(now).await.map_err(failed)?;
    }
    // Only now, so that a start that is refused changes nothing.
    for Keeper { service, record } in keepers {
        let kept = record.advance(clock.now()).await;
        kept.map_err(|source| StartError::Record { service, source })?;
    }
    Ok(())
}
