//! Several engines on one MariaDB, as several instances of the service are, with and without locks
//! in Redis in front of its rows.

use std::{sync::Arc, time::Duration};

use ledger::{
    AccountId, Amount, Asker, Closing, ClosingDecision, Command, Currency, IdempotencyKey,
    Movement, Wallet,
};
use mysql_async::prelude::Queryable;
use service::{
    clock::{Clock, Timestamp},
    contract::account_feed::{AccountChange, Standing},
    fatal, shutdown,
    store::mysql::{Database, PACKET_BYTES_LEAST},
};
use testing::MariaDb;
use tokio::task::JoinSet;

use super::{Answer, Engine, EngineConfig, EngineError, EngineParts, EngineThreads};
use crate::{
    metrics::EngineMetrics,
    store::mysql::{MySqlStore, audit, migrate},
};

pub(super) struct World {
    server: MariaDb,
    pub(super) database: Database,
    instances: Vec<Instance>,
}

struct Instance {
    engine: Engine,
    threads: EngineThreads,
    trigger: shutdown::Trigger,
}

impl World {
    pub(super) async fn new(instances: usize, lanes: usize) -> Self {
        Self::on(MariaDb::start(), instances, lanes).await
    }

    async fn on(server: MariaDb, instances: usize, lanes: usize) -> Self {
        server.create_database("money");
        let database = Database::new(&server.url("money"), 4).unwrap();
        migrate(&database).await.unwrap();
        let instances = (0..instances).map(|_| Instance::start(&database, lanes)).collect();
        Self { server, database, instances }
    }

    /// The engine of the instance that a request happens to reach.
    pub(super) fn engine(&self, n: usize) -> Engine {
        self.instances[n % self.instances.len()].engine.clone()
    }

    pub(super) async fn person(&self, account: i64) -> Wallet {
        let engine = self.engine(usize::try_from(account).unwrap());
        engine.open_wallet(AccountId(account), Currency::KRW).await.unwrap().unwrap()
    }

    pub(super) async fn end(self) {
        for Instance { threads, trigger, .. } in self.instances {
            trigger.shut_down();
            threads.join().await;
        }
        let report = audit(&self.database).await.unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

impl Instance {
    fn start(database: &Database, lanes: usize) -> Self {
        let (trigger, shutdown) = shutdown::channel();
        let store = MySqlStore::new(database.clone(), lanes);
        let (clock, metrics) = (Clock::system(), Arc::<EngineMetrics>::default());
        let parts = EngineParts {
            config: EngineConfig::default(),
            locks: None,
            clock,
            metrics,
            fatal: fatal::channel().0,
        };
        let (engine, threads) = Engine::start(store.lanes(), &parts, &shutdown).unwrap();
        Self { engine, threads, trigger }
    }
}

fn command(account: AccountId, key: &str, movement: Movement, amount: i64) -> Command {
    Command {
        key: IdempotencyKey { asker: Asker::Account(account), key: key.to_owned() },
        account_id: account,
        movement,
        amount: Amount::new(amount).unwrap(),
        summary: None,
    }
}

pub(super) fn deposit(wallet: &Wallet, key: &str, amount: i64) -> Command {
    command(wallet.account_id, key, Movement::Deposit { wallet: Some(wallet.id) }, amount)
}

fn is_completed(answer: Result<Answer, EngineError>) -> bool {
    match answer.unwrap() {
        Answer::Decided { transfer, .. } => {
            matches!(transfer.outcome, ledger::Outcome::Completed { .. })
        }
        Answer::Refused(rejection) => panic!("refused: {rejection:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_instances_and_lanes_loses_nothing() {
    const PEOPLE: usize = 6;
    const TRANSFERS: usize = 600;
    let world = World::new(3, 2).await;
    let mut people = Vec::new();
    for account in 0..PEOPLE {
        let wallet = world.person(10_001 + i64::try_from(account).unwrap()).await;
        assert!(is_completed(world.engine(account).move_money(deposit(&wallet, "a", 50)).await));
        people.push(wallet);
    }
    let mut tasks = JoinSet::new();
    for n in 0..TRANSFERS {
        let (sender, receiver) = (&people[n % PEOPLE], &people[(n / PEOPLE + n + 1) % PEOPLE]);
        if sender.id == receiver.id {
            continue;
        }
        // Half of them leave it to the engine to find their only wallet.
        let named = n.is_multiple_of(2).then_some(sender.id);
        let movement = Movement::Transfer { sender: named, receiver: receiver.id };
        let amount = 1 + i64::try_from(n % 7).unwrap();
        let command = command(sender.account_id, &n.to_string(), movement, amount);
        let engine = world.engine(n);
        tasks.spawn(async move { is_completed(engine.move_money(command).await) });
    }
    let completed = tasks.join_all().await.into_iter().filter(|completed| *completed).count();
    assert!(completed > 0);
    let mut sum = 0;
    for wallet in &people {
        let reads = MySqlStore::new(world.database.clone(), 1).reads();
        sum += reads.wallet(wallet.id).await.unwrap().unwrap().balance;
    }
    assert_eq!(sum, 50 * i64::try_from(PEOPLE).unwrap());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_one_key_at_every_instance_moves_money_once() {
    let world = World::new(3, 2).await;
    let wallet = world.person(10_001).await;
    for round in 0..20 {
        let mut tasks = JoinSet::new();
        for n in 0..9 {
            let (engine, command) = (world.engine(n), deposit(&wallet, &round.to_string(), 5));
            tasks.spawn(async move { engine.move_money(command).await.unwrap() });
        }
        let answers = tasks.join_all().await;
        let fresh = answers
            .iter()
            .filter(|answer| matches!(answer, Answer::Decided { replayed: false, .. }));
        assert_eq!(fresh.count(), 1, "{answers:?}");
    }
    let reads = MySqlStore::new(world.database.clone(), 1).reads();
    assert_eq!(reads.wallet(wallet.id).await.unwrap().unwrap().balance, 100);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_opening_and_suspending_never_leaves_an_active_wallet() {
    let world = World::new(2, 2).await;
    for account in 10_001..10_041 {
        let change = AccountChange {
            sequence: account,
            account_id: account,
            standing: Standing::Suspended,
            created_at: Timestamp::from_micros(0),
        };
        let (opening, suspending) = (world.engine(0), world.engine(1));
        let (opened, suspended) = tokio::join!(
            opening.open_wallet(AccountId(account), Currency::KRW),
            suspending.apply_change(change)
        );
        suspended.unwrap();
        let reads = MySqlStore::new(world.database.clone(), 1).reads();
        let wallets = reads.wallets_of(AccountId(account)).await.unwrap();
        assert_eq!(wallets.len(), usize::from(opened.unwrap().is_ok()), "{wallets:?}");
        assert!(wallets.iter().all(|w| w.status == ledger::WalletStatus::Frozen), "{wallets:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_change_of_the_feed_is_applied_once_and_never_out_of_order() {
    let world = World::new(2, 2).await;
    let wallet = world.person(10_001).await;
    let change = |sequence, standing| {
        let created_at = Timestamp::from_micros(0);
        AccountChange { sequence, account_id: 10_001, standing, created_at }
    };
    let (fast, slow) = (world.engine(0), world.engine(1));
    fast.apply_change(change(1, Standing::Suspended)).await.unwrap();
    fast.apply_change(change(2, Standing::Active)).await.unwrap();
    // The other instance comes later with what is long over.
    slow.apply_change(change(1, Standing::Suspended)).await.unwrap();
    let reads = MySqlStore::new(world.database.clone(), 1).reads();
    let found = reads.wallet(wallet.id).await.unwrap().unwrap();
    assert_eq!(found.status, ledger::WalletStatus::Active);
    assert_eq!(reads.feed_sequence().await.unwrap(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_row_that_the_database_refuses_fails_alone() {
    let world = World::new(1, 1).await;
    let (good, bad) = (world.person(10_001).await, world.person(10_002).await);
    let mut connection = world.database.connection().await.unwrap();
    let rule = format!("ALTER TABLE wallets ADD CHECK (id <> {} OR balance = 0)", bad.id.0);
    connection.query_drop(rule).await.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..40 {
        let wallet = if n == 17 { &bad } else { &good };
        let (engine, command) = (world.engine(0), deposit(wallet, &n.to_string(), 1));
        tasks.spawn(async move { engine.move_money(command).await });
    }
    let answers = tasks.join_all().await;
    let refused = answers.iter().filter(|answer| **answer == Err(EngineError::Unavailable));
    assert_eq!(refused.count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 39);
    world.end().await;
}

#[tokio::test]
async fn a_database_that_dies_and_comes_back_loses_nothing_that_was_answered() {
    let mut world = World::new(2, 2).await;
    let wallet = world.person(10_001).await;
    let mut tasks = JoinSet::new();
    for n in 0..64_usize {
        let (engine, wallet) = (world.engine(n), wallet.clone());
        tasks.spawn(async move {
            let mut moved = 0;
            for round in 0..20 {
                let command = deposit(&wallet, &format!("{n}-{round}"), 1);
                // Until there is an answer: the key makes it once.
                while engine.move_money(command.clone()).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                moved += 1;
            }
            moved
        });
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let mut server = world.server;
        world.server = tokio::task::spawn_blocking(move || {
            server.kill();
            server.restart();
            server
        })
        .await
        .unwrap();
    }
    let moved: i64 = tasks.join_all().await.into_iter().sum();
    let reads = MySqlStore::new(Database::new(&world.server.url("money"), 1).unwrap(), 1).reads();
    assert_eq!(reads.wallet(wallet.id).await.unwrap().unwrap().balance, moved);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_that_others_hold_put_off_their_wallets_and_nothing_else() {
    let world = World::new(1, 2).await;
    let (held, free) = (world.person(10_001).await, world.person(10_002).await);
    let (trigger, shutdown) = shutdown::channel();
    let locks = Arc::new(super::held_by_others::HeldByOthers::new(held.id));
    let parts = EngineParts {
        config: EngineConfig::default(),
        locks: Some(locks.clone()),
        clock: Clock::system(),
        metrics: Arc::default(),
        fatal: fatal::channel().0,
    };
    let store = MySqlStore::new(world.database.clone(), 2);
    let (engine, threads) = Engine::start(store.lanes(), &parts, &shutdown).unwrap();
    // With patience the row's own lock decides, so even a lock that is never released only costs
    // time.
    let (delayed, at_once) = tokio::join!(
        engine.move_money(deposit(&held, "a", 1)),
        engine.move_money(deposit(&free, "a", 1))
    );
    assert!(is_completed(delayed) && is_completed(at_once));
    assert!(locks.refusals() > 0);
    trigger.shut_down();
    threads.join().await;
    world.end().await;
}

/// The longest that a command can be: a key of 128 characters, a summary of 200 of four bytes each.
fn longest(wallet: &Wallet, number: usize) -> Command {
    let summary = Some("\u{1f4b8}".repeat(200));
    Command { summary, ..deposit(wallet, &format!("{number:0>128}"), 1) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_batch_fits_what_the_server_takes() {
    const TRANSFERS: usize = 1_500;
    for bytes in [PACKET_BYTES_LEAST, 64 * 1024] {
        let server = MariaDb::start_with(&[&format!("--max-allowed-packet={bytes}")]);
        let world = World::on(server, 1, 1).await;
        let wallet = world.person(10_001).await;
        // Twice the same: the second time all keys are found again.
        for _ in 0..2 {
            let mut tasks = JoinSet::new();
            for number in 0..TRANSFERS {
                let (engine, command) = (world.engine(0), longest(&wallet, number));
                tasks.spawn(async move { is_completed(engine.move_money(command).await) });
            }
            assert!(tasks.join_all().await.into_iter().all(|completed| completed), "{bytes}");
        }
        let count = world.server.execute("SELECT COUNT(*) FROM money.transfers");
        assert_eq!(count, format!("{TRANSFERS}\n"));
        world.end().await;
    }
}

/// Two instances close while two others send; whichever is first, nothing is lost in a closed wallet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_closing_and_receiving_ends_clean_on_several_instances() {
    let world = World::new(2, 2).await;
    let bob = world.person(20_001).await;
    assert!(is_completed(world.engine(0).move_money(deposit(&bob, "in", 1_000)).await));
    for (n, account) in (0..).zip(10_001..10_041) {
        let wallet = world.person(account).await;
        let movement = Movement::Transfer { sender: Some(bob.id), receiver: wallet.id };
        let sent = command(bob.account_id, &account.to_string(), movement, 1);
        let close = |attempt| {
            let closing = Closing { account_id: AccountId(account), attempt };
            let engine = world.engine(n + usize::try_from(attempt).unwrap());
            tokio::spawn(async move { engine.close_wallets(closing).await.unwrap() })
        };
        let (first, second) = (close(1), close(2));
        let engine = world.engine(n);
        let sending = tokio::spawn(async move { is_completed(engine.move_money(sent).await) });
        let has_arrived = sending.await.unwrap();
        let closings = [first.await.unwrap(), second.await.unwrap()];
        // One of them may have come too late: an attempt after it was refused before.
        let closed = closings.iter().filter(|done| **done == ClosingDecision::Closed).count();
        assert_eq!(closed == 0, has_arrived, "{account}: {closings:?}");
        for closing in closings {
            if let ClosingDecision::Refused { holding } = closing {
                assert_eq!(holding.len(), usize::from(has_arrived), "{account}");
            }
        }
    }
    world.end().await;
}
