//! What this process waits for at the moment, in words for its operator: a lock, a connection, an
//! answer. A start or a command that takes long says so. One list for the process, as its log is,
//! so that nothing has to be handed through.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

static WAITS: Mutex<Waits> = Mutex::new(Waits { begun: 0, current: Vec::new() });

#[derive(Debug)]
struct Waits {
    /// How many there have been, which numbers them.
    begun: u64,
    /// The newest is the last. It is usually the innermost, and so says most.
    current: Vec<Wait>,
}

/// Something that is waited for.
#[derive(Debug, Clone)]
pub struct Wait {
    /// Tells it from every other wait of this process.
    pub number: u64,
    /// Such as "the database at db:3306 to accept a connection".
    pub what: String,
    since: Instant,
}

impl Wait {
    /// How long it has lasted so far.
    pub fn lasted(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Ends the wait when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Waiting {
    number: u64,
}

/// Notes what is waited for from now on, as a phrase that follows "waiting for".
pub fn waiting_for(what: impl Into<String>) -> Waiting {
    let mut waits = waits();
    waits.begun += 1;
    let number = waits.begun;
    waits.current.push(Wait { number, what: what.into(), since: Instant::now() });
    Waiting { number }
}

/// The newest of the current waits.
pub fn newest() -> Option<Wait> {
    waits().current.last().cloned()
}

impl Drop for Waiting {
    fn drop(&mut self) {
        waits().current.retain(|wait| wait.number != self.number);
    }
}

fn waits() -> MutexGuard<'static, Waits> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_end_in_any_order() {
        // Other tests of this process may wait for something too.
        let ours = || -> Vec<String> {
            let current = waits().current.clone();
            current.into_iter().map(|wait| wait.what).filter(|what| what.ends_with('!')).collect()
        };
        let outer = waiting_for("the outer!");
        let inner = waiting_for("the inner!");
        assert_eq!(ours(), ["the outer!", "the inner!"]);
        drop(outer);
        assert_eq!(ours(), ["the inner!"]);
        drop(inner);
        assert_eq!(ours(), Vec::<String>::new());
    }
}
