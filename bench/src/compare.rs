//! The money engine beside the classic way on the same MariaDB, in one run: engine level, without
//! HTTP on either side, with the same number of connections to the database.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ledger::{AccountId, Amount, Asker, Command, Currency, IdempotencyKey, Movement, WalletId};
use money::{
    Dependencies, Engine, EngineConfig, MoneyService,
    store::{Database, mysql},
};
use service::{
    BoxFuture,
    clock::Clock,
    contract::account_feed::{AccountFeed, FeedAnswer, FeedUnavailable},
    fatal, shutdown,
};
use tokio::task::JoinSet;

use crate::{say, store::Classic};

/// What is compared.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// Connections to the database that write, for either way; several numbers are compared one
    /// after the other
    #[arg(long, value_delimiter = ',', default_value = "4")]
    connections: Vec<usize>,
    /// Requests in flight
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Wallets of the uniform case
    #[arg(long, default_value_t = 10_000)]
    wallets: usize,
    /// Rounds; each measures everything once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Nobody's standing changes.
struct Silence;

impl AccountFeed for Silence {
    fn changes_after(
        &self,
        _: i64,
        _: u32,
        wait: Duration,
    ) -> BoxFuture<'_, Result<FeedAnswer, FeedUnavailable>> {
        Box::pin(async move {
            tokio::time::sleep(wait).await;
            Ok(FeedAnswer::default())
        })
    }
}

/// A wallet and whose it is.
#[derive(Debug, Clone, Copy)]
struct Purse {
    account_id: AccountId,
    wallet_id: WalletId,
}

/// Transfers a second, of one way and one case.
#[derive(Debug, Clone, Copy)]
struct Rates {
    classic: f64,
    engine: f64,
}

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<()> {
    let server = testing::MariaDb::start();
    for &connections in &settings.connections {
        let schema = format!("compare_{connections}");
        server.create_database(&schema);
        let url = server.url(&schema);
        let database = service::store::mysql::Database::new(&url, 8)?;
        mysql::migrate(&database).await?;
        let bench = Bench::start(&database, connections, settings).await?;
        let (mut uniform, mut hot) = (Vec::new(), Vec::new());
        for round in 1..=settings.rounds {
            uniform.push(bench.round(&bench.purses).await?);
            hot.push(bench.round(&bench.purses[..2]).await?);
            let (uniform, hot) = (uniform[round - 1], hot[round - 1]);
            say(&format!("round {round}: {} wallets {uniform}; 2 wallets {hot}", settings.wallets));
        }
        bench.stop().await?;
        let audit = mysql::audit(&database).await?;
        anyhow::ensure!(audit.is_clean(), "the books do not add up: {audit}");
        say(&format!(
            "medians, {connections} connections, {} in flight: {} wallets {}; 2 wallets {}",
            settings.in_flight,
            settings.wallets,
            Rates::median(&uniform),
            Rates::median(&hot)
        ));
    }
    Ok(())
}

struct Bench {
    service: MoneyService,
    trigger: shutdown::Trigger,
    classic: Arc<Classic>,
    database: service::store::mysql::Database,
    purses: Vec<Purse>,
    connections: usize,
    in_flight: usize,
    duration: Duration,
}

impl Bench {
    async fn start(
        database: &service::store::mysql::Database,
        connections: usize,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let (trigger, shutdown) = shutdown::channel();
        let store = Database::MySql(mysql::MySqlStore::new(database.clone(), connections));
        let dependencies = Dependencies {
            clock: Clock::system(),
            feed: Arc::new(Silence),
            locks: None,
            fatal: fatal::channel().0,
            conservation_interval: Duration::from_secs(10),
        };
        let service = MoneyService::start(&store, EngineConfig::default(), dependencies, shutdown)?;
        let purses = fund(service.engine(), settings.wallets).await?;
        Ok(Self {
            service,
            trigger,
            classic: Arc::new(Classic::new()),
            database: database.clone(),
            purses,
            connections,
            in_flight: settings.in_flight,
            duration: Duration::from_secs(settings.seconds),
        })
    }

    async fn round(&self, purses: &[Purse]) -> anyhow::Result<Rates> {
        let classic = self.run_classic(purses).await?;
        let engine = self.run_engine(purses).await?;
        Ok(Rates { classic, engine })
    }

    async fn run_engine(&self, purses: &[Purse]) -> anyhow::Result<f64> {
        let run = Run::default();
        let mut tasks = JoinSet::new();
        let purses: Arc<[Purse]> = purses.into();
        let started = Instant::now();
        for task in 0..self.in_flight {
            let (run, purses) = (run.clone(), Arc::clone(&purses));
            let engine = self.service.engine().clone();
            tasks.spawn(async move {
                let mut random = Random(task as u64 + 1);
                while run.goes_on() {
                    let [sender, receiver] = random.pair(&purses);
                    let movement = Movement::Transfer {
                        sender: Some(sender.wallet_id),
                        receiver: receiver.wallet_id,
                    };
                    move_money(&engine, sender, movement, 1).await?;
                    run.count();
                }
                anyhow::Ok(())
            });
        }
        run.end_after(self.duration, tasks, started).await
    }

    async fn run_classic(&self, purses: &[Purse]) -> anyhow::Result<f64> {
        let run = Run::default();
        let mut tasks = JoinSet::new();
        let purses: Arc<[Purse]> = purses.into();
        // Requests beyond the connections would only wait for one of them.
        let mut connections = Vec::new();
        for _ in 0..self.connections.min(self.in_flight) {
            connections.push(self.database.dedicated(Duration::from_mins(10)).await?);
        }
        let started = Instant::now();
        for (task, mut conn) in connections.into_iter().enumerate() {
            let (run, purses, classic) =
                (run.clone(), Arc::clone(&purses), Arc::clone(&self.classic));
            tasks.spawn(async move {
                let mut random = Random(task as u64 + 1);
                while run.goes_on() {
                    let [sender, receiver] = random.pair(&purses);
                    classic
                        .transfer(&mut conn, sender.wallet_id.0, receiver.wallet_id.0, 1)
                        .await?;
                    run.count();
                }
                anyhow::Ok(())
            });
        }
        run.end_after(self.duration, tasks, started).await
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.trigger.shut_down();
        self.service.join().await;
        Ok(())
    }
}

/// A measurement in progress.
#[derive(Debug, Clone, Default)]
struct Run {
    is_over: Arc<AtomicBool>,
    transfers: Arc<AtomicU64>,
}

impl Run {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.transfers.fetch_add(1, Ordering::Relaxed);
    }

    async fn end_after(
        &self,
        duration: Duration,
        mut tasks: JoinSet<anyhow::Result<()>>,
        started: Instant,
    ) -> anyhow::Result<f64> {
        tokio::time::sleep(duration).await;
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        let transfers = self.transfers.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Ok(transfers as f64 / started.elapsed().as_secs_f64())
    }
}

/// Opens wallets and puts a million won into each.
async fn fund(engine: &Engine, count: usize) -> anyhow::Result<Vec<Purse>> {
    const AT_ONCE: usize = 1_000;
    let mut purses = Vec::with_capacity(count);
    while purses.len() < count {
        let mut tasks = JoinSet::new();
        for n in purses.len()..count.min(purses.len() + AT_ONCE) {
            let engine = engine.clone();
            let account_id = AccountId(20_000 + i64::try_from(n)?);
            tasks.spawn(async move {
                let opened = engine.open_wallet(account_id, Currency::KRW).await?;
                let wallet = opened.map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
                let purse = Purse { account_id, wallet_id: wallet.id };
                let movement = Movement::Deposit { wallet: Some(wallet.id) };
                move_money(&engine, purse, movement, 100_000_000).await?;
                anyhow::Ok(purse)
            });
        }
        while let Some(purse) = tasks.join_next().await {
            purses.push(purse??);
        }
    }
    Ok(purses)
}

async fn move_money(
    engine: &Engine,
    purse: Purse,
    movement: Movement,
    amount: i64,
) -> anyhow::Result<()> {
    let key = uuid_v7().hyphenated().to_string();
    let answer = engine
        .move_money(Command {
            key: IdempotencyKey { asker: Asker::Account(purse.account_id), key },
            account_id: purse.account_id,
            movement,
            amount: Amount::new(amount).expect("amounts are positive"),
            summary: None,
        })
        .await?;
    match answer {
        money::Answer::Decided { .. } => Ok(()),
        money::Answer::Refused(rejection) => anyhow::bail!("refused: {rejection:?}"),
    }
}

/// As clients make keys, and the classic way its transfer ids: they grow with time.
pub(crate) fn uuid_v7() -> uuid::Uuid {
    static COUNTER: AtomicU64 = AtomicU64::new(1);
    let mut bits = [0; 10];
    bits[2..].copy_from_slice(&COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let millis = Clock::system().now().as_millis();
    uuid::Builder::from_unix_timestamp_millis(millis, &bits).into_uuid()
}

/// xorshift64: any spread will do.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("below a usize")
    }

    fn pair(&mut self, purses: &[Purse]) -> [Purse; 2] {
        let first = self.below(purses.len());
        let second = (first + 1 + self.below(purses.len() - 1)) % purses.len();
        [purses[first], purses[second]]
    }
}

impl Rates {
    fn median(rates: &[Self]) -> Self {
        let of = |pick: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rates.iter().map(pick).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self { classic: of(|rates| rates.classic), engine: of(|rates| rates.engine) }
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { classic, engine } = self;
        write!(f, "classic {classic:.0}/s, engine {engine:.0}/s = {:.1} x", engine / classic)
    }
}
