//! Whose a token is, asked of the account service and remembered for seconds. Only a yes is
//! remembered, never past the end of the token, and never across a revocation, which also those
//! heed who wait. While revocations are not heard, a yes serves those who come within less than the
//! second within which one must take effect.
//! A token in use is asked for again before its time is over, so that its requests need not wait;
//! those that must wait share one question, and hear its answer all at once.

mod revoked;

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
use tokio::sync::{Semaphore, watch};

use self::revoked::{Revoked, Since};
use crate::{config::Config, metrics::IntrospectionMetrics};

/// Longest life of a yes while revocations are not heard.
const UNHEARD_LIFE_MAX: Duration = Duration::from_millis(500);

/// A yes that is used when so many quarters of its life are over is asked for again.
const QUARTERS_BEFORE_REFRESH: u32 = 3;

/// Questions to the account service at once; more wait.
const QUESTIONS_MAX: usize = 256;

/// Introspection with a memory.
pub(crate) struct IntrospectionCache {
    introspection: Arc<dyn Introspection>,
    clock: Clock,
    life: Duration,
    timeout: Duration,
    metrics: IntrospectionMetrics,
    entries: Cache<TokenDigest, Arc<Entry>>,
    /// What was revoked lately. A yes that was asked for before that does not count.
    revoked: Revoked,
    /// Raised to forget everything at once: entries of an earlier epoch do not count.
    epoch: AtomicU64,
    /// Revocations are heard. Otherwise a yes counts for a shorter time.
    is_listening: AtomicBool,
    /// Nobody would tell of revocations any more, so nothing is remembered any more.
    is_deaf: AtomicBool,
    /// What is being asked at the moment.
    questions: Mutex<HashMap<TokenDigest, Question>>,
    places: Semaphore,
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
    /// How many revocations had been heard.
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
            revoked: Revoked::default(),
            epoch: AtomicU64::new(0),
            // Until the first word of whoever listens.
            is_listening: AtomicBool::new(false),
            is_deaf: AtomicBool::new(false),
            questions: Mutex::default(),
            places: Semaphore::new(QUESTIONS_MAX),
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
                // What was remembered while nothing was heard does not get a longer life.
                Event::Listening(true) => {
                    self.forget_everything();
                    self.set_listening(true);
                }
                Event::Listening(false) => {
                    self.set_listening(false);
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
        // In this order: a longer life begins after everything was forgotten.
        let ends_at = asked.at.saturating_add(self.life());
        asked.epoch == self.epoch.load(Ordering::SeqCst) && self.clock.monotonic() < ends_at
    }

    /// Whether it is time, and nobody else has begun.
    fn is_to_be_refreshed(&self, entry: &Entry) -> bool {
        let from = entry.asked.at.saturating_add(self.life() / 4 * QUARTERS_BEFORE_REFRESH);
        self.clock.monotonic() >= from && !entry.is_refreshed.swap(true, Ordering::Relaxed)
    }

    /// Waits for the answer to a question that is being asked already, or asks it. A yes that was
    /// overtaken by a revocation of the token is asked for again: a secret of a key that was
    /// rotated has another end now. If revocations were missed, what was asked after this request
    /// came still counts for it; nothing else does, so that it asks again, once.
    async fn hear(
        self: &Arc<Self>,
        token: TokenDigest,
    ) -> Result<Option<Identity>, IntrospectionUnavailable> {
        let broke_off = || IntrospectionUnavailable("the question broke off".into());
        let arrived = self.clock.monotonic();
        loop {
            let (asked, mut answer) = self.join_or_ask(token);
            let heard = answer.wait_for(Option::is_some).await.map_err(|_| broke_off())?.clone();
            let answer = heard.ok_or_else(broke_off)?;
            match answer.map_err(|why| IntrospectionUnavailable((*why).into()))? {
                Some(identity) => match self.revoked_since(token, asked) {
                    Since::No => return Ok(Some(identity)),
                    Since::Unknown if asked.at >= arrived => return Ok(Some(identity)),
                    Since::Yes | Since::Unknown => {}
                },
                None => return Ok(None),
            }
        }
    }

    /// The answer that is on its way, or will be, and when it was asked for. Whoever comes after a
    /// revocation, or so late that the answer would not be kept, does not take what was asked
    /// before: then it is asked anew.
    fn join_or_ask(self: &Arc<Self>, token: TokenDigest) -> (Asked, watch::Receiver<Answer>) {
        let asked = Asked {
            at: self.clock.monotonic(),
            epoch: self.epoch.load(Ordering::SeqCst),
            revocations: self.revoked.count(),
        };
        let mut questions = self.questions();
        if let Some(question) = questions.get(&token)
            && self.is_recent(question.asked)
            && self.revoked_since(token, question.asked) == Since::No
        {
            self.metrics.hits.inc();
            return (question.asked, question.answer.clone());
        }
        let (tell, answer) = watch::channel(None);
        questions.insert(token, Question { asked, answer: answer.clone() });
        // By itself, so that whoever asked first may go without leaving the others alone.
        tokio::spawn(carried(Arc::clone(self).answer(token, asked, tell)));
        (asked, answer)
    }

    /// Whether the token was revoked since something was asked.
    fn revoked_since(&self, token: TokenDigest, asked: Asked) -> Since {
        if asked.epoch == self.epoch.load(Ordering::SeqCst) {
            self.revoked.since(token, asked.revocations)
        } else {
            Since::Unknown
        }
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
        // Whoever revokes notes it first and removes the entry afterwards. So either it is noted
        // here, or the removal finds the entry: in both cases it goes.
        let may_count = || self.revoked_since(token, asked) == Since::No;
        match *answer {
            Ok(Some(identity)) if may_count() => {
                let entry = Entry { identity, asked, is_refreshed: AtomicBool::new(false) };
                self.entries.insert(token, Arc::new(entry));
                if !may_count() {
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
        let asking = async {
            let _place = self.places.acquire().await.expect("the semaphore is never closed");
            self.metrics.misses.inc();
            self.introspection.introspect(token).await
        };
        let asked = tokio::time::timeout(self.timeout, asking).await;
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
        self.revoked.note(token);
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
