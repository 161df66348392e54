//! Logs: one line an event on standard output, as text for people or JSON for machines.

use std::{io::IsTerminal as _, str::FromStr};

use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

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
    let lines = match format {
        LogFormat::Text => {
            // Colours are for eyes: in a file or a pipe they would be noise.
            let colours = std::io::stdout().is_terminal();
            fmt::layer().with_target(false).with_ansi(colours).boxed()
        }
        LogFormat::Json => fmt::layer().json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(levels))
        .try_init()
        .map_err(|error| error.to_string())
}
