//! The money service: wallets, deposits, withdrawals, transfers and their history. `http` speaks to
//! clients, `engine` commits in groups what the ledger decides, `store` keeps it. It knows accounts
//! by their ids only, and names no other service.

mod closing;
mod conservation;
mod engine;
mod http;
pub mod locks;
mod metrics;
pub mod operations;
mod standings;
pub mod store;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::Router;
use prometheus_client::registry::Registry;
use service::{
    BoxFuture,
    clock::Clock,
    contract::{account_feed::AccountFeed, closing::ClosesWallets, scope::Scopes},
    counted::counted,
    fatal::Reporter,
    http::{
        docs::Docs,
        health::{Check, Readiness},
    },
    installation::OtherInstallation,
    shutdown::Shutdown,
    store::sqlite,
};
use tokio::{
    sync::{OnceCell, watch},
    task::JoinHandle,
};

use self::{
    closing::Closer,
    conservation::Checked,
    engine::{EngineParts, EngineThreads},
    locks::WalletLocks,
    metrics::Metrics,
    standings::{Follower, Following},
    store::{Database, DurableReads, Operations, Reads},
};
pub use self::{
    engine::{Answer, Engine, EngineConfig, EngineError},
    http::openapi,
};

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its database cannot be used.
    #[error("the money database cannot be used")]
    Database(#[from] sqlite::Error),
    /// Its thread cannot be started.
    #[error("the money engine's thread cannot be started")]
    Thread(#[from] std::io::Error),
}

/// What the service works with besides its database.
pub struct Dependencies {
    /// The time.
    pub clock: Clock,
    /// Which accounts may not move money.
    pub feed: Arc<dyn AccountFeed>,
    /// Locks that the instances of the service share, if there are several.
    pub locks: Option<Arc<dyn WalletLocks>>,
    /// Where it is reported that the disk refused what was answered for.
    pub fatal: Reporter,
    /// How often it is checked that money is conserved, at most.
    pub conservation_interval: Duration,
}

/// The running service.
#[derive(Debug)]
pub struct MoneyService {
    state: State,
    database: Database,
    metrics: Metrics,
    threads: EngineThreads,
    follower: JoinHandle<()>,
    watch: JoinHandle<()>,
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct State {
    engine: Engine,
    reads: Arc<dyn Reads>,
    operations: Arc<dyn Operations>,
    clock: Clock,
    following: watch::Receiver<Following>,
    /// What all wallets come to, of the newest check of conservation.
    checked: watch::Receiver<Option<Arc<Checked>>>,
    /// Whether `following` is refused, at the cost of a load for each request.
    is_refused: Arc<AtomicBool>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl MoneyService {
    /// Starts the engine and the follower of the account feed. Both end with `shutdown`.
    pub fn start(
        database: &Database,
        config: EngineConfig,
        dependencies: Dependencies,
        shutdown: Shutdown,
    ) -> Result<Self, StartError> {
        let Dependencies { clock, feed, locks, fatal, conservation_interval } = dependencies;
        let metrics = Metrics::default();
        let engine_metrics = metrics.engine.clone();
        let parts =
            EngineParts { config, locks, clock: clock.clone(), metrics: engine_metrics, fatal };
        let (engine, threads, reads, operations): (_, _, Arc<dyn Reads>, _) = match database {
            Database::Sqlite(store) => {
                let (engine, threads) =
                    Engine::start(vec![store.lane(&parts.fatal)?], &parts, &shutdown)?;
                let durabilities = Arc::clone(engine.durabilities());
                let reads = DurableReads { reads: store.reads(&parts.fatal)?, durabilities };
                (engine, threads, Arc::new(reads), store.operations(&parts.fatal)?)
            }
            Database::MySql(store) => {
                let (engine, threads) = Engine::start(store.lanes(), &parts, &shutdown)?;
                (engine, threads, store.reads(), store.operations())
            }
        };
        let is_refused = Arc::new(AtomicBool::new(false));
        let (follow, following) = watch::channel(Following::Behind);
        let follower = Follower {
            feed,
            database: database.clone(),
            reads: Arc::clone(&reads),
            engine: engine.clone(),
            clock: clock.clone(),
            metrics: metrics.feed.clone(),
            following: follow,
            is_refused: Arc::clone(&is_refused),
        };
        let follower = tokio::spawn(follower.follow(shutdown.clone()));
        let (check, checked) = watch::channel(None);
        let watch = tokio::spawn(conservation::watch(
            Arc::clone(&reads),
            clock.clone(),
            metrics.conservation.clone(),
            conservation_interval,
            check,
            shutdown,
        ));
        let state = State { engine, reads, operations, clock, following, checked, is_refused };
        Ok(Self { state, database: database.clone(), metrics, threads, follower, watch })
    }

    /// Waits until everything is known that the account feed had told when the service started.
    /// Whoever serves sooner may move money of an account that was suspended while nobody followed.
    /// Fails if the account service belongs to another installation.
    pub async fn caught_up(&self) -> Result<(), OtherInstallation> {
        let mut following = self.state.following.clone();
        let decided = following.wait_for(|following| *following != Following::Behind).await;
        match decided.as_deref() {
            Ok(Following::Refused(other)) => Err(*other),
            // An error means that the follower has ended, after which there is nothing to wait for.
            Ok(Following::Behind | Following::CaughtUp) | Err(_) => Ok(()),
        }
    }

    /// Makes the service's metrics readable.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register(registry);
        self.state.engine.register_queue(registry);
    }

    /// The service's routes, below `/money`. People have `more_for_people` besides their usual
    /// scopes.
    pub fn router(&self, docs: Docs, more_for_people: Scopes) -> Router {
        http::router(self.state.clone(), docs, more_for_people)
    }

    /// The engine, for work that does not come over HTTP.
    pub fn engine(&self) -> &Engine {
        &self.state.engine
    }

    /// What the account service asks before it closes an account.
    pub fn closing(&self) -> Arc<dyn ClosesWallets> {
        let (database, engine) = (self.database.clone(), self.state.engine.clone());
        Arc::new(Closer { database, engine, installation: OnceCell::new() })
    }

    /// Says whether the service can work.
    pub fn readiness(&self) -> Arc<dyn Readiness> {
        Arc::new(self.state.clone())
    }

    /// Waits for the end, after the signal to shut down: everything queued is answered and the
    /// database is closed.
    pub async fn join(self) {
        let Self { state, threads, follower, watch, .. } = self;
        if follower.await.is_err() {
            tracing::error!("the follower of the account feed ended in a panic");
        }
        if watch.await.is_err() {
            tracing::error!("the check of conservation ended in a panic");
        }
        drop(state);
        threads.join().await;
    }
}

impl Readiness for State {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async {
            let (ok, detail) = match self.reads.ping().await {
                Ok(()) => match self.engine.prove_writable().await {
                    Ok(()) => (true, "reads and writes".to_owned()),
                    Err(error) => (false, format!("reads and does not write: {error}")),
                },
                Err(error) => (false, error.to_string()),
            };
            let database = Check { name: "money.database", ok, detail };
            let (depth, max) = self.engine.queue_depth();
            let detail = format!("{depth} of {} waiting", counted(max, "job", "jobs"));
            let mut checks = vec![database, Check { name: "money.queue", ok: depth < max, detail }];
            // Its people would move the money of other people with the same ids.
            if let Following::Refused(other) = *self.following.borrow() {
                let detail = other.to_string();
                checks.push(Check { name: "money.installation", ok: false, detail });
            }
            checks
        })
    }
}
