//! The connection to Redis, and the task that makes it anew after a failure.

use std::{sync::Weak, time::Duration};

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use tokio::{sync::watch, time::timeout};

use super::{RedisState, RedisUnavailable, Shared};
use crate::{clock::Timestamp, http::problem::chain};

/// Calls that may wait to be written to the connection.
const CALLS_WAITING_MAX: usize = 1024;

/// How often Redis is asked although nobody calls, so that its state is known.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The connection, or why there is none.
pub(super) enum Link {
    Down { since: Timestamp, cause: Option<String> },
    Up(Up),
}

/// A connection that has answered a probe.
#[derive(Clone)]
pub(super) struct Up {
    pub(super) connection: MultiplexedConnection,
    since: Timestamp,
    /// Counts connections, so that a late failure of an old one does not take down a new one.
    number: u64,
}

impl Link {
    pub(super) fn connecting(now: Timestamp) -> Self {
        Self::Down { since: now, cause: None }
    }

    pub(super) fn up(&self) -> Option<Up> {
        match self {
            Self::Down { .. } => None,
            Self::Up(up) => Some(up.clone()),
        }
    }

    pub(super) fn state(&self) -> RedisState {
        match self {
            Self::Down { since, cause } => {
                RedisState { is_up: false, since: *since, cause: cause.clone() }
            }
            Self::Up(up) => RedisState { is_up: true, since: up.since, cause: None },
        }
    }
}

impl Shared {
    /// Redis is down, unless that connection has been replaced already.
    pub(super) fn take_down(&self, failed: &Up, error: &RedisUnavailable) {
        let cause = chain(error).clone();
        let was_up = self.link.send_if_modified(|link| match link {
            Link::Up(up) if up.number == failed.number => {
                let since = self.clock.now();
                *link = Link::Down { since, cause: Some(cause.clone()) };
                true
            }
            _ => false,
        });
        if was_up {
            self.metrics.set_up(false);
            let address = self.config.url.to_string();
            tracing::warn!(redis.address = address, cause, "Redis failed: going on without it");
        }
    }

    async fn connect(&self, number: u64) -> Result<Up, RedisUnavailable> {
        let limit = self.config.connect_timeout;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(CALLS_WAITING_MAX);
        let client = self.config.url.client()?;
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let connection =
            timeout(limit, connecting).await.map_err(|_| RedisUnavailable::Timeout(limit))??;
        let up = Up { connection, since: self.clock.now(), number };
        self.probe(&up).await?;
        Ok(up)
    }

    /// Has Redis write something: a replica, or a server out of memory or disk, is of no use.
    async fn probe(&self, up: &Up) -> Result<(), RedisUnavailable> {
        let mut command = redis::cmd("SET");
        command.arg("mypay:probe").arg(1).arg("PX").arg(1000);
        self.attempt(up, async |mut connection| command.query_async(&mut connection).await).await
    }
}

/// Connects, and connects again after each failure, until the client is gone.
pub(super) async fn keep(shared: Weak<Shared>, mut changes: watch::Receiver<Link>) {
    let mut number = 0;
    loop {
        number += 1;
        let Some(client) = shared.upgrade() else { return };
        match client.connect(number).await {
            Ok(up) => {
                client.metrics.set_up(true);
                client.link.send_replace(Link::Up(up.clone()));
                let address = client.config.url.to_string();
                tracing::info!(redis.address = address, "Redis is to be had");
                drop(client);
                watch_over(&shared, &up, &mut changes).await;
            }
            Err(error) => {
                client.link.send_if_modified(|link| match link {
                    Link::Down { cause: cause @ None, .. } => {
                        let address = client.config.url.to_string();
                        let error = cause.insert(chain(&error));
                        tracing::warn!(
                            redis.address = address,
                            cause = error,
                            "Redis is not to be had: going on without it"
                        );
                        true
                    }
                    _ => false,
                });
            }
        }
        let Some(pause) = shared.upgrade().map(|client| pause(client.config.retry_pause)) else {
            return;
        };
        tokio::time::sleep(pause).await;
    }
}

/// Returns when the connection has failed, or nobody needs it any more.
async fn watch_over(shared: &Weak<Shared>, up: &Up, changes: &mut watch::Receiver<Link>) {
    let is_down = |link: &Link| matches!(link, Link::Down { .. });
    // The end of the wait means either that Redis is down or that the client is gone.
    while timeout(HEARTBEAT, changes.wait_for(is_down)).await.is_err() {
        let Some(client) = shared.upgrade() else { return };
        // A failure takes the connection down, which ends the loop.
        let _alive = client.probe(up).await;
    }
}

/// Somewhat more or less than this, so that instances do not come back all at once.
fn pause(about: Duration) -> Duration {
    // Without randomness they come back together, which Redis survives.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    about.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}
