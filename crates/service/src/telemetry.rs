//! Logs: one line an event on standard output, as text for people or JSON for machines. A thread of
//! its own writes them, so that no request waits for whatever reads the log.

mod metrics;
mod writer;

use std::{
    fs::File,
    io::{self, IsTerminal as _},
    os::fd::AsFd as _,
    panic,
    str::FromStr,
    sync::OnceLock,
    time::Duration,
};

use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

pub use self::metrics::register;
use self::{metrics::LogMetrics, writer::Writer};

/// The log of the process, once it is started.
static LOG: OnceLock<Writer> = OnceLock::new();

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("`{other}` is not a log format: use `text` or `json`")),
        }
    }
}

/// Which events are logged: a level, or a level by module, as in `info,my_pay_gateway=debug`.
pub fn parse_levels(levels: &str) -> Result<Targets, String> {
    levels.parse().map_err(|error| format!("`{levels}` is not a list of log levels: {error}"))
}

/// Starts logging for the process. Fails if it was started before.
pub fn start(format: LogFormat, levels: Targets) -> Result<(), String> {
    let writer = start_writer().map_err(|error| format!("logging cannot be started: {error}"))?;
    let queue = writer.clone();
    let lines = fmt::layer().with_writer(move || queue.clone()).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => {
            // Colours are for eyes: in a file or a pipe they would be noise.
            let colours = io::stdout().is_terminal();
            lines.with_target(false).with_ansi(colours).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(levels))
        .try_init()
        .map_err(|error| error.to_string())?;
    LOG.set(writer).map_err(|_| "logging was started before".to_owned())?;
    log_panics();
    Ok(())
}

/// Whether logging was started.
pub fn is_started() -> bool {
    LOG.get().is_some()
}

/// Writes lines to the output of the log, in their place between its lines. Returns at once; if the
/// output does not take them, they are dropped and counted as log lines are.
pub fn print(lines: &str) {
    if let Some(log) = LOG.get() {
        log.queue(lines.as_bytes());
    }
}

/// Waits until all that was logged is written or dropped, but no longer than `limit`. Returns
/// whether it is.
pub fn flush(limit: Duration) -> bool {
    LOG.get().is_none_or(|log| log.flush(limit))
}

/// A descriptor of its own: the standard library's handle has a lock, which a writer that is
/// blocked would keep from everything else.
fn start_writer() -> io::Result<Writer> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    Writer::start(output, LogMetrics::default())
}

/// Panics go to the log too. On standard error, which nothing may read, a panic could block the
/// thread that it happens on.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let payload = info.payload_as_str().unwrap_or("of an unknown kind");
        let location = info.location().map(ToString::to_string);
        tracing::error!(panic.message = payload, panic.location = location, "a thread panicked");
    }));
}
