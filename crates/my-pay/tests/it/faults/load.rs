//! Clients that move money while things die, until they are told to stop. They remember everything:
//! what they asked, what they were answered, and what they were told nothing certain about.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    crash::load::{Asked, Outcome, People},
    support::{Client, Response, process::PATIENCE, random::Random},
};

/// How long a client waits before its next request, when it was not told an outcome.
const PAUSE: Duration = Duration::from_millis(50);

/// The gateways, and the one that clients go to now, as a balancer would have it.
#[derive(Clone)]
pub struct Doors {
    clients: Arc<[Client]>,
    open: Arc<AtomicUsize>,
}

/// What clients remember.
#[derive(Debug, Default)]
pub struct Memory {
    pub answered: Vec<(Asked, Outcome)>,
    /// What may have been done or not, and what was said about it.
    pub uncertain: Vec<(Asked, String)>,
    /// The longest that a client waited for an answer.
    pub waited_max: Duration,
}

/// Clients at work.
pub struct Load {
    clients: JoinSet<Memory>,
    told: Told,
    stop: Arc<AtomicBool>,
}

/// Counts what clients are told; permits are not used otherwise.
#[derive(Clone)]
struct Told {
    outcomes: Arc<Semaphore>,
    nothing_certain: Arc<Semaphore>,
}

/// One of the clients.
struct Mover {
    people: People,
    doors: Doors,
    random: Random,
    told: Told,
    stop: Arc<AtomicBool>,
}

impl Doors {
    pub fn new(clients: Vec<Client>) -> Self {
        Self { clients: clients.into(), open: Arc::default() }
    }

    /// Where to go now.
    pub fn client(&self) -> &Client {
        &self.clients[self.open.load(Ordering::Relaxed)]
    }

    /// Sends clients to another gateway from now on.
    pub fn go_to(&self, gateway: usize) {
        self.open.store(gateway, Ordering::Relaxed);
    }
}

impl Load {
    /// Starts that many clients.
    pub fn start(people: &People, doors: &Doors, clients: usize, random: &mut Random) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let count = || Arc::new(Semaphore::new(0));
        let told = Told { outcomes: count(), nothing_certain: count() };
        let mover = |_| Mover {
            people: people.clone(),
            doors: doors.clone(),
            random: random.split(),
            told: told.clone(),
            stop: Arc::clone(&stop),
        };
        let clients = (0..clients).map(mover).map(Mover::work).collect();
        Self { clients, told, stop }
    }

    /// Waits until clients have learnt that many outcomes from now on, and tells how long it took.
    pub async fn wait_for_outcomes(&self, count: u32) -> Duration {
        wait_for(&self.told.outcomes, count).await
    }

    /// Waits until clients have been told nothing certain so often, from now on.
    pub async fn wait_for_outage(&self, count: u32) -> Duration {
        wait_for(&self.told.nothing_certain, count).await
    }

    /// Lets the clients end what they do, and collects what they remember.
    pub async fn stop(self) -> Memory {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Memory::default();
        for memory in self.clients.join_all().await {
            all.answered.extend(memory.answered);
            all.uncertain.extend(memory.uncertain);
            all.waited_max = all.waited_max.max(memory.waited_max);
        }
        eprintln!(
            "{} outcomes, nothing certain {:?}, waited {} ms at most",
            all.answered.len(),
            all.reasons(),
            all.waited_max.as_millis()
        );
        all
    }
}

impl Mover {
    async fn work(mut self) -> Memory {
        let mut memory = Memory::default();
        while !self.stop.load(Ordering::Relaxed) {
            let asked = self.people.think_of(&mut self.random);
            let started = Instant::now();
            let told = ask(&self.people.on(self.doors.client()), &asked).await;
            memory.waited_max = memory.waited_max.max(started.elapsed());
            match told {
                Ok(outcome) => {
                    memory.answered.push((asked, outcome));
                    self.told.outcomes.add_permits(1);
                }
                Err(reason) => {
                    memory.uncertain.push((asked, reason));
                    self.told.nothing_certain.add_permits(1);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        memory
    }
}

async fn wait_for(counter: &Semaphore, count: u32) -> Duration {
    let started = Instant::now();
    counter.forget_permits(usize::MAX);
    let reached = tokio::time::timeout(PATIENCE, counter.acquire_many(count)).await;
    reached.expect("the clients are told in time").expect("it is never closed").forget();
    started.elapsed()
}

/// The outcome, or what was said instead.
async fn ask(people: &People, asked: &Asked) -> Result<Outcome, String> {
    let answer = tokio::time::timeout(PATIENCE, people.call(asked).try_send()).await;
    match answer.expect("an answer or a broken connection comes in time") {
        Ok(answer) => Outcome::read(&answer).ok_or_else(|| reason(&answer)),
        Err(error) => Err(format!("no answer: {error}")),
    }
}

/// What stands in place of an outcome. Only what says that a service is not there may.
fn reason(answer: &Response) -> String {
    let code = answer.code();
    let is_known = matches!(
        (answer.status, code),
        (503, "unavailable" | "outcome_unknown") | (502, "upstream_failed") | (504, _)
    );
    assert!(is_known, "neither an outcome nor an outage: {} {}", answer.status, answer.body);
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    format!("{code}: {detail}")
}

impl Memory {
    /// How often each thing was said in place of an outcome.
    fn reasons(&self) -> BTreeMap<&str, usize> {
        let mut reasons = BTreeMap::new();
        for (_, reason) in &self.uncertain {
            *reasons.entry(reason.as_str()).or_default() += 1;
        }
        reasons
    }
}
