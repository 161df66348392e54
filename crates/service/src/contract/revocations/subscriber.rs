//! The gateway's end: hears revocations, and knows whether it would. It is listening as long as it
//! hears from at least as many account services as there are: one that is cut off from Redis could
//! revoke without being heard.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use redis::Client;
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{CHANNEL, HEARTBEAT, Revocation, Revocations, message::Message};
use crate::{clock::Clock, contract::identity::Keys, http::problem::chain, jitter::with_jitter};

/// Silence after which an account service is no longer heard. With what Redis and this process may
/// need, less than the second within which a revoked token must be refused.
const SILENCE_MAX: Duration = HEARTBEAT.saturating_mul(3);
/// How long Redis may take for a connection, and for the subscription.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Revocations that a cache may be behind before it must forget everything.
const KEPT: usize = 4096;
/// Account services heard at once; only a holder of a key could make them more.
const PUBLISHERS_MAX: usize = 1024;

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Subscriber {
    revocations: broadcast::Sender<Revocation>,
    listening: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

struct Task {
    client: Client,
    keys: Keys,
    clock: Clock,
    publishers: Arc<AtomicUsize>,
    revocations: broadcast::Sender<Revocation>,
    listening: watch::Sender<bool>,
}

/// An account service that is heard.
struct Publisher {
    sequence: u64,
    heard_at: Instant,
}

impl Subscriber {
    /// Starts to listen, inside a tokio runtime. `publishers` is how many account services there
    /// are at the moment; at least one is expected.
    pub fn start(client: Client, keys: Keys, publishers: Arc<AtomicUsize>, clock: Clock) -> Self {
        let revocations = broadcast::channel(KEPT).0;
        let (listening, watched) = watch::channel(false);
        let task =
            Task { client, keys, clock, publishers, revocations: revocations.clone(), listening };
        Self { revocations, listening: watched, task: tokio::spawn(task.run()) }
    }

    /// What is heard from now on.
    pub fn revocations(&self) -> Revocations {
        let mut listening = self.listening.clone();
        // Whoever begins now has nothing to forget.
        listening.mark_unchanged();
        Revocations::remote(self.revocations.subscribe(), listening)
    }

    /// Whether all account services are heard.
    pub fn is_listening(&self) -> bool {
        *self.listening.borrow()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Task {
    async fn run(self) {
        let mut pause = Duration::from_millis(50);
        loop {
            let began = Instant::now();
            let error = match self.listen().await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            let was_listening = self.listening.send_if_modified(std::mem::take);
            if was_listening {
                tracing::warn!(
                    error = %chain(&*error),
                    "revocations are not heard: tokens are remembered for a shorter time"
                );
            } else {
                tracing::debug!(error = %chain(&*error), "revocations are not heard");
            }
            let was_short = began.elapsed() < SILENCE_MAX;
            pause = if was_short { (pause * 2).min(TIMEOUT) } else { Duration::from_millis(50) };
            tokio::time::sleep(with_jitter(pause)).await;
        }
    }

    /// Subscribes, and hears until that ends or nobody is heard any more.
    async fn listen(
        &self,
    ) -> Result<std::convert::Infallible, Box<dyn std::error::Error + Send + Sync>> {
        let mut subscription = timeout(TIMEOUT, self.client.get_async_pubsub()).await??;
        timeout(TIMEOUT, subscription.subscribe(CHANNEL)).await??;
        let mut messages = subscription.into_on_message();
        let mut publishers = HashMap::new();
        let mut silent_at = Instant::now() + SILENCE_MAX;
        loop {
            match tokio::time::timeout_at(silent_at, messages.next()).await {
                Ok(Some(message)) => self.hear(message.get_payload_bytes(), &mut publishers),
                Ok(None) => return Err("the subscription broke off".into()),
                Err(_) => {}
            }
            let now = Instant::now();
            let before = publishers.len();
            publishers.retain(|_, publisher| publisher.heard_at + SILENCE_MAX > now);
            let some_fell_silent = publishers.len() < before;
            let publishers_min = self.publishers.load(Ordering::Relaxed).max(1);
            self.set_listening(publishers.len() >= publishers_min, some_fell_silent);
            match publishers.values().map(|publisher| publisher.heard_at).min() {
                Some(heard_at) => silent_at = heard_at + SILENCE_MAX,
                None if now >= silent_at => return Err("no account service is heard".into()),
                None => {}
            }
        }
    }

    /// Passes on what a message says, unless it is not one of ours or was heard before.
    fn hear(&self, payload: &[u8], publishers: &mut HashMap<String, Publisher>) {
        let message = match Message::verify(payload, &self.keys, self.clock.now()) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(error = %chain(&error), "a message was not heeded");
                return;
            }
        };
        let before = match publishers.get(&message.publisher) {
            Some(known) if message.sequence < known.sequence => return,
            Some(known) => known.sequence,
            None if publishers.len() >= PUBLISHERS_MAX => return,
            None => 0,
        };
        let publisher = Publisher { sequence: message.sequence, heard_at: Instant::now() };
        publishers.insert(message.publisher, publisher);
        for token in message.revoked {
            let _nobody_caches = self.revocations.send(Revocation(token));
        }
        let is_gap = before > 0 && message.sequence > before + 1;
        if message.missed || is_gap {
            tracing::warn!("revocations were missed: all tokens are asked for anew");
            self.forget_everything();
        }
    }

    fn set_listening(&self, is_listening: bool, some_fell_silent: bool) {
        let was_listening = *self.listening.borrow();
        if was_listening != is_listening {
            self.listening.send_replace(is_listening);
            if is_listening {
                tracing::info!("revocations are heard");
            } else {
                tracing::warn!(
                    "an account service is not heard: tokens are remembered for a shorter time"
                );
            }
        } else if some_fell_silent {
            self.forget_everything();
        }
    }

    fn forget_everything(&self) {
        self.listening.send_modify(|_same| {});
    }
}
