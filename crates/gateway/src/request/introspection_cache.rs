//! Whose a token is, asked of the account service and remembered for seconds. Only a yes is
//! remembered, never past the end of the token, and never across a revocation. While revocations
//! are not heard, a yes is remembered for less than the second within which one must take effect.
//! A token in use is asked for again before its time is over, so that its requests need not wait.

use std::{
    pin::pin,
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
        introspection::{Introspection, IntrospectionUnavailable, TokenDigest},
        revocations::{Event, Revocations},
    },
    http::problem::chain,
    trace::Span,
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{config::Config, metrics::IntrospectionMetrics};

/// Longest life of a yes while revocations are not heard.
const UNHEARD_LIFE_MAX: Duration = Duration::from_millis(500);

/// A yes that is used when no more than one part in so many of its life is left is asked for again.
const REFRESHED_PART: u32 = 4;

/// Introspection with a memory.
pub(crate) struct IntrospectionCache {
    introspection: Arc<dyn Introspection>,
    clock: Clock,
    life: Duration,
    timeout: Duration,
    metrics: IntrospectionMetrics,
    entries: Cache<TokenDigest, Arc<Entry>>,
    /// Revocations heard so far. A yes that was asked for before one and arrives after it is not
    /// kept.
    revocations: AtomicU64,
    /// Raised to forget everything at once: entries of an earlier epoch do not count.
    epoch: AtomicU64,
    /// Revocations are heard. Otherwise a yes counts for a shorter time.
    is_listening: AtomicBool,
    /// Nobody would tell of revocations any more, so nothing is remembered any more.
    is_deaf: AtomicBool,
    /// Whoever asks for a token holds the turn of its first byte, so that the requests of a busy
    /// token ask once, and the others find the answer in the cache.
    turns: Box<[Mutex<()>; 256]>,
}

#[derive(Debug)]
struct Entry {
    identity: Identity,
    epoch: u64,
    /// By the monotonic clock.
    asked_at: Duration,
    /// Somebody has begun to ask again.
    is_refreshed: AtomicBool,
}

impl IntrospectionCache {
    pub(crate) fn new(
        config: &Config,
        introspection: Arc<dyn Introspection>,
        clock: Clock,
        metrics: IntrospectionMetrics,
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
            metrics,
            entries,
            revocations: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            // Until the first word of whoever listens.
            is_listening: AtomicBool::new(false),
            is_deaf: AtomicBool::new(false),
            turns: Box::new(std::array::from_fn(|_| Mutex::new(()))),
        }
    }

    /// Whose token this is, or `None` if it is not valid.
    pub(crate) async fn identify(
        self: &Arc<Self>,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        if let Some(entry) = self.find(token) {
            self.metrics.hits.inc();
            if self.is_to_be_refreshed(&entry) {
                tokio::spawn(Arc::clone(self).refresh(token));
            }
            return Ok(Some(entry.identity));
        }
        // In a box, because it is rare, and large beside what a request needs otherwise.
        Box::pin(self.ask_in_time(token)).await
    }

    async fn ask_in_time(
        &self,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        let span = Span::child("introspect");
        let asking = pin!(self.in_time(self.ask(token)));
        let answer = span.run(asking).await;
        if answer.is_err() {
            span.fail("unavailable");
        }
        answer
    }

    /// Hears revocations until nobody can send any more.
    pub(crate) async fn listen(self: Arc<Self>, mut revocations: Revocations) {
        self.set_listening(revocations.is_listening());
        loop {
            match revocations.next().await {
                Event::Revoked(token) => self.forget(token),
                Event::Missed => {
                    tracing::warn!("revocations were missed: all tokens are asked for anew");
                    self.forget_everything();
                }
                Event::Listening(is_listening) => {
                    self.set_listening(is_listening);
                    self.forget_everything();
                }
                Event::Ended => {
                    tracing::warn!("revocations have ended: tokens are no longer remembered");
                    self.set_listening(false);
                    self.is_deaf.store(true, Ordering::SeqCst);
                    return;
                }
            }
        }
    }

    /// Whose token this is, if that is known without asking.
    pub(crate) fn recall(&self, token: TokenDigest) -> Option<Identity> {
        self.find(token).map(|entry| entry.identity)
    }

    /// A yes whose life is not over.
    fn find(&self, token: TokenDigest) -> Option<Arc<Entry>> {
        let ends_at = |entry: &Arc<Entry>| entry.asked_at.saturating_add(self.life());
        self.valid(token).filter(|entry| self.clock.monotonic() < ends_at(entry))
    }

    /// A yes, however old, if nothing that is known speaks against it.
    fn valid(&self, token: TokenDigest) -> Option<Arc<Entry>> {
        let entry = self.entries.get(&token)?;
        let counts = entry.epoch == self.epoch.load(Ordering::SeqCst)
            && !self.is_deaf.load(Ordering::SeqCst)
            && self.clock.now() < entry.identity.expires_at;
        counts.then_some(entry)
    }

    /// Whether it is time, and nobody else has begun.
    fn is_to_be_refreshed(&self, entry: &Entry) -> bool {
        let life = self.life();
        let from = entry.asked_at.saturating_add(life - life / REFRESHED_PART);
        self.clock.monotonic() >= from && !entry.is_refreshed.swap(true, Ordering::Relaxed)
    }

    /// Asks again while the old answer still counts. If there is no answer, nothing has changed.
    async fn refresh(self: Arc<Self>, token: TokenDigest) {
        let asking = async {
            let _turn = self.turn(token).await;
            self.ask_in_turn(token).await
        };
        if let Err(error) = self.in_time(asking).await {
            tracing::debug!(error = %chain(&error), "a token could not be asked for again");
        }
    }

    async fn ask(&self, token: TokenDigest) -> Result<Option<Identity>, IntrospectionUnavailable> {
        if !self.remembers() {
            return self.introspect(token).await;
        }
        let arrived = self.clock.monotonic();
        let _turn = self.turn(token).await;
        // Whoever waited takes an answer that was asked for meanwhile, even if it came so late that
        // its life is over: to ask anew would have those behind wait as long again, one by one.
        if let Some(entry) = self.valid(token)
            && (entry.asked_at >= arrived || self.find(token).is_some())
        {
            self.metrics.hits.inc();
            return Ok(Some(entry.identity));
        }
        self.ask_in_turn(token).await
    }

    async fn turn(&self, token: TokenDigest) -> MutexGuard<'_, ()> {
        self.turns[usize::from(token.0[0])].lock().await
    }

    async fn ask_in_turn(
        &self,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        let revocations = self.revocations.load(Ordering::SeqCst);
        let epoch = self.epoch.load(Ordering::SeqCst);
        let asked_at = self.clock.monotonic();
        let Some(identity) = self.introspect(token).await? else {
            self.entries.invalidate(&token);
            return Ok(None);
        };
        let entry = Entry { identity, epoch, asked_at, is_refreshed: AtomicBool::new(false) };
        self.entries.insert(token, Arc::new(entry));
        // Whoever revokes raises the count first and removes the entry afterwards. So either the
        // count has changed here, or the removal finds the entry: in both cases it goes.
        if self.revocations.load(Ordering::SeqCst) != revocations {
            self.entries.invalidate(&token);
        }
        Ok(Some(identity))
    }

    async fn introspect(
        &self,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        self.metrics.misses.inc();
        let identity = self.introspection.introspect(token).await?;
        Ok(identity.filter(|identity| self.clock.now() < identity.expires_at))
    }

    async fn in_time(
        &self,
        asking: impl Future<Output = Result<Option<Identity>, IntrospectionUnavailable>>,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        let asked = tokio::time::timeout(self.timeout, asking).await;
        let answer =
            asked.unwrap_or_else(|_| Err(IntrospectionUnavailable("no answer in time".into())));
        if answer.is_err() {
            self.metrics.failures.inc();
        }
        answer
    }

    fn remembers(&self) -> bool {
        !self.life.is_zero() && !self.is_deaf.load(Ordering::SeqCst)
    }

    fn set_listening(&self, is_listening: bool) {
        self.is_listening.store(is_listening, Ordering::SeqCst);
        self.metrics.is_listening.set(is_listening.into());
    }

    fn life(&self) -> Duration {
        let is_listening = self.is_listening.load(Ordering::SeqCst);
        if is_listening { self.life } else { self.life.min(UNHEARD_LIFE_MAX) }
    }

    fn forget(&self, token: TokenDigest) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(&token);
    }

    fn forget_everything(&self) {
        self.metrics.forgotten.inc();
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
