//! `my-pay up`: gateway, account service and money service in one process, on embedded SQLite.

use std::{net::SocketAddr, sync::Arc};

use account::{AccountService, Background, Closings};
use anyhow::Context;
use gateway::{Gateway, InProcess, Route, Shared};
use money::{Dependencies, MoneyService, store::Database};
use service::{
    clock::Clock,
    contract::account_feed::AccountFeed,
    fatal::{self, Failure, Reporter},
    http::server::Limits,
    installation::OtherInstallation,
    shutdown::{self, Trigger},
    store::sqlite::Watching,
    timekeeping::Watch,
    trace,
    waiting::waiting_for,
};

use crate::{
    config::Config,
    data_dir::DataDir,
    demo::mark::{self, Purpose},
    money::catch_up,
    operations::{self, Metrics},
    server::{Listener, Server},
    timekeeping,
};

/// The running product.
pub struct Up {
    server: Server,
    // Metrics are served to the end of the process.
    _operations: Option<Server>,
    account: AccountService,
    background: Background,
    money: MoneyService,
    closings: Closings,
    stop_working: Trigger,
    clock_watch: Watch,
    reporter: Reporter,
    failure: Failure,
    watching: Watching,
    // Held to the end: the databases are closed before another process may take the folder.
    _data_dir: DataDir,
}

impl Up {
    /// Starts everything; when it returns, clients are answered.
    pub async fn start(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        Self::start_for(Purpose::Service, config, clock, Vec::new()).await
    }

    /// The same for the demonstration, which marks the data directory as its own and lets people
    /// make money.
    pub async fn start_demonstration(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let mut config = config.clone();
        config.money.self_service_funding = true;
        Self::start_for(Purpose::Demonstration, &config, clock, Vec::new()).await
    }

    /// The same, with further routes behind the gateway.
    pub async fn start_with(
        config: &Config,
        clock: Clock,
        further_routes: Vec<Route>,
    ) -> anyhow::Result<Self> {
        Self::start_for(Purpose::Service, config, clock, further_routes).await
    }

    async fn start_for(
        purpose: Purpose,
        config: &Config,
        clock: Clock,
        further_routes: Vec<Route>,
    ) -> anyhow::Result<Self> {
        refuse_other_databases(config)?;
        let listener = Listener::bind(config.listen)?;
        let operations = operations::bind(config)?;
        let clock = timekeeping::steady(config, clock);
        let data_dir = DataDir::take(&config.data_dir)?;
        let (stop_working, working) = shutdown::channel();
        let (reporter, failure) = fatal::channel();

        data_dir.refuse_one_of_two(true)?;
        let accounts = account::SqliteStore::open(&data_dir.account_database(), &reporter)
            .context("the account database cannot be opened")?;
        data_dir.refuse_one_of_two(accounts.is_empty().await?)?;
        mark::check(purpose, &accounts, &config.data_dir, config.listen).await?;
        let wallets = money::store::sqlite::SqliteStore::open(&data_dir.money_database())
            .context("the money database cannot be opened")?;
        let account =
            AccountService::new(Arc::new(accounts), config.account.to_service(), clock.clone())?;
        let feed: Arc<dyn AccountFeed> = Arc::new(account.clone());

        let wallets = Database::Sqlite(wallets);
        refuse_mixed_files(&account, &wallets, &data_dir).await?;
        let keepers = vec![
            timekeeping::embedded("account", &data_dir.account_database(), &reporter)?,
            timekeeping::embedded("money", &data_dir.money_database(), &reporter)?,
        ];
        timekeeping::check(config, &clock, &keepers).await?;
        let dependencies = Dependencies {
            clock: clock.clone(),
            feed,
            locks: None,
            fatal: reporter.clone(),
            conservation_interval: config.money.conservation_interval(),
        };
        let money = MoneyService::start(&wallets, config.money.engine(), dependencies, working)?;
        catch_up(&money).await?;
        // Money follows the accounts, so it started after them.
        let closings = account.close_through(money.closing());
        let watching = data_dir.watch()?.start(reporter.clone());

        let mut metrics = Metrics::new();
        let http = |service| metrics.http.of(service, &clock);
        let accounts =
            InProcess::new(trace::traced(account.router(config.docs())), Arc::new(account.clone()));
        let moneys = money.router(config.docs(), config.money.more_for_people());
        let moneys = InProcess::new(trace::traced(moneys), money.readiness());
        let mut routes = vec![
            route("/accounts", accounts.measured(http("account"))),
            route("/money", moneys.measured(http("money"))),
        ];
        routes.extend(further_routes);
        let background = account.start_background().await;
        let background = background.context("the table of revocations cannot be read")?;
        let introspection = Arc::new(account.clone());
        let shared = Shared { http: metrics.http.clone(), ..Shared::default() };
        let registry = &mut metrics.registry;
        shared.metrics.register(registry);
        shared.rate_limits.register(registry);
        account.register_metrics(registry);
        money.register_metrics(registry);
        data_dir.register_metrics(registry);
        let clock_watch = timekeeping::watch(config, &clock, keepers, registry);
        let listener_metrics = metrics.listener.clone();
        let gateway = Gateway::start_shared(config.gateway(), routes, introspection, clock, shared)
            .map_err(anyhow::Error::msg)?;
        // Nobody else could answer meanwhile.
        let address_share = config.address_share();
        let limits = Limits { address_share, ..config.server.limits_at_once() };
        let readiness = gateway.readiness();
        let server = listener.serve(gateway, limits, listener_metrics);
        let operations = metrics.serve(operations, config, &server, readiness);
        let listen = server.address;
        tracing::info!(%listen, data.dir = %config.data_dir.display(), "my-pay is up");
        Ok(Self {
            server,
            _operations: operations,
            account,
            background,
            money,
            closings,
            stop_working,
            clock_watch,
            reporter,
            failure,
            watching,
            _data_dir: data_dir,
        })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The account service, for work that does not come over HTTP.
    pub fn account(&self) -> &AccountService {
        &self.account
    }

    /// The money service, for work that does not come over HTTP.
    pub fn money(&self) -> &MoneyService {
        &self.money
    }

    /// Waits until a part fails in such a way that the process must end, and returns the reason.
    pub async fn failed(&mut self) -> String {
        self.failure.wait().await
    }

    /// Stops accepting, finishes what is in flight within its bound, and closes the databases.
    /// After a failure they are left as they are: to close one would change doubtful files.
    pub async fn shut_down(self) -> anyhow::Result<()> {
        tracing::info!("my-pay is stopping");
        self.server.stop().await?;
        self.closings.stop().await;
        self.clock_watch.stop().await;
        self.background.stop().await;
        if self.reporter.is_reported() {
            std::mem::forget((self.account, self.money));
            tracing::info!("my-pay has stopped, its databases were not closed");
            return Ok(());
        }
        self.watching.end().await;
        // The engine goes on until the last request is answered.
        self.stop_working.shut_down();
        let _waiting = waiting_for("the last batch of money to be committed");
        self.money.join().await;
        tracing::info!("my-pay has stopped");
        Ok(())
    }
}

fn route(prefix: &'static str, upstream: InProcess) -> Route {
    Route { prefix, upstream: Arc::new(upstream) }
}

/// Files of two installations would give the wallets of one person to another one.
async fn refuse_mixed_files(
    accounts: &AccountService,
    wallets: &Database,
    data_dir: &DataDir,
) -> anyhow::Result<()> {
    let cannot = "the databases cannot tell which installation they belong to";
    let account = accounts.installation().await.context(cannot)?;
    let money = wallets.settle_installation(account).await.context(cannot)?;
    if money == account {
        return Ok(());
    }
    let files = [data_dir.account_database(), data_dir.money_database()];
    let [account_file, money_file] = files.each_ref().map(|file| file.display());
    Err(OtherInstallation { money, account }).with_context(|| {
        format!("{account_file} and {money_file} are not of the same installation")
    })
}

/// Whoever names a database expects the data there.
fn refuse_other_databases(config: &Config) -> anyhow::Result<()> {
    for database in [config.account.database(), config.money.database()] {
        let service = database.service;
        anyhow::ensure!(
            !database.is_given(),
            "`my-pay up` keeps its data in data_dir: {service}.database_url is for \
             `my-pay {service}`"
        );
    }
    Ok(())
}
