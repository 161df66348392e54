//! A clock that is wrong is refused at start and reported while running; one that is right is not.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    Bounds, ClockMetrics, Date, Keeper, KnownTime, RecordError, StartError, TimeRecord,
    check_at_start,
    watch::{Watcher, micros},
};
use crate::{
    BoxFuture,
    clock::{Clock, Timestamp},
};

const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);
const SECOND: Duration = Duration::from_secs(1);
const BOUNDS: Bounds =
    Bounds { stopped_max: Duration::from_hours(7 * 24), difference_max: Duration::from_mins(1) };
/// 2026-11-26T12:00:00Z.
const NOON: Timestamp = Timestamp::from_micros(1_795_694_400_000_000);

/// A database in memory, whose server's clock a test sets.
#[derive(Default)]
struct Memory(Mutex<KnownTime>);

impl Memory {
    fn known(&self) -> std::sync::MutexGuard<'_, KnownTime> {
        self.0.lock().unwrap()
    }
}

impl TimeRecord for Memory {
    fn read(&self) -> BoxFuture<'_, Result<KnownTime, RecordError>> {
        Box::pin(async { Ok(*self.known()) })
    }

    fn advance(&self, to: Timestamp) -> BoxFuture<'_, Result<(), RecordError>> {
        Box::pin(async move {
            let mut known = self.known();
            known.newest = known.newest.max(Some(to));
            Ok(())
        })
    }

    fn replace(&self, with: Timestamp) -> BoxFuture<'_, Result<(), RecordError>> {
        Box::pin(async move {
            self.known().newest = Some(with);
            Ok(())
        })
    }
}

fn keeper(known: KnownTime) -> (Arc<Memory>, Keeper) {
    let memory = Arc::new(Memory(Mutex::new(known)));
    (Arc::clone(&memory), Keeper { service: "money", record: memory })
}

fn before(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_micros(time.as_micros() - i64::try_from(by.as_micros()).unwrap())
}

/// Starts at noon.
async fn start(known: KnownTime, today: Option<&str>) -> (Result<(), StartError>, KnownTime) {
    let (memory, keeper) = keeper(known);
    let today = today.map(|today| today.parse().unwrap());
    let started = check_at_start(&[keeper], &Clock::held(NOON), BOUNDS, today).await;
    let known = *memory.known();
    (started, known)
}

#[tokio::test]
async fn a_start_is_refused_by_a_clock_far_from_what_is_known() {
    let newest = |newest| KnownTime { newest: Some(newest), server: None };
    let server = |server| KnownTime { newest: Some(NOON), server: Some(server) };
    let cases = [
        (KnownTime::default(), None),
        (newest(NOON), None),
        (newest(before(NOON, BOUNDS.stopped_max)), None),
        (newest(before(NOON, BOUNDS.stopped_max + SECOND)), Some("7 days earlier")),
        (newest(before(NOON, 2 * YEAR)), Some("2024-11-26T12:00:00.000000Z: 730 days earlier")),
        (newest(NOON.plus(BOUNDS.difference_max)), None),
        (newest(NOON.plus(BOUNDS.difference_max + SECOND)), Some("61.0 seconds later")),
        (newest(NOON.plus(2 * YEAR)), Some("2028-11-25T12:00:00.000000Z: 730 days later")),
        (server(NOON), None),
        (server(NOON.plus(BOUNDS.difference_max)), None),
        (server(NOON.plus(DAY)), Some("server says 2026-11-27T12:00:00.000000Z: 24 hours later")),
        (server(before(NOON, DAY)), Some("24 hours earlier")),
    ];
    for (known, expected) in cases {
        let (started, after) = start(known, None).await;
        match expected {
            None => {
                started.unwrap();
                assert_eq!(after.newest, known.newest.max(Some(NOON)), "{known:?}");
            }
            Some(expected) => {
                let refusal = started.unwrap_err().to_string();
                assert!(refusal.contains(expected), "{refusal}");
                let clock = "the clock of this machine says 2026-11-26T12:00:00.000000Z";
                assert!(refusal.contains(clock) && refusal.contains("--today"), "{refusal}");
                assert_eq!(after, known, "a refused start changes nothing");
            }
        }
    }
}

#[tokio::test]
async fn an_operator_overrules_a_refusal_by_the_date_alone() {
    for known in [before(NOON, YEAR), NOON.plus(YEAR)] {
        let known = KnownTime { newest: Some(known), server: Some(NOON.plus(DAY)) };
        for today in ["2026-11-26", "2026-11-25", "2026-11-27"] {
            let (started, after) = start(known, Some(today)).await;
            started.unwrap();
            assert_eq!(after.newest, Some(NOON), "the next start goes by it");
        }
        for another in ["2026-11-24", "2028-11-26", "2025-11-26"] {
            let (started, after) = start(known, Some(another)).await;
            assert!(matches!(started, Err(StartError::AnotherDay { .. })), "{started:?}");
            assert_eq!(after, known);
        }
    }
    for wrong in ["", "26.11.2026", "2026-11-26T12:00:00Z", "2026-13-01", "20261126"] {
        assert!(wrong.parse::<Date>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn one_refusal_keeps_every_database_as_it_is() {
    let (first, keeps_first) = keeper(KnownTime { newest: Some(before(NOON, DAY)), server: None });
    let (_second, second) = keeper(KnownTime { newest: Some(NOON.plus(YEAR)), server: None });
    let started = check_at_start(&[keeps_first, second], &Clock::held(NOON), BOUNDS, None).await;
    assert!(started.is_err());
    assert_eq!(first.known().newest, Some(before(NOON, DAY)));
}

fn watcher(clock: &Clock, keepers: Vec<Keeper>) -> Watcher {
    Watcher {
        clock: clock.clone(),
        difference_max: micros(BOUNDS.difference_max),
        keepers,
        metrics: ClockMetrics::default(),
        not_followed: 0,
        differing: HashSet::new(),
    }
}

#[track_caller]
fn check_look(watcher: &mut Watcher, jumps: u64, not_followed_seconds: f64) {
    watcher.look();
    assert_eq!(watcher.metrics.jumps.get(), jumps);
    let found = watcher.metrics.not_followed_seconds.get();
    assert!((found - not_followed_seconds).abs() < 1e-3, "{found}");
}

#[test]
fn a_clock_that_is_set_is_reported_once_and_time_goes_on() {
    let clock = Clock::held(NOON).steady(DAY);
    let mut watcher = watcher(&clock, Vec::new());
    check_look(&mut watcher, 0, 0.0);
    clock.advance(YEAR);
    check_look(&mut watcher, 0, 0.0);
    let now = clock.now();
    // A second, as a time server corrects it.
    clock.set(now.plus(SECOND));
    check_look(&mut watcher, 0, 0.0);
    // An hour is followed, and reported.
    let now = clock.now();
    clock.set(now.plus(DAY / 24));
    check_look(&mut watcher, 1, 0.0);
    check_look(&mut watcher, 1, 0.0);
    assert_eq!(clock.now(), now.plus(DAY / 24));
    // Two years are not followed, however often it is looked at.
    let now = clock.now();
    clock.set(now.plus(2 * YEAR));
    check_look(&mut watcher, 2, (2 * YEAR).as_secs_f64());
    clock.advance(SECOND);
    check_look(&mut watcher, 2, (2 * YEAR).as_secs_f64());
    assert_eq!(clock.now(), now.plus(SECOND));
    clock.set(now.plus(SECOND));
    check_look(&mut watcher, 3, 0.0);
    // Backwards, too.
    clock.set(before(now, YEAR));
    check_look(&mut watcher, 4, -(YEAR + SECOND).as_secs_f64());
    assert_eq!(clock.now(), now.plus(SECOND));
}

#[tokio::test]
async fn the_time_is_kept_and_compared_with_the_servers() {
    let clock = Clock::held(NOON).steady(DAY);
    let (memory, keeper) = keeper(KnownTime { newest: None, server: Some(NOON.plus(DAY)) });
    let mut watcher = watcher(&clock, vec![keeper]);
    watcher.compare().await;
    assert_eq!(memory.known().newest, Some(NOON));
    assert_eq!(watcher.differing.len(), 1);
    clock.advance(DAY);
    watcher.compare().await;
    assert_eq!(memory.known().newest, Some(NOON.plus(DAY)));
    assert!(watcher.differing.is_empty());
    // A clock that is not followed is not kept either.
    clock.set(NOON.plus(2 * YEAR));
    watcher.compare().await;
    assert_eq!(memory.known().newest, Some(NOON.plus(DAY)));
}
