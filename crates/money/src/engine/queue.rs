//! The queue between requests and lanes. Lanes take batches in order of arrival, and never two at
//! once that touch the same wallets: what touches a busy wallet waits, and everything behind it
//! that touches the same wallets waits with it, so each wallet's order is kept.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service::{shutdown::Shutdown, trace::Place};
use tokio::{sync::Notify, time::Instant};

use super::{
    footprint::{Key, Keys},
    job::{EngineError, Job},
};

/// How far a lane looks past jobs that must wait, in batches.
const LOOK_AHEAD_BATCHES: usize = 4;

/// How long a job may wait for wallets that other instances hold. Then it goes on without the lock,
/// and queues on the database's rows, where turns are fair.
const LOCK_PATIENCE: Duration = Duration::from_millis(100);

/// While another lane is busy, fewer jobs than this are not worth a commit of their own yet: each
/// commit costs the same few round trips, and the busy lane will soon take them along.
const WORTH_A_LANE_JOBS: usize = 24;
/// But nobody waits longer than this for that, because the busy lane may be stuck.
const WORTH_A_LANE_PATIENCE: Duration = Duration::from_millis(2);

/// While so long nobody comes, a batch is complete.
const GATHERING_MOMENT: Duration = Duration::from_micros(30);
const GATHERING_MOMENTS_MAX: u32 = 10;

/// Jobs that wait, and what the lanes are working on.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Woken when there may be something to take.
    changed: Notify,
    jobs_max: usize,
    sharing: Sharing,
}

/// How lanes take from the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sharing {
    /// Whether batches can be in each other's way at all.
    pub(super) is_shared: bool,
    /// Whether a batch waits a moment for those who come at the same time.
    pub(super) gathers: bool,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    taken: HashSet<Key>,
    idle_lanes: usize,
    busy_lanes: usize,
    is_closed: bool,
}

/// A job in the queue.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) job: Job,
    keys: Keys,
    arrived: Instant,
    /// Where in a trace it belongs, if the request is traced.
    pub(super) place: Option<Place>,
    /// Since when it has been put off because another instance holds its wallets.
    deferred_since: Option<Instant>,
    not_before: Option<Instant>,
}

/// What a lane works on. Its wallets are free for the next batch when it is dropped.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) jobs: Vec<Waiting>,
    /// Whether these jobs have waited for locks long enough.
    pub(super) is_overdue: bool,
    keys: HashSet<Key>,
    queue: Arc<Queue>,
}

impl Queue {
    /// A queue for one lane that nobody else can be in the way of, or for several.
    pub(super) fn new(jobs_max: usize, sharing: Sharing) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: Notify::new(), jobs_max, sharing })
    }

    /// Puts a job at the end, or says why not.
    pub(super) fn push(
        &self,
        job: Job,
        keys: impl FnOnce(&Job) -> Keys,
    ) -> Result<(), EngineError> {
        let keys = if self.sharing.is_shared { keys(&job) } else { [None; 2] };
        let place = Place::current();
        let mut state = self.lock();
        if state.is_closed {
            return Err(EngineError::ShuttingDown);
        }
        if state.waiting.len() >= self.jobs_max {
            return Err(EngineError::Overloaded);
        }
        let arrived = Instant::now();
        state.waiting.push_back(Waiting {
            job,
            keys,
            arrived,
            place,
            deferred_since: None,
            not_before: None,
        });
        let is_awaited = state.idle_lanes > 0;
        drop(state);
        if is_awaited {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Takes what may go together, at most `jobs_max`; waits until there is something. After the
    /// signal it refuses new jobs; `None` when none is left.
    pub(super) async fn take(
        self: &Arc<Self>,
        jobs_max: usize,
        shutdown: &mut Shutdown,
    ) -> Option<Batch> {
        loop {
            let changed = self.changed.notified();
            if self.sharing.gathers {
                self.gather();
            }
            let (is_closed, pause) = {
                let mut state = self.lock();
                if let Some(batch) = self.take_now(&mut state, jobs_max) {
                    return Some(batch);
                }
                if state.is_closed && state.waiting.is_empty() {
                    // The other lanes have nothing to wait for either.
                    self.changed.notify_waiters();
                    return None;
                }
                state.idle_lanes += 1;
                (state.is_closed, state.next_moment(LOOK_AHEAD_BATCHES * jobs_max))
            };
            tokio::select! {
                () = changed => {}
                () = until(pause) => {}
                () = shutdown.wait(), if !is_closed => self.close(),
            }
            self.lock().idle_lanes -= 1;
        }
    }

    /// Lets those arrive who come at the same moment, such as all whom the last batch has answered:
    /// on a database across the network each batch costs several round trips, so ten jobs now and
    /// fifty later cost twice as much as sixty. Ends when nobody came for a moment, and soon in any
    /// case. Blocks, as a lane's thread may.
    fn gather(&self) {
        let mut seen = 0;
        for _ in 0..GATHERING_MOMENTS_MAX {
            let waiting = self.depth().0;
            if waiting == seen {
                break;
            }
            seen = waiting;
            std::thread::sleep(GATHERING_MOMENT);
        }
    }

    /// Whether batches can be in each other's way at all.
    pub(super) fn is_shared(&self) -> bool {
        self.sharing.is_shared
    }

    /// How many jobs wait, and how many may.
    pub(super) fn depth(&self) -> (usize, usize) {
        (self.lock().waiting.len(), self.jobs_max)
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    fn take_now(self: &Arc<Self>, state: &mut State, jobs_max: usize) -> Option<Batch> {
        let taken =
            if self.sharing.is_shared { state.pick(jobs_max) } else { state.first(jobs_max) }?;
        if !state.waiting.is_empty() && state.idle_lanes > 0 {
            self.changed.notify_one();
        }
        state.busy_lanes += 1;
        let Picked { jobs, keys, is_overdue } = taken;
        Some(Batch { jobs, is_overdue, keys, queue: Arc::clone(self) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and each change is complete in itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Picked {
    jobs: Vec<Waiting>,
    keys: HashSet<Key>,
    is_overdue: bool,
}

impl State {
    /// The first jobs, whatever they touch.
    fn first(&mut self, jobs_max: usize) -> Option<Picked> {
        let count = self.waiting.len().min(jobs_max);
        let jobs: Vec<_> = self.waiting.drain(..count).collect();
        (count > 0).then(|| Picked { jobs, keys: HashSet::new(), is_overdue: false })
    }

    fn is_worth_a_lane(&self, now: Instant) -> bool {
        self.busy_lanes == 0
            || self.waiting.len() >= WORTH_A_LANE_JOBS
            || self
                .waiting
                .front()
                .is_some_and(|first| now.duration_since(first.arrived) >= WORTH_A_LANE_PATIENCE)
    }

    /// When there may be something to take although nothing else happens.
    fn next_moment(&self, jobs_max: usize) -> Option<Instant> {
        let first = self.waiting.front().map(|first| first.arrived + WORTH_A_LANE_PATIENCE);
        let now = Instant::now();
        let seen = self.waiting.iter().take(jobs_max);
        let allowed = seen.filter_map(|waiting| waiting.not_before);
        // A moment that has passed brings nothing new.
        first.into_iter().chain(allowed).filter(|moment| *moment > now).min()
    }

    /// The first jobs that touch nothing that is taken, nor anything that a job before them waits
    /// for.
    fn pick(&mut self, jobs_max: usize) -> Option<Picked> {
        let now = Instant::now();
        if !self.is_worth_a_lane(now) {
            return None;
        }
        let mut jobs: Vec<Waiting> = Vec::new();
        let mut is_overdue = false;
        let (mut mine, mut passed) = (HashSet::new(), HashSet::new());
        let mut kept = Vec::new();
        for _ in 0..self.waiting.len().min(LOOK_AHEAD_BATCHES * jobs_max) {
            if jobs.len() == jobs_max {
                break;
            }
            let Some(job) = self.waiting.pop_front() else { break };
            let must_wait = job.not_before.is_some_and(|time| now < time)
                || job.keys().any(|key| self.taken.contains(&key) || passed.contains(&key))
                // Those who have waited long enough go by themselves: they may wait for a row.
                || (!jobs.is_empty() && job.is_overdue(now) != is_overdue);
            if must_wait {
                passed.extend(job.keys());
                kept.push(job);
            } else {
                is_overdue = job.is_overdue(now);
                mine.extend(job.keys());
                jobs.push(job);
            }
        }
        for job in kept.into_iter().rev() {
            self.waiting.push_front(job);
        }
        self.taken.extend(&mine);
        (!jobs.is_empty()).then_some(Picked { jobs, keys: mine, is_overdue })
    }
}

impl Waiting {
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.keys.into_iter().flatten()
    }

    /// How long it has waited, however often it was put off.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        now - self.arrived
    }

    fn is_overdue(&self, now: Instant) -> bool {
        self.deferred_since.is_some_and(|since| now.duration_since(since) >= LOCK_PATIENCE)
    }
}

impl Batch {
    /// Puts jobs of this batch back to the front, where they were, until `pause` is over.
    pub(super) fn defer(&self, jobs: Vec<Waiting>, pause: Duration) {
        let now = Instant::now();
        let mut state = self.queue.lock();
        for mut job in jobs.into_iter().rev() {
            job.deferred_since.get_or_insert(now);
            job.not_before = Some(now + pause);
            state.waiting.push_front(job);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.busy_lanes -= 1;
        for key in &self.keys {
            state.taken.remove(key);
        }
        let is_awaited = state.idle_lanes > 0 && !state.waiting.is_empty();
        drop(state);
        if is_awaited {
            self.queue.changed.notify_one();
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
