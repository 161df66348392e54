//! When keys were last used. Introspection notes it in memory, and a task writes it, so that no
//! answer waits for the database and no key causes more than about one write a minute.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service::{clock::Timestamp, http::problem::chain};
use tokio::time::MissedTickBehavior;

use crate::AccountService;

/// How often the task looks for what is to be written.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Time between two writes of one key, by the service's clock.
const WRITE_AGAIN: Duration = Duration::from_mins(1);

/// How long one write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastUse {
    /// The key.
    pub id: i64,
    /// When it was introspected.
    pub at: Timestamp,
}

/// The keys that were used within the last minute or so, no more than there are live keys.
#[derive(Debug, Default)]
pub(crate) struct LastUses(Mutex<HashMap<i64, Noted>>);

/// What is known of a key's last use.
#[derive(Debug, Clone, Copy)]
struct Noted {
    used_at: Timestamp,
    /// The use that was written last, and when that was.
    written: Option<(Timestamp, Timestamp)>,
}

impl Noted {
    fn is_written(&self) -> bool {
        self.written.is_some_and(|(used_at, _)| used_at >= self.used_at)
    }

    /// Whether the last write was so long ago that there may be another one.
    fn may_write(&self, now: Timestamp) -> bool {
        self.written.is_none_or(|(_, at)| now.since(at) >= WRITE_AGAIN)
    }
}

impl LastUses {
    /// Notes that a key was used.
    pub(crate) fn note(&self, id: i64, now: Timestamp) {
        let mut noted = self.lock();
        let noted = noted.entry(id).or_insert(Noted { used_at: now, written: None });
        noted.used_at = noted.used_at.max(now);
    }

    /// What is to be written now, and forgets what needs no more of it.
    fn due(&self, now: Timestamp) -> Vec<LastUse> {
        let mut noted = self.lock();
        noted.retain(|_, noted| !(noted.is_written() && noted.may_write(now)));
        let due = noted.iter().filter(|(_, noted)| !noted.is_written() && noted.may_write(now));
        let mut due: Vec<_> =
            due.map(|(id, noted)| LastUse { id: *id, at: noted.used_at }).collect();
        // Several instances that lock rows in the same order do not stand in each other's way.
        due.sort_by_key(|last_use| last_use.id);
        due
    }

    fn note_written(&self, written: &[LastUse], now: Timestamp) {
        let mut noted = self.lock();
        for last_use in written {
            if let Some(noted) = noted.get_mut(&last_use.id) {
                noted.written = Some((last_use.at, now));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Noted>> {
        // Nothing panics while it is held, and each change is complete in itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until it is aborted. What cannot be written is tried again.
pub(crate) async fn write_last_uses(service: AccountService) {
    let mut is_failing = false;
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = service.0.clock.now();
        let due = service.0.last_uses.due(now);
        if due.is_empty() {
            continue;
        }
        let writing = service.0.store.note_api_key_uses(due.clone());
        let failure = match tokio::time::timeout(WRITE_TIMEOUT, writing).await {
            Ok(Ok(())) => {
                service.0.last_uses.note_written(&due, now);
                is_failing = false;
                continue;
            }
            Ok(Err(error)) => chain(&error),
            Err(late) => late.to_string(),
        };
        service.0.metrics.key_use_writes_failed.inc();
        if !std::mem::replace(&mut is_failing, true) {
            tracing::warn!(error = failure, "the last use of API keys cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_key_is_written_once_a_minute_and_until_it_is_written() {
        let uses = LastUses::default();
        let expected = |seconds| vec![LastUse { id: 7, at: at(seconds) }];
        assert_eq!(uses.due(at(0)), []);
        uses.note(7, at(1));
        uses.note(7, at(2));
        assert_eq!(uses.due(at(3)), expected(2));
        assert_eq!(uses.due(at(4)), expected(2), "the write failed");
        uses.note_written(&expected(2), at(4));
        uses.note(7, at(5));
        assert_eq!(uses.due(at(63)), [], "the last write is not a minute ago");
        assert_eq!(uses.due(at(64)), expected(5));
        uses.note(7, at(65));
        uses.note_written(&expected(5), at(65));
        assert_eq!(uses.due(at(125)), expected(65), "a use during the write counts");
        uses.note_written(&expected(65), at(125));
        assert_eq!(uses.due(at(184)), []);
        assert_eq!(uses.lock().len(), 1);
        assert_eq!(uses.due(at(185)), []);
        assert_eq!(uses.lock().len(), 0, "an unused key is forgotten");
    }
}
