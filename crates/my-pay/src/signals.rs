//! The signals by which a process is told to end: SIGTERM, as service managers send it, and SIGINT,
//! as Ctrl-C does.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both, from when it was made.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the process is not ended by them, but told.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first; a second one ends the process at once.
    pub async fn wait(self) {
        self.wait_or(pending::<()>()).await;
    }

    /// Waits for the first signal or for `failure`, and returns the failure if that was it. A
    /// further signal ends the process at once.
    pub async fn wait_or<T>(mut self, failure: impl Future<Output = T>) -> Option<T> {
        let failed = tokio::select! {
            () = self.next() => None,
            failed = failure => Some(failed),
        };
        tokio::spawn(async move {
            self.next().await;
            exit_at_once();
        });
        failed
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a second signal asks for exactly this")]
fn exit_at_once() {
    eprintln!("my-pay: a second signal; exiting at once");
    std::process::exit(130);
}
