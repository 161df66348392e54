//! Kill -9 under load, again and again: nothing that was answered is lost, nothing happens twice,
//! and what was not answered is completed by asking again.

mod closing;
pub mod load;
mod power;
mod signals;

use std::{collections::HashSet, time::Duration};

use self::load::{Asked, Memory, Outcome, People};
use crate::support::{
    process::{Program, run_my_pay},
    random::Random,
};

const ROUNDS: u32 = 24;
const CLIENTS: usize = 48;
/// Requests at once while everything is looked at; the connections are reused.
const READERS: usize = 16;

/// Everything whose outcome is known, over all rounds.
#[derive(Default)]
struct Books {
    known: Vec<(Asked, Outcome)>,
    ids: HashSet<String>,
}

impl Books {
    fn enter(&mut self, asked: Asked, outcome: Outcome) {
        assert!(self.ids.insert(outcome.id().to_owned()), "made twice: {asked:?} {outcome:?}");
        self.known.push((asked, outcome));
    }

    fn completed(&self) -> usize {
        self.known.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Completed(_))).count()
    }

    /// The books of the program add up, and hold exactly what is known, and at most this many more.
    fn audit(&self, folder: &tempfile::TempDir, unknown_max: usize) {
        let report = money::store::sqlite::audit(&folder.path().join("data/money.db")).unwrap();
        assert!(report.is_clean(), "{report}");
        let completed = usize::try_from(report.completed_transfers).unwrap();
        let failed = usize::try_from(report.failed_transfers).unwrap();
        let known = (self.completed(), self.known.len() - self.completed());
        assert!(completed >= known.0 && failed >= known.1, "lost: {report}, known {known:?}");
        assert!(completed + failed <= self.known.len() + unknown_max, "{report}, known {known:?}");
    }
}

/// Whether all of these are there, half of them read by id and half by key.
async fn check_kept(people: &People, known: &[(Asked, Outcome)]) {
    let mut readers = tokio::task::JoinSet::new();
    for part in known.chunks(known.len().div_ceil(READERS).max(1)) {
        let (people, part) = (people.clone(), part.to_vec());
        readers.spawn(async move {
            for (n, (asked, outcome)) in part.iter().enumerate() {
                people.check_kept(asked, outcome, n % 2 == 0).await;
            }
        });
    }
    readers.join_all().await;
}

/// Half of the moments are within the first connections and commits, half anywhere in full load.
fn random_moment(random: &mut Random) -> Duration {
    let milliseconds_max = if random.below(2) == 0 { 25 } else { 300 };
    Duration::from_micros(random.below(1_000 * milliseconds_max))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_happens_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new();
    let mut command = Program::command(folder.path());
    command.env("MY_PAY_LOG_LEVELS", "info,my_pay_gateway::access=warn");
    let mut program = Program::start(&mut command);
    let (mut people, funding) = People::register(&program.client()).await;
    let mut books = Books::default();
    let mut already_made = 0;
    for (asked, outcome) in funding.answered {
        books.enter(asked, outcome);
    }
    for round in 1..=ROUNDS {
        let load = people.start_load(CLIENTS, &mut random);
        tokio::time::sleep(random_moment(&mut random)).await;
        program.process.kill();
        let Memory { answered, unanswered } = load.join().await;
        eprintln!("round {round}: {} answered, {} not", answered.len(), unanswered.len());
        assert_eq!(unanswered.len(), CLIENTS, "every client was interrupted");
        let first_of_round = books.known.len();
        for (asked, outcome) in answered {
            books.enter(asked, outcome);
        }
        // In every second round the program itself is the first to open what the crash left.
        if round % 2 == 0 {
            books.audit(&folder, unanswered.len());
        }
        program = Program::start(&mut command);
        people = people.on(&program.client());
        check_kept(&people, &books.known[first_of_round..]).await;
        books.audit(&folder, unanswered.len());
        for asked in unanswered {
            let (outcome, was_made) = people.resolve(&asked).await;
            already_made += u32::from(was_made);
            books.enter(asked, outcome);
        }
        books.audit(&folder, 0);
    }
    check_kept(&people, &books.known).await;
    people.check_balances(books.known.iter().map(|(_, outcome)| outcome)).await;
    eprintln!("{} known, {already_made} of them made without an answer", books.known.len());
    assert_eq!(program.stop().code(), Some(0));
    books.audit(&folder, 0);
    let audit = run_my_pay(folder.path(), &["admin", "audit", "--data-dir", "data"]);
    assert_eq!(audit.code(), Some(0), "{audit:?}");
}
