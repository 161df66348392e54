//! Operators' commands beside a program that is busy, and after it was started again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{
    Person,
    person::unique,
    process::{Ended, PATIENCE, Process, Program, my_pay},
};

/// Money must follow an operator within this.
const SOON: Duration = Duration::from_secs(2);

/// Clients that keep the lane busy.
const CLIENTS: usize = 16;

async fn command(folder: &tempfile::TempDir, arguments: &[&str]) -> Ended {
    let mut command = my_pay(folder.path(), arguments);
    command.args(["--data-dir", "data"]);
    tokio::task::spawn_blocking(move || Process::start(&mut command).wait(PATIENCE)).await.unwrap()
}

async fn send_one(from: &Person, to: &Person) -> String {
    let body = json!({"receiverWalletId": to.wallet_id, "amount": 1});
    from.move_money("transfers", &format!("one-{}", unique()), &body).await.brief()
}

/// Clients that send from Bob to Carol until they are told to end, and how often.
struct Load {
    clients: JoinSet<()>,
    is_over: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
}

impl Load {
    fn start(bob: &Person, carol: &Person) -> Self {
        let (is_over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (bob, carol) = (bob.clone(), carol.clone());
            let (is_over, sent) = (Arc::clone(&is_over), Arc::clone(&sent));
            clients.spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(send_one(&bob, &carol).await, "201");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { clients, is_over, sent }
    }

    /// Waits until it is under way.
    async fn run(&self) {
        while self.sent.load(Ordering::Relaxed) < CLIENTS {
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
        self.sent.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_is_frozen_beside_a_busy_program_and_stays_so_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut start = Program::command(folder.path());
    let program = Program::start(&mut start);
    let person = async |name| Person::register(program.client(), name).await.with_wallet().await;
    let (ann, bob, carol) = (person("Ann").await, person("Bob").await, person("Carol").await);
    for one in [&ann, &bob] {
        one.deposit(1_000_000).await;
    }
    let load = Load::start(&bob, &carol);
    load.run().await;
    let id = ann.wallet_id.to_string();
    let started = Instant::now();
    let frozen =
        command(&folder, &["admin", "wallet", "freeze", &id, "--reason", "a court order"]).await;
    let took = started.elapsed();
    assert_eq!((frozen.code(), frozen.stdout), (Some(0), format!("wallet {id} is frozen\n")));
    // It is in force when the command says so, for everyone and with the next batch.
    assert_eq!(send_one(&ann, &bob).await, "422 wallet_frozen");
    assert_eq!(send_one(&bob, &ann).await, "422 receiver_wallet_frozen");
    eprintln!("frozen within {took:?} beside {} movements", load.end().await);
    assert!(took < SOON, "{took:?}");

    assert_eq!(program.stop().code(), Some(0));
    let program = Program::start(&mut start);
    let again = |person: &Person| Person { client: program.client(), ..person.clone() };
    let (ann, bob) = (again(&ann), again(&bob));
    assert_eq!(send_one(&ann, &bob).await, "422 wallet_frozen");
    let listed = command(&folder, &["admin", "wallet", "operations", &id]).await;
    assert!(listed.stdout.starts_with("1 "), "{listed:?}");
    assert!(listed.stdout.contains(" freeze, command of "), "{listed:?}");
    assert!(listed.stdout.ends_with(": a court order\n"), "{listed:?}");
    let unfrozen =
        command(&folder, &["admin", "wallet", "unfreeze", &id, "--reason", "lifted"]).await;
    assert_eq!(unfrozen.code(), Some(0), "{unfrozen:?}");
    assert_eq!(send_one(&ann, &bob).await, "201");
    assert_eq!(program.stop().code(), Some(0));
    let audit = command(&folder, &["admin", "audit"]).await;
    assert_eq!(audit.code(), Some(0), "{audit:?}");
}

#[tokio::test]
async fn commands_on_what_is_not_there_make_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let freeze = ["admin", "wallet", "freeze", "1", "--reason", "a test"];
    let nowhere = command(&folder, &freeze).await;
    assert_eq!(nowhere.stderr, "my-pay: there is no data directory data\n");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let missing = command(&folder, &freeze).await;
    let expected = "my-pay: there is no money database: start the service once to create it\n";
    assert_eq!(missing.stderr, expected);
    assert_eq!(std::fs::read_dir(folder.path().join("data")).unwrap().count(), 0);
}
