//! A power cut at any moment: everything that was acknowledged is found again at the next start,
//! from nothing but what the disk must still have.

use std::{path::Path, process::Command, sync::Arc};

use hyper::Method;
use serde_json::json;
use testing::PowerRecord;
use tokio::task::JoinSet;

use crate::support::{
    Client, Person,
    process::{Program, my_pay, run_my_pay},
};

/// Images that are started at once.
const AT_ONCE: usize = 4;

/// `my-pay up` whose data folder and the folder above it are not there at first.
fn command(folder: &Path) -> Command {
    let mut command = my_pay(folder, &["up", "--listen", "127.0.0.1:0", "--data-dir", "new/data"]);
    command.args(["--log-format", "json", "--rate-limit", "off"]);
    command.env("MY_PAY_ACCOUNT_PASSWORD_MEMORY_KIB", "64");
    command.env("MY_PAY_ACCOUNT_PASSWORD_ITERATIONS", "1");
    command.env("MY_PAY_MONEY_SELF_SERVICE_FUNDING", "true");
    command
}

/// What was acknowledged, each after so many flushes.
#[derive(Clone, Default)]
struct Acknowledged {
    /// Ann, with her token.
    person: Option<(usize, Person)>,
    wallet: Option<usize>,
    /// Each of 1 won.
    deposits: Vec<usize>,
    /// Names that Ann gave herself, one after the other.
    names: Vec<(usize, String)>,
}

impl Acknowledged {
    /// As after an image of everything: there from the beginning.
    fn on_disk_before(mut self) -> Self {
        self.person.as_mut().expect("somebody is registered").0 = 0;
        self.wallet = Some(0);
        self.deposits.iter_mut().for_each(|flushes| *flushes = 0);
        self.names.iter_mut().for_each(|(flushes, _)| *flushes = 0);
        self
    }

    /// The program, which was started from what was on disk after so many flushes, has all that
    /// was acknowledged until then.
    async fn check_kept(&self, flushes: usize, client: Client) {
        let Some((_, person)) = self.person.as_ref().filter(|(then, _)| *then <= flushes) else {
            return;
        };
        let person = Person { client, ..person.clone() };
        let path = format!("/accounts/v1/accounts/{}", person.account_id);
        let account = person.get(&path).send().await;
        assert_eq!(account.status, 200, "after {flushes} flushes: {}", account.body);
        let known = self.names.iter().filter(|(then, _)| *then <= flushes).count();
        let possible: Vec<_> = self.names[known.saturating_sub(1)..].iter().collect();
        let name = account.body["name"].as_str().unwrap();
        assert!(
            known == 0 || possible.iter().any(|(_, possible)| possible == name),
            "after {flushes} flushes the name is {name}, not of {possible:?}"
        );
        if self.wallet.is_some_and(|then| then <= flushes) {
            let known = self.deposits.iter().filter(|then| **then <= flushes).count();
            let found = usize::try_from(person.balance().await).unwrap();
            assert!(
                (known..=self.deposits.len()).contains(&found),
                "after {flushes} flushes {found} of {known} acknowledged deposits are there"
            );
        }
    }
}

async fn act(record: &PowerRecord, client: &Client, mut known: Acknowledged) -> Acknowledged {
    if known.person.is_none() {
        let ann = Person::register(client.clone(), "Ann").await;
        let registered = record.flushes();
        let ann = ann.with_wallet().await;
        known.wallet = Some(record.flushes());
        known.person = Some((registered, ann));
    }
    let (_, ann) = known.person.as_ref().expect("somebody is registered");
    let ann = Person { client: client.clone(), ..ann.clone() };
    for _ in 0..3 {
        ann.deposit(1).await;
        known.deposits.push(record.flushes());
        let name = format!("Ann {}", known.names.len());
        let body = json!({ "name": name, "email": ann.email, "isValid": true });
        let path = format!("/accounts/v1/accounts/{}", ann.account_id);
        let named = ann.call(Method::PUT, &path).json(&body).send().await;
        assert_eq!(named.status, 200, "{}", named.body);
        known.names.push((record.flushes(), name));
    }
    known
}

/// Starts the program from what was on disk at each moment.
async fn check_every_moment(record: PowerRecord, known: &Acknowledged) {
    let record = Arc::new(record);
    let mut working = JoinSet::new();
    for flushes in 0..=record.flushes() {
        if working.len() == AT_ONCE {
            working.join_next().await.expect("some are at work").unwrap();
        }
        let (record, known) = (Arc::clone(&record), known.clone());
        working.spawn(async move { check_moment(&record, flushes, &known).await });
    }
    working.join_all().await;
}

async fn check_moment(record: &PowerRecord, flushes: usize, known: &Acknowledged) {
    let image = tempfile::tempdir().unwrap();
    record.image(flushes, image.path());
    let program = Program::start(&mut command(image.path()));
    known.check_kept(flushes, program.client()).await;
    assert_eq!(program.stop().code(), Some(0));
    let audit = run_my_pay(image.path(), &["admin", "audit", "--data-dir", "new/data"]);
    assert_eq!(audit.code(), Some(0), "after {flushes} flushes: {audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_cut_at_any_moment_everything_acknowledged_is_there() {
    let first = tempfile::tempdir().unwrap();
    let record = PowerRecord::begin(first.path());
    let mut program = Program::start(record.of(&mut command(first.path())));
    let known = act(&record, &program.client(), Acknowledged::default()).await;
    program.process.kill();
    let second = tempfile::tempdir().unwrap();
    record.image(record.flushes(), second.path());
    check_every_moment(record, &known).await;

    // The next start, which makes new logs, from what was left of the first.
    let record = PowerRecord::begin(second.path());
    let mut program = Program::start(record.of(&mut command(second.path())));
    let known = act(&record, &program.client(), known.on_disk_before()).await;
    program.process.kill();
    check_every_moment(record, &known).await;
}
