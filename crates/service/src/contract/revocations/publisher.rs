//! The account service's end: publishes what it revokes, and says several times a second that it is
//! there. What cannot be published now is tried until it can; until then its silence tells. It is
//! silent, too, while the service may miss revocations.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64ct::{Base64UrlUnpadded, Encoding};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    CHANNEL, Event, HEARTBEAT, Revocations,
    message::{Message, TOKENS_MAX},
};
use crate::{
    clock::Clock,
    contract::{identity::Keys, introspection::TokenDigest},
    http::problem::chain,
    jitter::with_jitter,
};

/// How long Redis may take for one message, or for a connection.
const TIMEOUT: Duration = Duration::from_millis(250);
/// How long the last revocations may take at the end.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// Publishes until it is stopped or dropped.
#[derive(Debug)]
pub struct Publisher {
    stop: watch::Sender<bool>,
    is_publishing: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

struct Task {
    client: Client,
    keys: Keys,
    clock: Clock,
    connection: Option<MultiplexedConnection>,
    is_publishing: Arc<AtomicBool>,
    message: Message,
    /// What the next message will say.
    waiting: Vec<TokenDigest>,
}

impl Publisher {
    /// Starts to publish the revocations of this process, inside a tokio runtime.
    pub fn start(client: Client, keys: Keys, revocations: Revocations, clock: Clock) -> Self {
        let (stop, stopped) = watch::channel(false);
        let is_publishing = Arc::new(AtomicBool::new(false));
        let mut id = [0; 12];
        // Without randomness two processes might share an id, and their gaps would make gateways
        // forget more than they need.
        let _unlikely = getrandom::fill(&mut id);
        let task = Task {
            client,
            keys,
            clock,
            connection: None,
            is_publishing: Arc::clone(&is_publishing),
            message: Message {
                publisher: Base64UrlUnpadded::encode_string(&id),
                sequence: 0,
                missed: false,
                revoked: Vec::new(),
            },
            waiting: Vec::new(),
        };
        Self { stop, is_publishing, task: tokio::spawn(task.run(revocations, stopped)) }
    }

    /// Whether the last message was published.
    pub fn is_publishing(&self) -> bool {
        self.is_publishing.load(Ordering::Relaxed)
    }

    /// Publishes what is left, if that is possible soon, and ends.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(END_TIMEOUT, &mut self.task).await.is_err() {
            tracing::warn!("the last revocations were not published");
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Task {
    async fn run(mut self, mut revocations: Revocations, mut stopped: watch::Receiver<bool>) {
        let mut beat = tokio::time::interval(HEARTBEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut missed = false;
        loop {
            let is_last = tokio::select! {
                // What was revoked before the end is taken before the end.
                biased;
                event = revocations.next() => {
                    if event == Event::Ended {
                        return;
                    }
                    missed |= self.take(event);
                    // And what else there is already, as far as it fits into one message.
                    while self.waiting.len() < TOKENS_MAX {
                        let Some(event) = revocations.try_next() else { break };
                        missed |= self.take(event);
                    }
                    false
                }
                // Silence tells that revocations may be missed.
                _ = beat.tick() => {
                    if !revocations.is_listening() {
                        continue;
                    }
                    false
                }
                () = until(&mut stopped) => true,
            };
            self.message.sequence += 1;
            self.message.missed = std::mem::take(&mut missed);
            self.message.revoked = std::mem::take(&mut self.waiting);
            self.publish().await;
            if is_last {
                return;
            }
        }
    }

    /// Notes what the next message must say. Whether some of it is lost.
    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Revoked(token) => {
                self.waiting.push(token);
                false
            }
            Event::Missed | Event::Listening(_) | Event::Ended => true,
        }
    }

    /// Publishes the message, however often it takes. The same message may arrive twice, which its
    /// number tells.
    async fn publish(&mut self) {
        let mut pause = Duration::from_millis(25);
        loop {
            match self.try_publish().await {
                Ok(()) => {
                    if !self.is_publishing.swap(true, Ordering::Relaxed) {
                        tracing::info!("revocations are being published");
                    }
                    return;
                }
                Err(error) => {
                    self.connection = None;
                    if self.is_publishing.swap(false, Ordering::Relaxed) {
                        tracing::warn!(error = %chain(&*error), "revocations are not published");
                    } else {
                        tracing::debug!(error = %chain(&*error), "revocations are not published");
                    }
                }
            }
            tokio::time::sleep(with_jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    async fn try_publish(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let connection = if let Some(connection) = &mut self.connection {
            connection
        } else {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(TIMEOUT))
                .set_response_timeout(Some(TIMEOUT));
            let connect = self.client.get_multiplexed_async_connection_with_config(&config);
            let connection = tokio::time::timeout(TIMEOUT * 2, connect).await??;
            self.connection.insert(connection)
        };
        // Signed anew each time: an old message would not be heeded.
        let text = self.message.sign(&self.keys, self.clock.now());
        let publish = redis::cmd("PUBLISH").arg(CHANNEL).arg(text).to_owned();
        let () = tokio::time::timeout(TIMEOUT, publish.query_async(connection)).await??;
        Ok(())
    }
}

async fn until(stopped: &mut watch::Receiver<bool>) {
    // An error means that the publisher was dropped, and so is this.
    let _gone = stopped.wait_for(|stopped| *stopped).await;
}
