//! `my-pay account`: the account service as a process of its own.

use std::sync::Arc;

use account::{AccountService, Background, Closings};
use anyhow::Context;
use service::{
    clock::Clock,
    contract::{
        identity::{Party, Signer},
        internal::{self, MoneyClient},
        introspection::Introspection as _,
        revocations::Publisher,
    },
    fatal::{self, Failure, Reporter},
    http::health::Readiness,
    metrics::Measured,
    store::sqlite::Watching,
    timekeeping::Watch,
};

use crate::{
    config::Config,
    data_dir::DatabaseFile,
    database::{self, Opened, open_account},
    demo::mark,
    edge,
    operations::{self, Metrics},
    server::{Listener, Server},
    timekeeping,
};

/// The running service.
pub struct Account {
    server: Server,
    // Metrics are served to the end of the process.
    _operations: Option<Server>,
    /// Tells gateways what was revoked, if there is Redis.
    publisher: Option<Publisher>,
    service: AccountService,
    background: Background,
    closings: Closings,
    clock_watch: Watch,
    reporter: Reporter,
    failure: Failure,
    watching: Option<Watching>,
    // Held to the end: nobody else may open the file before.
    _file: Option<DatabaseFile>,
}

impl Account {
    /// Starts it; when it returns, gateways are answered.
    pub async fn start(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let clock = timekeeping::steady(config, clock);
        let keys = config.identity.keys()?;
        let redis_url = edge::redis_url(config)?;
        let has_redis = redis_url.is_some();
        let signer = Signer::new(keys.clone(), Party::Account, clock.clone());
        let moneys = config.upstreams.money()?;
        let moneys = MoneyClient::new(moneys, signer, clock.clone()).context("upstreams.money")?;
        let listener = Listener::bind(config.account.listen)?;
        let operations = operations::bind(config)?;
        let (reporter, failure) = fatal::channel();
        let Opened { store, keeper, file } =
            open_account(&config.account.database(), &reporter).await?;
        mark::refuse_apart(store.as_ref()).await?;
        let keepers = vec![keeper];
        timekeeping::check(config, &clock, &keepers).await?;
        let mut metrics = Metrics::new();
        let registry = &mut metrics.registry;
        let account = AccountService::new(store, config.account.to_service(), clock.clone())?;
        account.register_metrics(registry);
        let installation = account.installation().await;
        let installation = installation.context("the account database has no installation")?;
        let clock_watch = timekeeping::watch(config, &clock, keepers, registry);
        let watching = database::watch(file.as_ref(), &reporter)?;
        let service = Arc::new(account.clone());
        let mut readiness: Vec<Arc<dyn Readiness>> = vec![service.clone()];
        let background = account.start_background().await;
        let background = background.context("the table of revocations cannot be read")?;
        let mut publisher = None;
        if let Some(url) = &redis_url {
            let redis = edge::redis(url, &clock);
            redis.metrics().register(registry);
            readiness.push(edge::redis_readiness(&redis));
            let revocations = account.revocations();
            let started = Publisher::start(url.client()?, keys.clone(), revocations, clock.clone());
            publisher = Some(started);
        }
        let verifier = edge::verifier(&keys, Party::Account, &clock);
        verifier.register_metrics("account", registry);
        let http = metrics.http.of("account", &clock);
        let readiness = edge::all(readiness);
        let router = edge::guarded(
            account.router(config.docs()),
            "/accounts",
            verifier.clone(),
            readiness.clone(),
        );
        let closings = account.close_through(Arc::new(moneys));
        let router = internal::routes(service.clone(), service, verifier).fallback_service(router);
        let server = listener.serve(
            Measured::new(router, http),
            config.server.limits(),
            metrics.listener.clone(),
        );
        let ready = Arc::downgrade(&readiness);
        let operations = metrics.serve(operations, config, &server, ready);
        tracing::info!(%installation, "the accounts belong to this installation");
        edge::announce("account service", server.address, has_redis);
        Ok(Self {
            server,
            _operations: operations,
            publisher,
            service: account,
            background,
            closings,
            clock_watch,
            reporter,
            failure,
            watching,
            _file: file,
        })
    }

    /// Waits until the service fails in such a way that the process must end, and returns the
    /// reason.
    pub async fn failed(&mut self) -> String {
        self.failure.wait().await
    }

    /// Lets gateways notice, stops accepting, and finishes what is in flight. After a failure the
    /// database is left as it is: to close it would change a file that is not trusted.
    pub async fn shut_down(self) -> anyhow::Result<()> {
        tracing::info!("the account service is stopping");
        self.server.stop().await?;
        self.closings.stop().await;
        self.clock_watch.stop().await;
        self.background.stop().await;
        if let Some(publisher) = self.publisher {
            publisher.stop().await;
        }
        if self.reporter.is_reported() {
            std::mem::forget(self.service);
            tracing::info!("the account service has stopped, its database was not closed");
            return Ok(());
        }
        if let Some(watching) = self.watching {
            watching.end().await;
        }
        tracing::info!("the account service has stopped");
        Ok(())
    }
}
