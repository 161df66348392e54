//! Clients that move money until nobody answers any more, and remember everything: what they asked,
//! what they were answered, and what they were not.

use std::{collections::BTreeMap, iter::repeat_with, sync::Arc};

use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::support::{
    Call, Client, Person, Response, person::unique, process::PATIENCE, random::Random,
};

const PEOPLE: usize = 20;

/// What everybody has at first: so little that some transfers are rejected.
const FUNDS: i64 = 500;

/// Somebody's request to move money, which can be sent again.
#[derive(Debug, Clone)]
pub struct Asked {
    who: usize,
    key: String,
    path: &'static str,
    body: Value,
}

/// How a request ended for good.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Money moved: the transfer, as it was answered.
    Completed(Value),
    /// It was rejected, and that is on record under this id.
    Failed { id: String, code: String },
}

/// What clients remember.
#[derive(Debug, Default)]
pub struct Memory {
    pub answered: Vec<(Asked, Outcome)>,
    pub unanswered: Vec<Asked>,
}

/// The people, on one start of the program. Their tokens outlive it.
#[derive(Clone)]
pub struct People(Arc<Vec<Person>>);

/// Clients at work.
pub struct Load {
    clients: JoinSet<Memory>,
    /// Counts answers; permits are not used otherwise.
    answers: Arc<Semaphore>,
}

impl People {
    /// Registers everybody, opens and funds their wallets, and returns how.
    pub async fn register(client: &Client) -> (Self, Memory) {
        let mut people = Vec::new();
        for n in 0..PEOPLE {
            people.push(Person::register(client.clone(), &format!("P{n}")).await);
        }
        for person in &mut people {
            *person = person.clone().with_wallet().await;
        }
        let people = Self(Arc::new(people));
        let mut memory = Memory::default();
        for who in 0..PEOPLE {
            let asked = Asked::new(who, "/money/v1/deposits", json!({"amount": FUNDS}));
            let (outcome, _) = people.send(&asked).await.expect("the program answers");
            memory.answered.push((asked, outcome));
        }
        (people, memory)
    }

    /// All of them.
    pub fn all(&self) -> &[Person] {
        &self.0
    }

    /// The same people, after a restart.
    pub fn on(&self, client: &Client) -> Self {
        let moved = |person: &Person| Person { client: client.clone(), ..person.clone() };
        Self(Arc::new(self.0.iter().map(moved).collect()))
    }

    /// Sends a request, and tells how it ended and whether it had been answered before. An error
    /// means that no answer came.
    pub async fn send(
        &self,
        asked: &Asked,
    ) -> Result<(Outcome, bool), Box<dyn std::error::Error + Send + Sync>> {
        let answer = tokio::time::timeout(PATIENCE, self.call(asked).try_send()).await;
        let answer = answer.expect("an answer or a broken connection comes in time")?;
        Ok((Outcome::of(&answer), is_replay(&answer)))
    }

    /// The request, to be sent.
    pub fn call(&self, asked: &Asked) -> Call {
        self.0[asked.who].post(asked.path).key(&asked.key).json(&asked.body)
    }

    /// The transfer that an unanswered request had made before it was interrupted, if it had.
    pub async fn find(&self, asked: &Asked) -> Option<String> {
        let path = format!("/money/v1/transfers?idempotencyKey={}", asked.key);
        let found = self.0[asked.who].get(&path).send().await;
        match found.status {
            200 => Some(found.body["id"].as_str().unwrap().to_owned()),
            404 => None,
            _ => panic!("neither found nor not: {} {}", found.status, found.body),
        }
    }

    /// Sends an unanswered request again until it is certain how it ended. Tells also whether it
    /// had ended before, without an answer.
    pub async fn resolve(&self, asked: &Asked) -> (Outcome, bool) {
        let made = self.find(asked).await;
        let (outcome, replayed) = self.send(asked).await.expect("the program answers");
        let made_is_replayed = made.as_ref().is_none_or(|id| id == outcome.id());
        assert!(replayed == made.is_some() && made_is_replayed, "{asked:?} {made:?} {outcome:?}");
        let again = self.send(asked).await.expect("the program answers");
        assert_eq!(again, (outcome.clone(), true), "a retry is a replay: {asked:?}");
        (outcome, replayed)
    }

    /// Reads, by id or by key, what became of a request, which must be what was answered.
    pub async fn check_kept(&self, asked: &Asked, outcome: &Outcome, by_key: bool) {
        let id = outcome.id();
        let path = if by_key {
            format!("/money/v1/transfers?idempotencyKey={}", asked.key)
        } else {
            format!("/money/v1/transfers/{id}")
        };
        let kept = self.0[asked.who].get(&path).send().await;
        assert_eq!(kept.status, 200, "{asked:?} {outcome:?} {}", kept.body);
        match outcome {
            Outcome::Completed(transfer) => assert_eq!(kept.body, *transfer),
            Outcome::Failed { id, code } => {
                let read = ["id", "status", "failureCode"].map(|name| &kept.body[name]);
                assert_eq!(read, [id, "failed", code]);
            }
        }
    }

    /// Every wallet must hold what these transfers leave in it.
    pub async fn check_balances<'a>(&self, outcomes: impl Iterator<Item = &'a Outcome>) {
        let mut balances: BTreeMap<i64, i64> = BTreeMap::new();
        for outcome in outcomes {
            let Outcome::Completed(transfer) = outcome else { continue };
            let amount = transfer["amount"].as_i64().unwrap();
            for (side, change) in [("senderWalletId", -amount), ("receiverWalletId", amount)] {
                if let Some(id) = transfer[side].as_i64() {
                    *balances.entry(id).or_default() += change;
                }
            }
        }
        for person in self.0.iter() {
            assert_eq!(Some(&person.balance().await), balances.get(&person.wallet_id));
        }
    }

    /// Starts that many clients, which end when the program does.
    pub fn start_load(&self, clients: usize, random: &mut Random) -> Load {
        let answers = Arc::new(Semaphore::new(0));
        let client = || self.clone().be_client(random.split(), Arc::clone(&answers));
        Load { clients: repeat_with(client).take(clients).collect(), answers }
    }

    async fn be_client(self, mut random: Random, answers: Arc<Semaphore>) -> Memory {
        let mut memory = Memory::default();
        loop {
            let asked = self.think_of(&mut random);
            let Ok((outcome, _)) = self.send(&asked).await else {
                memory.unanswered.push(asked);
                return memory;
            };
            memory.answered.push((asked, outcome));
            answers.add_permits(1);
        }
    }

    /// Mostly transfers, to anybody else, of amounts that the sender may not have.
    pub fn think_of(&self, random: &mut Random) -> Asked {
        let mut below = |end: usize| usize::try_from(random.below(end as u64)).unwrap();
        let who = below(PEOPLE);
        let receiver = &self.0[(who + 1 + below(PEOPLE - 1)) % PEOPLE];
        let amount = 1 + below(300);
        match below(10) {
            0 => Asked::new(who, "/money/v1/deposits", json!({"amount": amount})),
            1 => Asked::new(who, "/money/v1/withdrawals", json!({"amount": amount})),
            _ => {
                let body = json!({"receiverWalletId": receiver.wallet_id, "amount": amount});
                Asked::new(who, "/money/v1/transfers", body)
            }
        }
    }
}

impl Load {
    /// Waits until clients have been answered so often.
    pub async fn wait_for_answers(&self, count: u32) {
        let counted = tokio::time::timeout(PATIENCE, self.answers.acquire_many(count)).await;
        counted.expect("the clients are answered in time").unwrap().forget();
    }

    /// What everybody remembers, once the program has ended.
    pub async fn join(self) -> Memory {
        let mut all = Memory::default();
        for memory in self.clients.join_all().await {
            all.answered.extend(memory.answered);
            all.unanswered.extend(memory.unanswered);
        }
        all
    }
}

impl Asked {
    fn new(who: usize, path: &'static str, body: Value) -> Self {
        Self { who, key: format!("key-{}", unique()), path, body }
    }
}

impl Outcome {
    /// Every answer is one of these two: nothing else may happen to a well-formed request, also
    /// while the program ends.
    fn of(answer: &Response) -> Self {
        Self::read(answer).unwrap_or_else(|| {
            panic!("neither made nor rejected: {} {}", answer.status, answer.body);
        })
    }

    /// The outcome, if the answer tells one.
    pub fn read(answer: &Response) -> Option<Self> {
        let text = |name: &str| answer.body[name].as_str().unwrap_or_default().to_owned();
        match (answer.status, answer.code()) {
            (201, _) => Some(Self::Completed(answer.body.clone())),
            (422, "insufficient_balance") => {
                Some(Self::Failed { id: text("transferId"), code: text("code") })
            }
            _ => None,
        }
    }

    /// The id of the transfer that records it.
    pub fn id(&self) -> &str {
        match self {
            Self::Completed(transfer) => transfer["id"].as_str().unwrap(),
            Self::Failed { id, .. } => id,
        }
    }
}

/// Whether a request was answered as it had been before.
pub fn is_replay(answer: &Response) -> bool {
    answer.header("idempotency-replayed") == "true"
}
