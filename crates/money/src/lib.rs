//! The money service: wallets, deposits, withdrawals, transfers and their history. `http` speaks to
//! clients, `engine` commits in groups what the ledger decides, `store` keeps it. It knows accounts
//! by their ids only, and names no other service.

mod engine;
mod http;
mod standings;
pub mod store;

use std::sync::Arc;

use axum::Router;
use service::{
    BoxFuture,
    clock::Clock,
    contract::account_feed::AccountFeed,
    http::health::{Check, Readiness},
    shutdown::Shutdown,
    store::sqlite,
};
use tokio::task::JoinHandle;

use self::{
    engine::EngineThreads,
    store::{DurableReads, Reads, sqlite::SqliteStore},
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

/// The running service.
#[derive(Debug)]
pub struct MoneyService {
    state: State,
    threads: EngineThreads,
    follower: JoinHandle<()>,
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct State {
    engine: Engine,
    reads: Arc<dyn Reads>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl MoneyService {
    /// Starts the engine and the follower of the account feed. Both end with `shutdown`.
    pub fn start(
        store: &SqliteStore,
        config: EngineConfig,
        clock: Clock,
        feed: Arc<dyn AccountFeed>,
        shutdown: Shutdown,
    ) -> Result<Self, StartError> {
        let (engine, threads) = Engine::start(store.lane()?, config, clock, shutdown.clone())?;
        let durability = Arc::clone(engine.durability());
        let reads: Arc<dyn Reads> = Arc::new(DurableReads { reads: store.reads()?, durability });
        let follower =
            tokio::spawn(standings::follow(feed, Arc::clone(&reads), engine.clone(), shutdown));
        Ok(Self { state: State { engine, reads }, threads, follower })
    }

    /// The service's routes, below `/money`.
    pub fn router(&self) -> Router {
        http::router(self.state.clone())
    }

    /// The engine, for work that does not come over HTTP.
    pub fn engine(&self) -> &Engine {
        &self.state.engine
    }

    /// Says whether the service can work.
    pub fn readiness(&self) -> Arc<dyn Readiness> {
        Arc::new(self.state.clone())
    }

    /// Waits for the end, after the signal to shut down: everything queued is answered and the
    /// database is closed.
    pub async fn join(self) {
        let Self { state, threads, follower } = self;
        if follower.await.is_err() {
            tracing::error!("the follower of the account feed ended in a panic");
        }
        drop(state);
        threads.join().await;
    }
}

impl Readiness for State {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async {
            let database = match self.reads.ping().await {
                Ok(()) => Check { name: "money.database", ok: true, detail: "answers".into() },
                Err(error) => {
                    Check { name: "money.database", ok: false, detail: error.to_string() }
                }
            };
            let (depth, max) = self.engine.queue_depth();
            let detail = format!("{depth} of {max} jobs waiting");
            vec![database, Check { name: "money.queue", ok: depth < max, detail }]
        })
    }
}
