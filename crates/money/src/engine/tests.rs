//! The engine over a real store: many at once, once each, and honest when the store fails.

mod api_keys;
mod closing;
mod held_by_others;
mod instances;
mod refused;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ledger::{
    AMOUNT_MAX, AccountId, Amount, Asker, Command, Currency, IdempotencyKey, Movement, Outcome,
    Rejection, Wallet,
};
use service::{
    clock::Clock,
    fatal::{self, Failure},
    shutdown,
};

use super::{
    Answer, Directory, Engine, EngineConfig, EngineError, EngineParts, EngineThreads, Queue,
    Shared, Sharing,
};
use crate::{
    metrics::EngineMetrics,
    store::{
        Books, Effects, Flush, Footprint, IdKind, LaneStore, Reason, StoreError,
        sqlite::{SqliteFlusher, SqliteLane, SqliteStore, audit},
    },
};

/// SQLite, failing where and when it is told to.
struct Faulty {
    lane: SqliteLane,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    persist_conflicts: AtomicBool,
    persist_fails: AtomicBool,
    persist_panics: AtomicBool,
    commit_is_lost_after_it_was_made: AtomicBool,
    flush_fails: AtomicBool,
}

fn strikes(fault: &AtomicBool) -> bool {
    fault.swap(false, Ordering::SeqCst)
}

struct FaultyFlusher {
    flusher: SqliteFlusher,
    faults: Arc<Faults>,
}

impl Flush for FaultyFlusher {
    fn flush(&mut self) -> Result<(), StoreError> {
        self.flusher.flush()?;
        if strikes(&self.faults.flush_fails) {
            return Err(StoreError::OutcomeUnknown("the disk is broken".into()));
        }
        Ok(())
    }
}

impl LaneStore for Faulty {
    type Flusher = FaultyFlusher;

    const IS_REMOTE: bool = false;

    fn flusher(&self) -> std::io::Result<FaultyFlusher> {
        let flusher = self.lane.flusher()?;
        Ok(FaultyFlusher { flusher, faults: Arc::clone(&self.faults) })
    }

    async fn reserve_ids(&mut self, kind: IdKind, count: i64) -> Result<i64, StoreError> {
        self.lane.reserve_ids(kind, count).await
    }

    async fn take_stripe(&mut self, full: Option<AccountId>) -> Result<AccountId, StoreError> {
        self.lane.take_stripe(full).await
    }

    async fn begin(&mut self) -> Result<(), StoreError> {
        self.lane.begin().await
    }

    async fn load(
        &mut self,
        stripe: AccountId,
        footprint: &Footprint<'_>,
    ) -> Result<Books, StoreError> {
        self.lane.load(stripe, footprint).await
    }

    async fn persist(&mut self, effects: &Effects<'_>) -> Result<(), StoreError> {
        self.lane.persist(effects).await?;
        if strikes(&self.faults.persist_conflicts) {
            return Err(StoreError::Again(Reason::DuplicateKey, "a duplicate key".into()));
        }
        if strikes(&self.faults.persist_fails) {
            return Err(StoreError::Failed("the disk is full".into()));
        }
        assert!(!strikes(&self.faults.persist_panics), "on purpose");
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.lane.commit().await?;
        if strikes(&self.faults.commit_is_lost_after_it_was_made) {
            return Err(StoreError::OutcomeUnknown("the connection is gone".into()));
        }
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), StoreError> {
        self.lane.rollback().await
    }
}

struct World {
    engine: Engine,
    threads: EngineThreads,
    trigger: shutdown::Trigger,
    failure: Failure,
    faults: Arc<Faults>,
    folder: tempfile::TempDir,
}

impl World {
    fn new(config: EngineConfig) -> Self {
        Self::over(tempfile::tempdir().unwrap(), config)
    }

    /// Over the database in this folder, which is made if it is not there.
    fn over(folder: tempfile::TempDir, config: EngineConfig) -> Self {
        let store = SqliteStore::open(&folder.path().join("money.db")).unwrap();
        let faults = Arc::new(Faults::default());
        let (fatal, failure) = fatal::channel();
        let lane = Faulty { lane: store.lane(&fatal).unwrap(), faults: Arc::clone(&faults) };
        let (trigger, shutdown) = shutdown::channel();
        let (clock, metrics) = (Clock::system(), Arc::<EngineMetrics>::default());
        let parts = EngineParts { config, locks: None, clock, metrics, fatal };
        let (engine, threads) = Engine::start(vec![lane], &parts, &shutdown).unwrap();
        Self { engine, threads, trigger, failure, faults, folder }
    }

    async fn open(&self, account: i64) -> Wallet {
        self.engine.open_wallet(AccountId(account), Currency::KRW).await.unwrap().unwrap()
    }

    /// Ends the engine and audits what it left.
    async fn end(self, completed_transfers: i64) -> tempfile::TempDir {
        self.trigger.shut_down();
        self.threads.join().await;
        let report = audit(&self.folder.path().join("money.db")).unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.completed_transfers, completed_transfers);
        self.folder
    }
}

fn deposit(wallet: &Wallet, key: &str) -> Command {
    Command {
        key: IdempotencyKey { asker: Asker::Account(wallet.account_id), key: key.to_owned() },
        account_id: wallet.account_id,
        movement: Movement::Deposit { wallet: Some(wallet.id) },
        amount: Amount::new(3).unwrap(),
        summary: None,
    }
}

fn balance(answer: Result<Answer, EngineError>) -> (i64, bool) {
    match answer.unwrap() {
        Answer::Decided { transfer, replayed } => (transfer.balance_after, replayed),
        Answer::Refused(rejection) => panic!("refused: {rejection:?}"),
    }
}

#[tokio::test]
async fn a_thousand_at_once_lose_nothing() {
    let world = World::new(EngineConfig::default());
    let wallet = world.open(10_001).await;
    let deposits: Vec<_> = (0..1_000)
        .map(|n| {
            let (engine, command) = (world.engine.clone(), deposit(&wallet, &n.to_string()));
            tokio::spawn(async move { engine.move_money(command).await })
        })
        .collect();
    let mut highest = 0;
    for deposit in deposits {
        highest = highest.max(balance(deposit.await.unwrap()).0);
    }
    assert_eq!(highest, 3_000);
    world.end(1_000).await;
}

/// 1,024 wallets filled to the limit are as much as one system wallet can owe. Another one takes over
/// long before, so that the outside has no limit of its own.
#[tokio::test]
async fn wallets_filled_to_the_limit_do_not_fill_the_outside() {
    let world = World::new(EngineConfig { batch_jobs_max: 256, ..EngineConfig::default() });
    let opening = (10_001..11_101).map(|account| {
        let engine = world.engine.clone();
        tokio::spawn(async move { engine.open_wallet(AccountId(account), Currency::KRW).await })
    });
    let mut wallets = Vec::new();
    for opened in opening.collect::<Vec<_>>() {
        wallets.push(opened.await.unwrap().unwrap().unwrap());
    }
    let fill = |wallet: &Wallet| {
        let amount = Amount::new(AMOUNT_MAX).unwrap();
        let (engine, command) = (world.engine.clone(), Command { amount, ..deposit(wallet, "a") });
        tokio::spawn(async move { engine.move_money(command).await })
    };
    let filled: Vec<_> = wallets[..1_099].iter().map(fill).collect();
    for filled in filled {
        assert_eq!(balance(filled.await.unwrap()), (AMOUNT_MAX, false));
    }
    let answer = world.engine.move_money(deposit(&wallets[1_099], "a")).await;
    assert_eq!(balance(answer), (3, false));
    // What is full itself says so, in its own words.
    let answer = world.engine.move_money(deposit(&wallets[0], "b")).await.unwrap();
    let Answer::Decided { transfer, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(transfer.outcome, Outcome::Failed(Rejection::BalanceLimitExceeded));
    // All of it goes back, although the stripe that takes it owes none of it.
    let withdraw = |wallet: &Wallet| {
        let movement = Movement::Withdrawal { wallet: Some(wallet.id) };
        let amount = Amount::new(AMOUNT_MAX).unwrap();
        Command { movement, amount, ..deposit(wallet, "w") }
    };
    for wallet in &wallets[..600] {
        assert_eq!(balance(world.engine.move_money(withdraw(wallet)).await), (0, false));
    }
    world.end(1_099 + 1 + 600).await;
}

#[tokio::test]
async fn a_faster_writer_only_costs_time() {
    let world = World::new(EngineConfig::default());
    let wallet = world.open(10_001).await;
    world.faults.persist_conflicts.store(true, Ordering::SeqCst);
    assert_eq!(balance(world.engine.move_money(deposit(&wallet, "a")).await), (3, false));
    world.end(1).await;
}

#[tokio::test]
async fn a_failed_write_does_nothing_and_can_be_repeated() {
    let world = World::new(EngineConfig::default());
    let wallet = world.open(10_001).await;
    world.faults.persist_fails.store(true, Ordering::SeqCst);
    let failed = world.engine.move_money(deposit(&wallet, "a")).await;
    assert_eq!(failed, Err(EngineError::Unavailable));
    assert_eq!(balance(world.engine.move_money(deposit(&wallet, "a")).await), (3, false));
    world.end(1).await;
}

#[tokio::test]
async fn a_lost_commit_is_resolved_by_its_key() {
    let world = World::new(EngineConfig::default());
    let wallet = world.open(10_001).await;
    world.faults.commit_is_lost_after_it_was_made.store(true, Ordering::SeqCst);
    let lost = world.engine.move_money(deposit(&wallet, "a")).await;
    assert_eq!(lost, Err(EngineError::OutcomeUnknown));
    assert_eq!(balance(world.engine.move_money(deposit(&wallet, "a")).await), (3, true));
    world.end(1).await;
}

#[tokio::test]
async fn a_panic_costs_its_batch_and_nothing_else() {
    let world = World::new(EngineConfig::default());
    let wallet = world.open(10_001).await;
    world.faults.persist_panics.store(true, Ordering::SeqCst);
    let lost = world.engine.move_money(deposit(&wallet, "a")).await;
    assert_eq!(lost, Err(EngineError::OutcomeUnknown));
    assert_eq!(balance(world.engine.move_money(deposit(&wallet, "a")).await), (3, false));
    world.end(1).await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    // No lane takes anything from this one.
    let queue = Queue::new(1, Sharing { is_shared: false, gathers: false });
    let engine = Engine(Arc::new(Shared {
        queue: Arc::clone(&queue),
        directory: Arc::new(Directory::new()),
        durabilities: Arc::new([]),
        metrics: Arc::default(),
        is_embedded: true,
    }));
    let world = World::new(EngineConfig::default());
    let wallet = world.open(10_001).await;
    let waiting = engine.clone();
    let first = deposit(&wallet, "a");
    let first = tokio::spawn(async move { waiting.move_money(first).await });
    while engine.queue_depth().0 == 0 {
        tokio::task::yield_now().await;
    }
    let refused = engine.move_money(deposit(&wallet, "b")).await;
    assert_eq!(refused, Err(EngineError::Overloaded));
    let (_trigger, mut shutdown) = shutdown::channel();
    drop(queue.take(1, &mut shutdown).await);
    assert_eq!(first.await.unwrap(), Err(EngineError::OutcomeUnknown));
    world.end(0).await;
}

#[tokio::test]
async fn shutdown_answers_what_is_queued_and_refuses_the_rest() {
    let world = World::new(EngineConfig::default());
    let wallet = world.open(10_001).await;
    let queued: Vec<_> = (0..100)
        .map(|n| {
            let (engine, command) = (world.engine.clone(), deposit(&wallet, &n.to_string()));
            tokio::spawn(async move { engine.move_money(command).await })
        })
        .collect();
    tokio::task::yield_now().await;
    world.trigger.shut_down();
    let mut completed = 0;
    for answer in queued {
        match answer.await.unwrap() {
            Ok(_) => completed += 1,
            Err(error) => assert_eq!(error, EngineError::ShuttingDown),
        }
    }
    world.end(completed).await;
}

#[tokio::test]
async fn a_disk_that_refuses_ends_all_writing_and_reading() {
    let mut world = World::new(EngineConfig::default());
    let wallet = world.open(10_001).await;
    world.faults.flush_fails.store(true, Ordering::SeqCst);
    let unknown = world.engine.move_money(deposit(&wallet, "a")).await;
    assert_eq!(unknown, Err(EngineError::OutcomeUnknown));
    assert!(world.engine.durabilities()[0].is_failed());
    assert!(
        world.engine.durabilities()[0].catch_up().await.is_err(),
        "nothing unconfirmed is told"
    );
    let refused = world.engine.move_money(deposit(&wallet, "b")).await;
    assert_eq!(refused, Err(EngineError::Unavailable));
    let reason = world.failure.wait().await;
    assert!(reason.contains("the disk refused to make money durable"), "{reason}");
    // What a new start finds is what the disk has.
    world.end(1).await;
}
