//! What a service has around it when it runs apart: health of its own, and the gateway's signature
//! on everything else.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{Router, middleware};
use service::{
    BoxFuture,
    clock::Clock,
    contract::identity::{Keys, Party, Verifier, guard},
    http::{
        finish::finish,
        health::{self, Check, Readiness},
        route,
    },
    redis::{Redis, RedisConfig, RedisUrl},
    trace,
};

use crate::config::Config;

/// A service's routes, of which all are below `prefix`, for its own listener. `readiness` is what
/// `/readyz` asks.
pub(crate) fn guarded(
    router: Router,
    prefix: &'static str,
    verifier: Verifier,
    readiness: Arc<dyn Readiness>,
) -> Router {
    // Inside the guard: strangers make no traces.
    let router = trace::traced(router);
    health::routes(readiness)
        .layer(middleware::from_fn(finish))
        .fallback_service(guard(router, verifier, prefix))
        .layer(middleware::from_fn(route::tell))
}

/// Checks identities meant for this service.
pub(crate) fn verifier(keys: &Keys, audience: Party, clock: &Clock) -> Verifier {
    Verifier::new(keys.clone(), audience, clock.clone())
}

/// The configured URL of Redis, if there is one.
pub(crate) fn redis_url(config: &Config) -> anyhow::Result<Option<RedisUrl>> {
    let url = config.redis.url()?;
    url.map(|url| url.expose().parse().context("redis.url")).transpose()
}

/// Says that a service has started, and what it lacks.
pub(crate) fn announce(service: &str, listen: SocketAddr, has_redis: bool) {
    if !has_redis {
        tracing::warn!("no Redis is configured: limits and locks are each instance's own");
    }
    tracing::info!(%listen, "the {service} is up");
}

/// Redis at this URL. It may come and go: what uses it goes on without.
pub(crate) fn redis(url: &RedisUrl, clock: &Clock) -> Redis {
    Redis::start(RedisConfig::new(url.clone()), clock.clone())
}

/// Whether Redis is to be had, as a detail of readiness.
pub(crate) fn redis_readiness(redis: &Redis) -> Arc<dyn Readiness> {
    Arc::new(OfRedis(redis.clone()))
}

struct OfRedis(Redis);

impl Readiness for OfRedis {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(std::future::ready(vec![self.0.check()]))
    }
}

/// Several at once.
pub(crate) fn all(readiness: Vec<Arc<dyn Readiness>>) -> Arc<dyn Readiness> {
    Arc::new(All(readiness))
}

struct All(Vec<Arc<dyn Readiness>>);

impl Readiness for All {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async {
            let mut checks = Vec::new();
            for readiness in &self.0 {
                checks.extend(readiness.check().await);
            }
            checks
        })
    }
}
