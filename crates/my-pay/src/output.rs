//! What the program says beside its log. Nothing here panics when an output is closed or full, and
//! only what a command was asked to print waits for a reader.

use std::{
    io::{self, ErrorKind, Write as _},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::Context;
use service::telemetry;

/// How long standard error may take to accept a line.
const COMPLAINT_MAX: Duration = Duration::from_secs(1);

/// How long the end of the process waits for the log to be written.
const LOG_FLUSH_MAX: Duration = Duration::from_millis(500);

/// Prints what a command was asked for. A reader that is gone, as in `my-pay config | head -1`, has
/// what it needs: that is no error. Any other failure is one, such as a full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("standard output cannot be written"),
    }
}

/// Says on standard error why the program does not do what it was asked. Returns soon, even if
/// nothing reads it.
pub fn complain(text: &str) {
    let line = format!("my-pay: {text}\n");
    let (done, is_done) = mpsc::channel();
    let writing = thread::Builder::new().spawn(move || {
        // There is no other place to say that this place is closed or full.
        let _said = io::stderr().write_all(line.as_bytes());
        let _is_late = done.send(());
    });
    if writing.is_ok() {
        let _said_or_late = is_done.recv_timeout(COMPLAINT_MAX);
    }
}

/// Tells the operator of something that goes on: in the log if there is one, else on standard
/// error.
pub fn tell(text: &str) {
    if telemetry::is_started() {
        tracing::warn!("{text}");
    } else {
        complain(text);
    }
}

/// Waits for the log to be written, but not long: the end of the process does not depend on
/// whatever reads it.
pub fn flush_log() {
    if !telemetry::flush(LOG_FLUSH_MAX) {
        complain("the log is not read; its last lines are lost");
    }
}
