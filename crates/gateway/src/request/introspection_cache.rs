//! Whose a token is, asked of the account service and remembered for seconds. Only a yes is
//! remembered, never past the end of the token, and never across a revocation. While revocations
//! are not heard, a yes is remembered for less than the second within which one must take effect.
//! A token in use is asked for again before its time is over, so that its requests need not wait;
//! those that must wait share one question, and hear its answer all at once.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
    trace::{Span, carried},
};
use tokio::sync::watch;

use crate::{config::Config, metrics::IntrospectionMetrics};

/// Longest life of a yes while revocations are not heard.
const UNHEARD_LIFE_MAX: Duration = Duration::from_millis(500);

/// A yes that is used when so many quarters of its life are over is asked for again.
const QUARTERS_BEFORE_REFRESH: u32 = 3;

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
    /// What is being asked at the moment.
    questions: Mutex<HashMap<TokenDigest, Question>>,
}

/// What is heard of a question: nothing yet, or whose the token is, or why nobody knows.
type Answer = Option<Result<Option<Identity>, Arc<str>>>;

/// A question that is not answered yet.
struct Question {
    asked: Asked,
    answer: watch::Receiver<Answer>,
}

/// What was known when something was asked.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// By the monotonic clock.
    at: Duration,
    epoch: u64,
    revocations: u64,
}

#[derive(Debug)]
struct Entry {
    identity: Identity,
    asked: Asked,
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
            questions: Mutex::default(),
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
                // Nobody waits for the answer.
                drop(self.join_or_ask(token));
            }
            return Ok(Some(entry.identity));
        }
        // In a box, because it is rare, and large beside what a request needs otherwise.
        Box::pin(self.ask(token)).await
    }

    async fn ask(
        self: &Arc<Self>,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        let span = Span::child("introspect");
        let answer = if self.remembers() {
            span.run(pin!(self.hear(token))).await
        } else {
            span.run(pin!(self.introspect(token))).await
        };
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
        let entry = self.entries.get(&token)?;
        let counts = self.is_recent(entry.asked)
            && !self.is_deaf.load(Ordering::SeqCst)
            && self.clock.now() < entry.identity.expires_at;
        counts.then_some(entry)
    }

    /// Whether an answer to what was asked then counts: its life is not over, and what was known
    /// then was not forgotten.
    fn is_recent(&self, asked: Asked) -> bool {
        asked.epoch == self.epoch.load(Ordering::SeqCst)
            && self.clock.monotonic() < asked.at.saturating_add(self.life())
    }

    /// Whether it is time, and nobody else has begun.
    fn is_to_be_refreshed(&self, entry: &Entry) -> bool {
        let from = entry.asked.at.saturating_add(self.life() / 4 * QUARTERS_BEFORE_REFRESH);
        self.clock.monotonic() >= from && !entry.is_refreshed.swap(true, Ordering::Relaxed)
    }

    /// Waits for the answer to a question that somebody has asked already, or asks.
    async fn hear(
        self: &Arc<Self>,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        let mut answer = self.join_or_ask(token);
        let broke_off = || IntrospectionUnavailable("the question broke off".into());
        let heard = answer.wait_for(Option::is_some).await.map_err(|_| broke_off())?.clone();
        heard.ok_or_else(broke_off)?.map_err(|why| IntrospectionUnavailable((*why).into()))
    }

    /// The answer that is on its way, or will be. Whoever comes after a revocation, or so late that
    /// the answer would not be kept, does not take what was asked before: then it is asked anew.
    fn join_or_ask(self: &Arc<Self>, token: TokenDigest) -> watch::Receiver<Answer> {
        let asked = Asked {
            at: self.clock.monotonic(),
            epoch: self.epoch.load(Ordering::SeqCst),
            revocations: self.revocations.load(Ordering::SeqCst),
        };
        let mut questions = self.questions();
        if let Some(question) = questions.get(&token)
            && question.asked.revocations == asked.revocations
            && self.is_recent(question.asked)
        {
            self.metrics.hits.inc();
            return question.answer.clone();
        }
        let (tell, answer) = watch::channel(None);
        questions.insert(token, Question { asked, answer: answer.clone() });
        // By itself, so that whoever asked first may go without leaving the others alone.
        tokio::spawn(carried(Arc::clone(self).answer(token, asked, tell)));
        answer
    }

    async fn answer(
        self: Arc<Self>,
        token: TokenDigest,
        asked: Asked,
        tell: watch::Sender<Answer>,
    ) {
        let answered = Answered { cache: &self, token, tell: &tell };
        let answer = self.introspect(token).await;
        self.keep(token, asked, &answer);
        // Whoever comes from now on finds what was kept.
        drop(answered);
        let answer = answer.map_err(|error| Arc::from(chain(&*error.0)));
        // An error means that nobody waits.
        let _nobody_waits = tell.send(Some(answer));
    }

    fn keep(
        &self,
        token: TokenDigest,
        asked: Asked,
        answer: &Result<Option<Identity>, IntrospectionUnavailable>,
    ) {
        // Whoever revokes raises the count first and removes the entry afterwards. So either the
        // count has changed here, or the removal finds the entry: in both cases it goes.
        let is_revoked = || self.revocations.load(Ordering::SeqCst) != asked.revocations;
        match *answer {
            Ok(Some(identity)) if !is_revoked() => {
                let entry = Entry { identity, asked, is_refreshed: AtomicBool::new(false) };
                self.entries.insert(token, Arc::new(entry));
                if is_revoked() {
                    self.entries.invalidate(&token);
                }
            }
            Ok(None) => self.entries.invalidate(&token),
            // What was known before counts until its life is over, unless it was this that was
            // revoked: then it is gone already.
            Ok(Some(_)) | Err(_) => {}
        }
    }

    fn questions(&self) -> MutexGuard<'_, HashMap<TokenDigest, Question>> {
        // Nothing panics while it is held, and each change is complete in itself.
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn introspect(
        &self,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        self.metrics.misses.inc();
        let asked = tokio::time::timeout(self.timeout, self.introspection.introspect(token)).await;
        let answer =
            asked.unwrap_or_else(|_| Err(IntrospectionUnavailable("no answer in time".into())));
        if answer.is_err() {
            self.metrics.failures.inc();
        }
        Ok(answer?.filter(|identity| self.clock.now() < identity.expires_at))
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

/// Takes a question off the list when it is answered, or its answer broke off, unless it was asked
/// anew meanwhile.
struct Answered<'a> {
    cache: &'a IntrospectionCache,
    token: TokenDigest,
    tell: &'a watch::Sender<Answer>,
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        let mut questions = self.cache.questions();
        let mine = self.tell.subscribe();
        if questions.get(&self.token).is_some_and(|question| question.answer.same_channel(&mine)) {
            questions.remove(&self.token);
        }
    }
}

#[cfg(test)]
mod tests;
