//! `my-pay up`: gateway, account service and money service in one process, on embedded SQLite.

use std::{net::SocketAddr, sync::Arc};

use account::AccountService;
use anyhow::Context;
use gateway::{Gateway, InProcess, Route};
use money::MoneyService;
use service::{
    clock::Clock,
    contract::account_feed::AccountFeed,
    http::server,
    shutdown::{self, Trigger},
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{config::Config, data_dir::DataDir};

/// The running product.
pub struct Up {
    address: SocketAddr,
    account: AccountService,
    money: MoneyService,
    server: JoinHandle<()>,
    stop_accepting: Trigger,
    stop_working: Trigger,
    // Held to the end: the databases are closed before another process may take the folder.
    _data_dir: DataDir,
}

impl Up {
    /// Starts everything; when it returns, clients are answered.
    pub async fn start(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        Self::start_with(config, clock, Vec::new()).await
    }

    /// The same, with further routes behind the gateway.
    pub async fn start_with(
        config: &Config,
        clock: Clock,
        further_routes: Vec<Route>,
    ) -> anyhow::Result<Self> {
        // Taken before the data directory: an occupied port must not leave traces.
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let data_dir = DataDir::take(&config.data_dir)?;
        let (stop_accepting, accepting) = shutdown::channel();
        let (stop_working, working) = shutdown::channel();

        let accounts = account::SqliteStore::open(&data_dir.account_database())
            .context("the account database cannot be opened")?;
        let account =
            AccountService::new(Arc::new(accounts), config.account.to_service(), clock.clone())?;
        let feed: Arc<dyn AccountFeed> = Arc::new(account.clone());

        let wallets = money::store::sqlite::SqliteStore::open(&data_dir.money_database())
            .context("the money database cannot be opened")?;
        let money =
            MoneyService::start(&wallets, config.money.engine(), clock.clone(), feed, working)?;

        let mut routes = vec![
            route("/accounts", InProcess::new(account.router(), Arc::new(account.clone()))),
            route("/money", InProcess::new(money.router(), money.readiness())),
        ];
        routes.extend(further_routes);
        let introspection = Arc::new(account.clone());
        let gateway = Gateway::start(config.gateway(), routes, introspection, clock)
            .map_err(anyhow::Error::msg)?;
        let server =
            tokio::spawn(server::serve(listener, gateway, config.server.limits(), accepting));
        tracing::info!(listen = %address, data.dir = %config.data_dir.display(), "my-pay is up");
        Ok(Self {
            address,
            account,
            money,
            server,
            stop_accepting,
            stop_working,
            _data_dir: data_dir,
        })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The account service, for work that does not come over HTTP.
    pub fn account(&self) -> &AccountService {
        &self.account
    }

    /// The money service, for work that does not come over HTTP.
    pub fn money(&self) -> &MoneyService {
        &self.money
    }

    /// Stops accepting, finishes what is in flight within its bound, and closes the databases.
    pub async fn shut_down(self) -> anyhow::Result<()> {
        tracing::info!("my-pay is stopping");
        self.stop_accepting.shut_down();
        self.server.await.context("the HTTP server ended in a panic")?;
        // The engine goes on until the last request is answered.
        self.stop_working.shut_down();
        self.money.join().await;
        tracing::info!("my-pay has stopped");
        Ok(())
    }
}

fn route(prefix: &'static str, upstream: InProcess) -> Route {
    Route { prefix, upstream: Arc::new(upstream) }
}
