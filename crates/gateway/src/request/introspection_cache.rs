//! Whose a token is, asked of the account service and remembered for seconds. Only a yes is
//! remembered, never past the end of the token, and never across a revocation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use service::{
    clock::Clock,
    contract::{
        identity::Identity,
        introspection::{Introspection, IntrospectionUnavailable, Revocation, TokenDigest},
    },
};
use tokio::sync::{
    Mutex,
    broadcast::{Receiver, error::RecvError},
};

use crate::config::Config;

/// Introspection with a memory.
pub(crate) struct IntrospectionCache {
    introspection: Arc<dyn Introspection>,
    clock: Clock,
    life: Duration,
    timeout: Duration,
    entries: Cache<TokenDigest, Entry>,
    /// Revocations heard so far. A yes that was asked for before one and arrives after it is not
    /// kept.
    revocations: AtomicU64,
    /// Raised to forget everything at once: entries of an earlier epoch do not count.
    epoch: AtomicU64,
    /// Nobody would tell of revocations any more, so nothing is remembered any more.
    is_deaf: AtomicBool,
    /// Whoever asks for a token holds the turn of its first byte, so that the requests of a busy
    /// token ask once, and the others find the answer in the cache.
    turns: Box<[Mutex<()>; 256]>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    identity: Identity,
    epoch: u64,
    /// By the monotonic clock.
    fresh_until: Duration,
}

impl IntrospectionCache {
    pub(crate) fn new(
        config: &Config,
        introspection: Arc<dyn Introspection>,
        clock: Clock,
    ) -> Self {
        let entries = Cache::builder()
            .max_capacity(config.introspection_cache_tokens_max)
            // Only gives memory back: whether an entry counts is decided here, by our clock.
            .time_to_live(config.introspection_cache_life)
            .build();
        Self {
            introspection,
            clock,
            life: config.introspection_cache_life,
            timeout: config.introspection_timeout,
            entries,
            revocations: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            is_deaf: AtomicBool::new(false),
            turns: Box::new(std::array::from_fn(|_| Mutex::new(()))),
        }
    }

    /// Whose token this is, or `None` if it is not valid.
    pub(crate) async fn identify(
        &self,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        if let Some(identity) = self.recall(token) {
            return Ok(Some(identity));
        }
        let asked = tokio::time::timeout(self.timeout, self.ask(token)).await;
        asked.unwrap_or_else(|_| Err(IntrospectionUnavailable("no answer in time".into())))
    }

    /// Hears revocations until nobody can send any more.
    pub(crate) async fn listen(self: Arc<Self>, mut revocations: Receiver<Revocation>) {
        loop {
            match revocations.recv().await {
                Ok(Revocation(token)) => self.forget(token),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(
                        missed,
                        "revocations were missed: all tokens are asked for anew"
                    );
                    self.forget_everything();
                }
                Err(RecvError::Closed) => {
                    tracing::warn!("revocations have ended: tokens are no longer remembered");
                    self.is_deaf.store(true, Ordering::SeqCst);
                    return;
                }
            }
        }
    }

    fn recall(&self, token: TokenDigest) -> Option<Identity> {
        let entry = self.entries.get(&token)?;
        let counts = entry.epoch == self.epoch.load(Ordering::SeqCst)
            && !self.is_deaf.load(Ordering::SeqCst)
            && self.clock.monotonic() < entry.fresh_until
            && self.clock.now() < entry.identity.expires_at;
        counts.then_some(entry.identity)
    }

    async fn ask(&self, token: TokenDigest) -> Result<Option<Identity>, IntrospectionUnavailable> {
        if !self.remembers() {
            return self.introspect(token).await;
        }
        let _turn = self.turns[usize::from(token.0[0])].lock().await;
        if let Some(identity) = self.recall(token) {
            return Ok(Some(identity));
        }
        let revocations = self.revocations.load(Ordering::SeqCst);
        let epoch = self.epoch.load(Ordering::SeqCst);
        let fresh_until = self.clock.monotonic().saturating_add(self.life);
        let identity = self.introspect(token).await?;
        if let Some(identity) = identity {
            self.entries.insert(token, Entry { identity, epoch, fresh_until });
            // Whoever revokes raises the count first and removes the entry afterwards. So either
            // the count has changed here, or the removal finds the entry: in both cases it goes.
            if self.revocations.load(Ordering::SeqCst) != revocations {
                self.entries.invalidate(&token);
            }
        }
        Ok(identity)
    }

    async fn introspect(
        &self,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        let identity = self.introspection.introspect(token).await?;
        Ok(identity.filter(|identity| self.clock.now() < identity.expires_at))
    }

    fn remembers(&self) -> bool {
        !self.life.is_zero() && !self.is_deaf.load(Ordering::SeqCst)
    }

    fn forget(&self, token: TokenDigest) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(&token);
    }

    fn forget_everything(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
