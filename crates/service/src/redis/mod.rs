//! Redis, for what several instances share and none depends on. No call waits long: each is
//! bounded, and after a failure none is made until Redis has answered a probe, on a new connection.
//! Whoever calls goes on without Redis whenever it is not to be had.

mod link;
mod metrics;
mod script;
mod url;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use redis::{Cmd, FromRedisValue, aio::MultiplexedConnection};
use tokio::{runtime::Handle, sync::watch, task::AbortHandle};

use self::link::{Link, Up};
pub use self::{
    metrics::RedisMetrics,
    script::Script,
    url::{InvalidRedisUrl, RedisUrl},
};
use crate::{
    clock::{Clock, Timestamp},
    http::health::Check,
};

/// Settings of the client.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// Where Redis is.
    pub url: RedisUrl,
    /// How long a call may take before whoever made it goes on without. Default: 100 ms.
    pub call_timeout: Duration,
    /// How long it may take to connect and to log in. Default: 1 second.
    pub connect_timeout: Duration,
    /// After a failure no call is made for about this long. Default: 500 ms.
    pub retry_pause: Duration,
}

impl RedisConfig {
    /// The defaults, which suit production.
    pub fn new(url: RedisUrl) -> Self {
        Self {
            url,
            call_timeout: Duration::from_millis(100),
            connect_timeout: Duration::from_secs(1),
            retry_pause: Duration::from_millis(500),
        }
    }
}

/// A client with one connection that all calls share. Clones share everything, and may be used from
/// any runtime: the connection and its timers live in the one that started the client.
#[derive(Clone)]
pub struct Redis(Arc<Client>);

struct Client {
    shared: Arc<Shared>,
    /// Ends with the last clone.
    keeper: AbortHandle,
}

struct Shared {
    config: RedisConfig,
    clock: Clock,
    runtime: Handle,
    metrics: RedisMetrics,
    link: watch::Sender<Link>,
}

/// Why a call had no answer.
#[derive(Debug, thiserror::Error)]
pub enum RedisUnavailable {
    /// It was not made, because Redis has failed lately.
    #[error("Redis has failed lately and is not asked")]
    Down,
    /// Redis did not answer in time. What was asked may have been done, or may still be.
    #[error("Redis did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// Redis, or the connection, reported an error. What was asked may have been done in part.
    #[error("Redis failed")]
    Failed(#[from] redis::RedisError),
}

/// Whether Redis is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisState {
    /// Whether calls are made.
    pub is_up: bool,
    /// Since when it has been so.
    pub since: Timestamp,
    /// Why it is down, in a few words without secrets.
    pub cause: Option<String>,
}

impl Redis {
    /// Starts the client inside a tokio runtime, which drives the connection from then on. It does
    /// not wait for Redis: until the connection is there, calls fail at once.
    pub fn start(config: RedisConfig, clock: Clock) -> Self {
        let (link, changes) = watch::channel(Link::connecting(clock.now()));
        let metrics = RedisMetrics::default();
        let runtime = Handle::current();
        let shared = Arc::new(Shared { config, clock, runtime, metrics, link });
        let keeper = tokio::spawn(link::keep(Arc::downgrade(&shared), changes)).abort_handle();
        Self(Arc::new(Client { shared, keeper }))
    }

    /// One command, and its answer.
    pub async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisUnavailable> {
        self.attempt(async |mut connection| command.query_async(&mut connection).await).await
    }

    /// Runs a script with the command that [`Script::command`] began.
    pub async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        command: &Cmd,
    ) -> Result<T, RedisUnavailable> {
        self.attempt(async |connection| script.run(command, connection).await).await
    }

    /// Makes a call without waiting for it: puts it on the connection now, ahead of what is called
    /// after it, and leaves the rest to the runtime of the connection.
    pub fn detach(&self, call: impl Future<Output = ()> + Send + 'static) {
        let mut call = Box::pin(tokio::task::unconstrained(call));
        let mut context = Context::from_waker(Waker::noop());
        if Pin::new(&mut call).poll(&mut context).is_pending() {
            self.0.shared.runtime.spawn(call);
        }
    }

    /// The runtime that drives the connection.
    pub fn runtime(&self) -> &Handle {
        &self.0.shared.runtime
    }

    /// Whether Redis is to be had. It is known within a second or two, also without calls.
    pub fn state(&self) -> RedisState {
        self.0.shared.link.borrow().state()
    }

    /// Waits until Redis is to be had.
    pub async fn wait_until_up(&self) {
        let mut changes = self.0.shared.link.subscribe();
        let _up = changes.wait_for(|link| matches!(link, Link::Up(_))).await;
    }

    /// For readiness. It always passes: whoever uses Redis goes on without it, and the detail says
    /// so.
    pub fn check(&self) -> Check {
        let RedisState { is_up, since, cause } = self.state();
        let detail = match cause {
            None if is_up => format!("{} answers since {since}", self.0.shared.config.url),
            cause => format!(
                "{} has been down since {since}, going on without: {}",
                self.0.shared.config.url,
                cause.as_deref().unwrap_or("not connected yet")
            ),
        };
        Check { name: "redis", ok: true, detail }
    }

    /// What is counted and measured.
    pub fn metrics(&self) -> &RedisMetrics {
        &self.0.shared.metrics
    }

    async fn attempt<T>(
        &self,
        call: impl AsyncFnOnce(MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T, RedisUnavailable> {
        let shared = &self.0.shared;
        let Some(up) = shared.link.borrow().up() else {
            shared.metrics.count_skipped();
            return Err(RedisUnavailable::Down);
        };
        shared.attempt(&up, call).await
    }
}

impl Shared {
    /// A bounded call on this connection. If it fails, Redis is down for everybody.
    async fn attempt<T>(
        &self,
        up: &Up,
        call: impl AsyncFnOnce(MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T, RedisUnavailable> {
        let started = Instant::now();
        let limit = self.config.call_timeout;
        let bounded = {
            // The caller's own runtime may have no timers.
            let _runtime = self.runtime.enter();
            tokio::time::timeout(limit, call(up.connection.clone()))
        };
        let result = match bounded.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(RedisUnavailable::Failed(error)),
            Err(_) => Err(RedisUnavailable::Timeout(limit)),
        };
        self.metrics.observe_call(started.elapsed());
        if let Err(error) = &result {
            self.metrics.count_failure(error);
            self.take_down(up, error);
        }
        result
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("config", &self.0.shared.config)
            .field("state", &self.state())
            .finish()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

#[cfg(test)]
mod tests;
