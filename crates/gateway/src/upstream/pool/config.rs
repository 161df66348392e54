//! The settings of a pool.

use std::time::Duration;

/// Settings of the pools of upstream addresses; the defaults suit production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// How long a connection may take to be made. Default: 1 second.
    pub connect_timeout: Duration,
    /// How long an address may be silent before a request that may be repeated is given to another
    /// one. Default: 5 seconds.
    pub try_timeout: Duration,
    /// How long a connection without requests is kept. Shorter than services keep theirs (their
    /// `head_timeout`): a connection that both ends use and close at once loses a request.
    /// Default: 10 seconds.
    pub idle_timeout: Duration,
    /// Time between two questions to an address whether it is ready. Default: 1 second.
    pub health_interval: Duration,
    /// How long the answer to that may take. Default: 1 second.
    pub health_timeout: Duration,
    /// Broken or missing answers in a row that open an address's circuit. Default: 3.
    pub failures_max: u32,
    /// How long an open circuit first pauses before one more question; each time in a row takes
    /// twice as long. Default: 1 second.
    pub circuit_pause: Duration,
    /// Longest such pause. Default: 8 seconds.
    pub circuit_pause_max: Duration,
    /// How long an address that has become ready takes to get its full share; zero gives it at
    /// once. Default: 5 seconds.
    pub slow_start: Duration,
    /// How many times a request is tried once more. Default: 2.
    pub retries_max: u32,
    /// Repeated requests for each hundred requests, in the long run. Requests that certainly did
    /// not arrive are tried elsewhere without it. Default: 20.
    pub retry_percent: u32,
    /// Time between two look-ups of addresses that are names. Default: 5 seconds.
    pub resolve_interval: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            try_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(10),
            health_interval: Duration::from_secs(1),
            health_timeout: Duration::from_secs(1),
            failures_max: 3,
            circuit_pause: Duration::from_secs(1),
            circuit_pause_max: Duration::from_secs(8),
            slow_start: Duration::from_secs(5),
            retries_max: 2,
            retry_percent: 20,
            resolve_interval: Duration::from_secs(5),
        }
    }
}

/// Longest time that can be set. Longer ones are mistakes, such as milliseconds for seconds.
const TIME_MAX: Duration = Duration::from_hours(1);

/// More tries than this are a mistake: each may take the whole timeout of one try.
const RETRIES_MAX: u32 = 10;

impl PoolConfig {
    /// Every bad setting, one line each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, time) in [
            ("connect timeout", self.connect_timeout),
            ("timeout of one try", self.try_timeout),
            ("idle timeout", self.idle_timeout),
            ("health interval", self.health_interval),
            ("health timeout", self.health_timeout),
            ("pause of a circuit", self.circuit_pause),
            ("interval of look-ups", self.resolve_interval),
        ] {
            if time.is_zero() || time > TIME_MAX {
                problems.push(format!(
                    "the {name} of upstreams must be more than zero and at most an hour"
                ));
            }
        }
        let mut check = |ok: bool, problem: &str| {
            if !ok {
                problems.push(problem.to_owned());
            }
        };
        check(
            self.circuit_pause_max >= self.circuit_pause && self.circuit_pause_max <= TIME_MAX,
            "the longest pause of a circuit must be from the first one to an hour",
        );
        check(self.slow_start <= TIME_MAX, "the slow start of upstreams must be at most an hour");
        check(
            (1..=1000).contains(&self.failures_max),
            "the failures that open a circuit must be from 1 to 1000",
        );
        check(
            self.retries_max <= RETRIES_MAX,
            &format!("a request may be tried at most {RETRIES_MAX} times more"),
        );
        check(self.retry_percent <= 100, "the share of retries must be at most 100 percent");
        problems
    }
}
