//! `my-pay money`: the money service as a process of its own.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use money::{
    Dependencies, MoneyService,
    locks::{WalletLocks, metrics::LockMetrics, redis::RedisLocks},
};
use service::{
    clock::Clock,
    contract::{
        identity::{Party, Signer},
        internal::{self, AccountClient},
    },
    fatal::{self, Failure, Reporter},
    installation::OtherInstallation,
    metrics::Measured,
    shutdown::{self, Trigger},
    store::sqlite::Watching,
    timekeeping::Watch,
    waiting::waiting_for,
};

use crate::{
    config::Config,
    data_dir::DatabaseFile,
    database::{self, Opened, open_money},
    edge,
    operations::{self, Metrics},
    server::{Listener, Server},
    timekeeping,
};

/// How long a start waits for the account feed. Without an account service no client gets as far as
/// money anyway.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

/// The running service.
pub struct Money {
    server: Server,
    // Metrics are served to the end of the process.
    _operations: Option<Server>,
    service: MoneyService,
    stop_working: Trigger,
    clock_watch: Watch,
    reporter: Reporter,
    failure: Failure,
    watching: Option<Watching>,
    // Held to the end: nobody else may open the file before.
    _file: Option<DatabaseFile>,
}

impl Money {
    /// Starts it; when it returns, gateways are answered.
    pub async fn start(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let clock = timekeeping::steady(config, clock);
        let keys = config.identity.keys()?;
        let redis_url = edge::redis_url(config)?;
        let has_redis = redis_url.is_some();
        let accounts = config.upstreams.account()?;
        let signer = Signer::new(keys.clone(), Party::Money, clock.clone());
        let feed = Arc::new(AccountClient::new(accounts, signer, None, clock.clone())?);
        let listener = Listener::bind(config.money.listen)?;
        let operations = operations::bind(config)?;
        let (reporter, failure) = fatal::channel();
        let Opened { store, keeper, file } = open_money(&config.money, &reporter).await?;
        let keepers = vec![keeper];
        timekeeping::check(config, &clock, &keepers).await?;
        let mut metrics = Metrics::new();
        let registry = &mut metrics.registry;
        store.register_metrics(registry);
        let redis = redis_url.map(|url| edge::redis(&url, &clock));
        let mut locks: Option<Arc<dyn WalletLocks>> = None;
        if let Some(redis) = &redis {
            let times = config.money.lock_times();
            let lock_metrics = LockMetrics::default();
            lock_metrics.register(registry);
            redis.metrics().register(registry);
            let taken = RedisLocks::new(redis.clone(), times, lock_metrics)
                .context("there is no randomness for the name of this instance")?;
            locks = Some(Arc::new(taken));
        }
        let (stop_working, working) = shutdown::channel();
        let dependencies = Dependencies {
            clock: clock.clone(),
            feed,
            locks,
            fatal: reporter.clone(),
            conservation_interval: config.money.conservation_interval(),
        };
        let money = MoneyService::start(&store, config.money.engine(), dependencies, working)?;
        catch_up(&money).await?;
        let watching = database::watch(file.as_ref(), &reporter)?;
        money.register_metrics(registry);
        let clock_watch = timekeeping::watch(config, &clock, keepers, registry);
        let mut readiness = vec![money.readiness()];
        readiness.extend(redis.as_ref().map(edge::redis_readiness));
        let verifier = edge::verifier(&keys, Party::Money, &clock);
        verifier.register_metrics("money", registry);
        let http = metrics.http.of("money", &clock);
        let readiness = edge::all(readiness);
        let router = money.router(config.docs(), config.money.more_for_people());
        let router = edge::guarded(router, "/money", verifier.clone(), readiness.clone());
        let router = internal::money_routes(money.closing(), verifier).fallback_service(router);
        let server = listener.serve(
            Measured::new(router, http),
            config.server.limits(),
            metrics.listener.clone(),
        );
        let ready = Arc::downgrade(&readiness);
        let operations = metrics.serve(operations, config, &server, ready);
        edge::announce("money service", server.address, has_redis);
        Ok(Self {
            server,
            _operations: operations,
            service: money,
            stop_working,
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

    /// Lets gateways notice, stops accepting, finishes what is in flight, and closes the database.
    /// After a failure it is left as it is: to close it would change a file that is not trusted.
    pub async fn shut_down(self) -> anyhow::Result<()> {
        tracing::info!("the money service is stopping");
        self.server.stop().await?;
        self.clock_watch.stop().await;
        if self.reporter.is_reported() {
            std::mem::forget(self.service);
            tracing::info!("the money service has stopped, its database was not closed");
            return Ok(());
        }
        if let Some(watching) = self.watching {
            watching.end().await;
        }
        // The engine goes on until the last request is answered.
        self.stop_working.shut_down();
        let _waiting = waiting_for("the last batch of money to be committed");
        self.service.join().await;
        tracing::info!("the money service has stopped");
        Ok(())
    }
}

/// Before it serves, money must know who was suspended while it was away. Fails if the account
/// service belongs to another installation.
pub(crate) async fn catch_up(money: &MoneyService) -> Result<(), OtherInstallation> {
    let _waiting = waiting_for("the account service's changes of who may move money");
    let Ok(caught_up) = tokio::time::timeout(CATCH_UP_MAX, money.caught_up()).await else {
        let waited_ms = CATCH_UP_MAX.as_millis();
        tracing::warn!(waited_ms, "money is served before the account feed has answered");
        return Ok(());
    };
    caught_up
}
