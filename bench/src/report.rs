//! The report: medians over the rounds, and each kind of traffic as a ratio to the echo of its
//! round.

use std::fmt;

use crate::{client::Measured, load::Load};

/// Every measurement, by round.
#[derive(Debug, Default)]
pub(crate) struct Report {
    measured: Vec<(Load, Measured)>,
}

impl Report {
    pub(crate) fn add(&mut self, load: Load, measured: Measured) {
        self.measured.push((load, measured));
    }

    fn rates(&self, load: Load) -> Vec<f64> {
        let of_load = self.measured.iter().filter(|(measured, _)| *measured == load);
        of_load.map(|(_, measured)| measured.per_second).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let echo = self.rates(Load::Echo);
        writeln!(f, "\n{:<28}{:>12}{:>18}", "medians", "requests/s", "ratio to echo")?;
        for load in Load::ALL {
            let rates = self.rates(load);
            let ratios = rates.iter().zip(&echo).map(|(rate, echo)| 100.0 * rate / echo).collect();
            let (rate, ratio) = (median(rates), median(ratios));
            writeln!(f, "{:<28}{rate:>12.0}{ratio:>17.1}%", load.name())?;
        }
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
