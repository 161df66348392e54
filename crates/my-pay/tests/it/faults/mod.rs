//! The services apart, under load, while parts of them die, freeze and come back. Whatever happens,
//! nothing that was answered is lost, nothing happens twice, and what was not answered is completed
//! by asking again with the same key.

mod accounts;
mod clock;
mod closing;
mod failover;
mod inside;
mod load;
mod money;
mod packets;
mod restarts;
mod sessions;
mod standing;
mod stores;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use self::load::{Doors, Load, Memory};
use crate::{
    crash::load::{Asked, Outcome, People, is_replay},
    support::{
        Person,
        cluster::{Cluster, Node, Shape},
        process::{PATIENCE, Process},
        random::Random,
    },
};

/// Clients that move money.
const CLIENTS: usize = 32;

/// Requests at once while everything is looked at.
const READERS: usize = 16;

/// Faster than in production, in the same order: what waits for something waits longer than that.
const SETTINGS: [(&str, &str); 5] = [
    ("MY_PAY_LOG_LEVELS", "info,my_pay_gateway::access=warn"),
    ("MY_PAY_MONEY_LOCK_EXPIRY_MS", "1000"),
    ("MY_PAY_GATEWAY_UPSTREAM_HEALTH_INTERVAL_MS", "200"),
    ("MY_PAY_GATEWAY_UPSTREAM_TRY_TIMEOUT_MS", "2000"),
    ("MY_PAY_SERVER_DRAIN_DELAY_MS", "2000"),
];

/// All that runs, the people who use it, and what they know.
struct Scene {
    cluster: Cluster,
    doors: Doors,
    people: People,
    random: Random,
    /// Everything whose outcome is known.
    known: Vec<(Asked, Outcome)>,
    ids: HashSet<String>,
}

impl Scene {
    async fn start() -> Self {
        Self::start_with(Shape::default()).await
    }

    async fn start_with(shape: Shape) -> Self {
        Self::on(Cluster::start_with(shape, &SETTINGS).await).await
    }

    async fn on(cluster: Cluster) -> Self {
        let random = Random::new();
        let doors = Doors::new(cluster.gateways.iter().map(Node::client).collect());
        let (people, funding) = People::register(doors.client()).await;
        let (known, ids) = Default::default();
        let mut scene = Self { cluster, doors, people, random, known, ids };
        for (asked, outcome) in funding.answered {
            scene.enter(asked, outcome);
        }
        scene
    }

    fn start_load(&mut self) -> Load {
        Load::start(&self.people, &self.doors, CLIENTS, &mut self.random)
    }

    /// A moment anywhere in full load.
    async fn random_moment(&mut self) {
        tokio::time::sleep(Duration::from_micros(self.random.below(200_000))).await;
    }

    fn enter(&mut self, asked: Asked, outcome: Outcome) {
        assert!(self.ids.insert(outcome.id().to_owned()), "made twice: {asked:?} {outcome:?}");
        self.known.push((asked, outcome));
    }

    /// With everything running again: whatever was uncertain becomes certain, all that is known is
    /// there, the balances are what it makes them, and the books hold it and nothing else. Tells
    /// how many requests were not answered with an outcome.
    async fn end(mut self, load: Load) -> usize {
        let Memory { answered, uncertain, .. } = load.stop().await;
        self.cluster.wait_until_ready().await;
        for (asked, outcome) in answered {
            self.enter(asked, outcome);
        }
        let uncertain_count = uncertain.len();
        for (asked, reason) in uncertain {
            let outcome = resolve(&self.people, &asked, &reason).await;
            self.enter(asked, outcome);
        }
        self.check_kept().await;
        self.people.check_balances(self.known.iter().map(|(_, outcome)| outcome)).await;
        let report = self.cluster.audit().await;
        assert!(report.is_clean(), "{report}");
        let is_completed =
            |(_, outcome): &&(Asked, Outcome)| matches!(outcome, Outcome::Completed(_));
        let completed = self.known.iter().filter(is_completed).count();
        let counts = [report.completed_transfers, report.failed_transfers];
        let expected = [completed, self.known.len() - completed];
        assert_eq!(counts.map(|count| usize::try_from(count).unwrap()), expected, "{report}");
        let audit = Process::start(&mut self.cluster.command(&["admin", "audit"])).wait(PATIENCE);
        assert_eq!(audit.code(), Some(0), "{audit:?}");
        self.cluster.stop().await;
        uncertain_count
    }

    /// Everything known is read again, half of it by id and half by key.
    async fn check_kept(&self) {
        let mut readers = tokio::task::JoinSet::new();
        for part in self.known.chunks(self.known.len().div_ceil(READERS)) {
            let (people, part) = (self.people.clone(), part.to_vec());
            readers.spawn(async move {
                for (n, (asked, outcome)) in part.iter().enumerate() {
                    people.check_kept(asked, outcome, n % 2 == 0).await;
                }
            });
        }
        readers.join_all().await;
    }
}

/// Asks again with the same key until the outcome is certain.
async fn resolve(people: &People, asked: &Asked, reason: &str) -> Outcome {
    let made = people.find(asked).await;
    let nothing_done = reason.to_lowercase().contains("nothing was done");
    assert!(made.is_none() || !nothing_done, "it was done: {asked:?} {reason}");
    let answer = people.call(asked).send().await;
    let outcome = Outcome::read(&answer);
    let outcome = outcome.unwrap_or_else(|| panic!("{} {}", answer.status, answer.body));
    if let Some(made) = made {
        assert!(is_replay(&answer) && made == outcome.id(), "{asked:?} {made} {outcome:?}");
    }
    let again = people.call(asked).send().await;
    let is_same = Outcome::read(&again).as_ref() == Some(&outcome);
    assert!(is_same && is_replay(&again), "a retry is a replay: {asked:?}");
    outcome
}

/// Somebody with a wallet and this much in it.
async fn person_with(cluster: &Cluster, name: &str, amount: i64) -> Person {
    let person = Person::register(cluster.client(), name).await.with_wallet().await;
    person.deposit(amount).await;
    person
}

/// Waits until this long after a moment: how long something is to be broken.
async fn until(started: Instant, duration: Duration) {
    tokio::time::sleep_until((started + duration).into()).await;
}
