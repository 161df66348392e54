//! `my-pay gateway`: the edge as a process of its own, in front of services that run apart.

use std::sync::Arc;

use anyhow::Context;
use gateway::{Gateway, Metrics, Pool, PoolConfig, PooledService, Route, Shared};
use service::{
    clock::Clock,
    contract::{
        identity::{Party, Signer},
        internal::AccountClient,
        revocations::Subscriber,
    },
    http::server::Limits,
    timekeeping::Watch,
};

use crate::{
    config::Config,
    edge, operations,
    server::{Listener, Server},
    timekeeping,
};

/// Where a POST with the same `Idempotency-Key` moves money once, however often it arrives.
const KEYED_PATHS: [&str; 3] =
    ["/money/v1/deposits", "/money/v1/withdrawals", "/money/v1/transfers"];

/// The running gateway.
pub struct Edge {
    server: Server,
    // Metrics are served to the end of the process.
    _operations: Option<Server>,
    clock_watch: Watch,
}

impl Edge {
    /// Starts it, inside a tokio runtime; when it returns, clients are answered.
    pub fn start(config: &Config, clock: &Clock) -> anyhow::Result<Self> {
        let clock = &timekeeping::steady(config, clock.clone());
        let accounts = config.upstreams.account()?;
        let moneys = config.upstreams.money()?;
        let keys = config.identity.keys()?;
        let redis_url = edge::redis_url(config)?;
        let has_redis = redis_url.is_some();
        let listener = Listener::bind(config.listen)?;
        let operations = operations::bind(config)?;
        let signer = Signer::new(keys.clone(), Party::Gateway, clock.clone());
        let settings = config.gateway();
        let mut observed = operations::Metrics::new();
        let registry = &mut observed.registry;
        let shared = Shared {
            redis: redis_url.as_ref().map(|url| edge::redis(url, clock)),
            http: observed.http.clone(),
            ..Shared::default()
        };
        let clock_watch = timekeeping::watch(config, clock, Vec::new(), registry);
        shared.metrics.register(registry);
        shared.rate_limits.register(registry);
        if let Some(redis) = &shared.redis {
            redis.metrics().register(registry);
        }
        let metrics = shared.metrics.clone();
        let pools = Pools { config: &settings.pool, signer: signer.clone(), clock, metrics };
        let account_pool = pools.start("account", Party::Account, accounts, &[])?;
        let money_pool = pools.start("money", Party::Money, moneys, &KEYED_PATHS)?;
        let subscriber = match &redis_url {
            None => None,
            Some(url) => {
                let publishers = account_pool.count();
                Some(Subscriber::start(url.client()?, keys, publishers, clock.clone()))
            }
        };
        let introspection = AccountClient::new(accounts, signer, subscriber, clock.clone())
            .context("upstreams.account")?;
        let routes = vec![
            Route { prefix: "/accounts", upstream: Arc::new(account_pool) },
            Route { prefix: "/money", upstream: Arc::new(money_pool) },
        ];
        let gateway =
            Gateway::start_shared(settings, routes, Arc::new(introspection), clock.clone(), shared)
                .map_err(anyhow::Error::msg)?;
        let readiness = gateway.readiness();
        let address_share = config.address_share();
        let limits = Limits { address_share, ..config.server.limits() };
        let server = listener.serve(gateway, limits, observed.listener.clone());
        let operations = observed.serve(operations, config, &server, readiness);
        edge::announce("gateway", server.address, has_redis);
        Ok(Self { server, _operations: operations, clock_watch })
    }

    /// Lets balancers notice, stops accepting, and finishes what is in flight.
    pub async fn shut_down(self) -> anyhow::Result<()> {
        tracing::info!("the gateway is stopping");
        self.server.stop().await?;
        self.clock_watch.stop().await;
        tracing::info!("the gateway has stopped");
        Ok(())
    }
}

/// What the pools of all services have in common.
struct Pools<'a> {
    config: &'a PoolConfig,
    signer: Signer,
    clock: &'a Clock,
    metrics: Metrics,
}

impl Pools<'_> {
    fn start(
        &self,
        name: &'static str,
        audience: Party,
        addresses: &[String],
        keyed_paths: &'static [&'static str],
    ) -> anyhow::Result<Pool> {
        let service = PooledService { name, audience, addresses: addresses.to_vec(), keyed_paths };
        let signer = Some(self.signer.clone());
        let clock = self.clock.clone();
        Pool::start(service, self.config, signer, clock, &self.metrics).map_err(anyhow::Error::msg)
    }
}
