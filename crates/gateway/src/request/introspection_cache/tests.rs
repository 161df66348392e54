//! The cache against an account service in miniature, on a clock that is held. The races are played
//! out step by step: the service can be made to wait in the middle of an answer.

use std::{
    collections::HashMap,
    sync::{Mutex as StdMutex, atomic::AtomicUsize},
    task::Poll,
};

use service::{BoxFuture, clock::Timestamp, contract::revocations::Revocation};
use tokio::sync::{Semaphore, broadcast, watch};

use super::*;

/// Tokens and whose they are. Every answer takes a permit between reading and telling.
struct Tokens {
    valid: StdMutex<HashMap<TokenDigest, Identity>>,
    asked: AtomicUsize,
    permits: Semaphore,
    revocations: broadcast::Sender<Revocation>,
}

impl Introspection for Tokens {
    fn introspect(
        &self,
        token: TokenDigest,
    ) -> BoxFuture<'_, Result<Option<Identity>, IntrospectionUnavailable>> {
        Box::pin(async move {
            let found = self.valid.lock().unwrap().get(&token).copied();
            self.asked.fetch_add(1, Ordering::SeqCst);
            match self.permits.acquire().await {
                Ok(permit) => permit.forget(),
                Err(closed) => return Err(IntrospectionUnavailable(closed.into())),
            }
            Ok(found)
        })
    }

    fn account_exists(
        &self,
        account_id: i64,
    ) -> BoxFuture<'_, Result<bool, IntrospectionUnavailable>> {
        Box::pin(async move { Ok(account_id < 10_000) })
    }

    fn revocations(&self) -> Revocations {
        Revocations::local(self.revocations.subscribe())
    }
}

impl Tokens {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

const END: Timestamp = Timestamp::from_micros(1_000_000_000);

fn token() -> TokenDigest {
    TokenDigest::of("a")
}

fn identity() -> Identity {
    Identity::person(7, 8, END)
}

/// A cache over one valid token, with `permits` answers that need not wait.
fn start(permits: usize, config: &Config) -> (Arc<Tokens>, Arc<IntrospectionCache>, Clock) {
    let tokens = Arc::new(Tokens {
        valid: StdMutex::new(HashMap::from([(token(), identity())])),
        asked: AtomicUsize::new(0),
        permits: Semaphore::new(permits),
        revocations: broadcast::channel(2).0,
    });
    let clock = Clock::held(Timestamp::from_micros(0));
    let introspection: Arc<dyn Introspection> = tokens.clone();
    let metrics = IntrospectionMetrics::default();
    let cache = IntrospectionCache::new(config, introspection, clock.clone(), metrics);
    cache.set_listening(true);
    let cache = Arc::new(cache);
    (tokens, cache, clock)
}

async fn identify(cache: &Arc<IntrospectionCache>) -> Option<Identity> {
    cache.identify(token()).await.unwrap()
}

#[tokio::test]
async fn a_yes_is_remembered_for_its_life() {
    let (tokens, cache, clock) = start(100, &Config::default());
    for _ in 0..3 {
        assert_eq!(identify(&cache).await, Some(identity()));
    }
    assert_eq!(tokens.asked(), 1);
    clock.advance(Duration::from_micros(4_999_999));
    assert_eq!(cache.recall(token()), Some(identity()));
    clock.advance(Duration::from_micros(1));
    assert_eq!(cache.recall(token()), None);
    identify(&cache).await;
    assert_eq!(tokens.asked(), 2);
}

/// A refresh goes on beside the request that began it.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_in_use_is_asked_for_again_before_its_life_is_over() {
    let (tokens, cache, clock) = start(1, &Config::default());
    identify(&cache).await;
    clock.advance(Duration::from_micros(3_749_999));
    identify(&cache).await;
    tokio::task::yield_now().await;
    assert_eq!(tokens.asked(), 1);
    clock.advance(Duration::from_micros(1));
    for _ in 0..3 {
        assert_eq!(identify(&cache).await, Some(identity()));
    }
    until(|| tokens.asked() == 2).await;
    // Nobody waits for the answer, and nobody else asks.
    assert_eq!(identify(&cache).await, Some(identity()));
    tokens.permits.add_permits(1);
    let refreshed = || cache.find(token()).is_some_and(|entry| !entry.asked.at.is_zero());
    until(refreshed).await;
    clock.advance(Duration::from_secs(3));
    assert_eq!(identify(&cache).await, Some(identity()));
    assert_eq!(tokens.asked(), 2);
}

#[tokio::test]
async fn a_no_to_who_asks_again_takes_effect_at_once() {
    let (tokens, cache, clock) = start(100, &Config::default());
    identify(&cache).await;
    tokens.valid.lock().unwrap().clear();
    clock.advance(Duration::from_secs(4));
    assert_eq!(identify(&cache).await, Some(identity()));
    until(|| cache.recall(token()).is_none()).await;
    assert_eq!(identify(&cache).await, None);
}

#[tokio::test]
async fn silence_to_who_asks_again_changes_nothing_while_the_answer_counts() {
    let (tokens, cache, clock) = start(1, &Config::default());
    identify(&cache).await;
    tokens.permits.close();
    clock.advance(Duration::from_secs(4));
    assert_eq!(identify(&cache).await, Some(identity()));
    until(|| cache.metrics.failures.get() == 1).await;
    assert_eq!(identify(&cache).await, Some(identity()));
    clock.advance(Duration::from_secs(1));
    assert!(cache.identify(token()).await.is_err());
}

#[tokio::test]
async fn who_waits_for_an_answer_takes_it_however_late_it_comes() {
    let (tokens, cache, clock) = start(0, &Config::default());
    let first = ask_half(&tokens, &cache).await;
    clock.advance(Duration::from_millis(4_999));
    let mut second = Box::pin(cache.identify(token()));
    assert!(poll_once(second.as_mut()).await.is_pending());
    // For whoever comes now, the answer to the first question would be too old.
    clock.advance(Duration::from_millis(1));
    let mut third = Box::pin(cache.identify(token()));
    assert!(poll_once(third.as_mut()).await.is_pending());
    until(|| tokens.asked() == 2).await;
    clock.advance(Duration::from_mins(1));
    tokens.permits.add_permits(100);
    assert_eq!(first.await.unwrap(), Some(identity()));
    assert_eq!(second.await.unwrap(), Some(identity()));
    assert_eq!(third.await.unwrap(), Some(identity()));
    assert!(cache.questions().is_empty());
    assert_eq!(identify(&cache).await, Some(identity()));
    assert_eq!(tokens.asked(), 3);
}

#[tokio::test]
async fn who_comes_after_a_revocation_does_not_take_what_was_asked_before() {
    let (tokens, cache, _) = start(0, &Config::default());
    let before = ask_half(&tokens, &cache).await;
    tokens.valid.lock().unwrap().clear();
    cache.forget(token());
    let mut after = Box::pin(cache.identify(token()));
    assert!(poll_once(after.as_mut()).await.is_pending());
    until(|| tokens.asked() == 2).await;
    tokens.permits.add_permits(3);
    assert_eq!(before.await.unwrap(), None);
    assert_eq!(after.await.unwrap(), None);
    assert_eq!(cache.recall(token()), None);
    assert!(cache.questions().is_empty());
}

async fn poll_once<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(pin!(&mut future).poll(context))).await
}

#[tokio::test]
async fn a_no_is_not_remembered() {
    let (tokens, cache, _) = start(100, &Config::default());
    tokens.valid.lock().unwrap().clear();
    assert_eq!(identify(&cache).await, None);
    tokens.valid.lock().unwrap().insert(token(), identity());
    assert_eq!(identify(&cache).await, Some(identity()));
}

#[tokio::test]
async fn a_token_does_not_outlive_its_end_in_the_cache_nor_in_an_answer() {
    let config = Config { introspection_cache_life: Duration::from_hours(1), ..Config::default() };
    let (tokens, cache, clock) = start(100, &config);
    clock.advance(Duration::from_micros(999_999_999));
    assert_eq!(identify(&cache).await, Some(identity()));
    clock.advance(Duration::from_micros(1));
    assert_eq!(identify(&cache).await, None);
    assert_eq!(tokens.asked(), 2);
}

#[tokio::test]
async fn a_revocation_takes_effect_before_the_life_is_over() {
    let (tokens, cache, _) = start(100, &Config::default());
    let listener = tokio::spawn(Arc::clone(&cache).listen(tokens.revocations()));
    assert_eq!(identify(&cache).await, Some(identity()));
    tokens.valid.lock().unwrap().clear();
    tokens.revocations.send(Revocation(TokenDigest::of("another"))).unwrap();
    tokens.revocations.send(Revocation(token())).unwrap();
    until(|| cache.revoked.count() == 2).await;
    assert_eq!(identify(&cache).await, None);
    listener.abort();
}

#[tokio::test]
async fn missed_revocations_forget_everything() {
    let (tokens, cache, _) = start(100, &Config::default());
    let receiver = tokens.revocations();
    assert_eq!(identify(&cache).await, Some(identity()));
    tokens.valid.lock().unwrap().clear();
    // The channel holds two: the revocation that matters is lost.
    for text in ["a", "b", "c"] {
        tokens.revocations.send(Revocation(TokenDigest::of(text))).unwrap();
    }
    let listener = tokio::spawn(Arc::clone(&cache).listen(receiver));
    while cache.epoch.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(identify(&cache).await, None);
    listener.abort();
}

#[tokio::test]
async fn without_a_teller_of_revocations_nothing_is_remembered() {
    let (tokens, cache, _) = start(100, &Config::default());
    identify(&cache).await;
    let (sender, receiver) = broadcast::channel(1);
    drop(sender);
    Arc::clone(&cache).listen(Revocations::local(receiver)).await;
    for asked in [2, 3] {
        assert_eq!(identify(&cache).await, Some(identity()));
        assert_eq!(tokens.asked(), asked);
    }
}

/// What a test tells the cache.
struct Told {
    listening: watch::Sender<bool>,
    _sender: broadcast::Sender<Revocation>,
}

/// Has the cache hear what a test says, until the test's end.
fn listen(cache: &Arc<IntrospectionCache>, is_listening: bool) -> Told {
    let (listening, watched) = watch::channel(is_listening);
    let (sender, receiver) = broadcast::channel(2);
    tokio::spawn(Arc::clone(cache).listen(Revocations::remote(receiver, watched)));
    Told { listening, _sender: sender }
}

impl Told {
    /// Says whether revocations are told, and waits until that is heard.
    async fn say(&self, cache: &IntrospectionCache, is_listening: bool) {
        let epoch = cache.epoch.load(Ordering::SeqCst);
        self.listening.send_replace(is_listening);
        while cache.epoch.load(Ordering::SeqCst) == epoch {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_was_remembered_is_forgotten_whenever_hearing_begins_or_ends() {
    let (tokens, cache, _) = start(100, &Config::default());
    let told = listen(&cache, true);
    for (asked, is_listening) in [(1, false), (2, true), (3, true), (4, false)] {
        for _ in 0..3 {
            assert_eq!(identify(&cache).await, Some(identity()));
            assert_eq!(tokens.asked(), asked);
        }
        told.say(&cache, is_listening).await;
    }
    assert_eq!(cache.metrics.hits.get(), 8);
    assert_eq!((cache.metrics.misses.get(), cache.metrics.forgotten.get()), (4, 4));
}

#[tokio::test]
async fn a_yes_has_a_shorter_life_while_revocations_are_not_heard() {
    let (tokens, cache, clock) = start(100, &Config::default());
    let told = listen(&cache, true);
    told.say(&cache, false).await;
    assert_eq!(cache.metrics.is_listening.get(), 0);
    identify(&cache).await;
    clock.advance(Duration::from_micros(499_999));
    assert_eq!(cache.recall(token()), Some(identity()));
    clock.advance(Duration::from_micros(1));
    identify(&cache).await;
    assert_eq!(tokens.asked(), 2);

    told.say(&cache, true).await;
    assert_eq!(cache.metrics.is_listening.get(), 1);
    identify(&cache).await;
    clock.advance(Duration::from_micros(4_999_999));
    assert_eq!(cache.recall(token()), Some(identity()));
    assert_eq!(tokens.asked(), 3);
}

#[tokio::test]
async fn the_short_life_never_lengthens_a_shorter_one() {
    let life = Duration::from_millis(100);
    let config = Config { introspection_cache_life: life, ..Config::default() };
    let (tokens, cache, clock) = start(100, &config);
    cache.set_listening(false);
    identify(&cache).await;
    clock.advance(life);
    identify(&cache).await;
    assert_eq!(tokens.asked(), 2);
}

/// Starts to identify, and stops where the service has read the token but not answered.
async fn ask_half(tokens: &Tokens, cache: &Arc<IntrospectionCache>) -> JoinedIdentify {
    let asked = tokens.asked();
    let asking = tokio::spawn({
        let cache = Arc::clone(cache);
        async move { identify(&cache).await }
    });
    while tokens.asked() == asked {
        tokio::task::yield_now().await;
    }
    asking
}

type JoinedIdentify = tokio::task::JoinHandle<Option<Identity>>;

#[tokio::test]
async fn a_yes_that_races_with_its_revocation_is_not_kept() {
    let (tokens, cache, _) = start(0, &Config::default());
    let asking = ask_half(&tokens, &cache).await;
    tokens.valid.lock().unwrap().clear();
    cache.forget(token());
    tokens.permits.add_permits(2);
    assert_eq!(asking.await.unwrap(), None);
    assert_eq!(cache.recall(token()), None);
    tokens.permits.add_permits(1);
    assert_eq!(identify(&cache).await, None);
}

/// The secret of an API key that is rotated while a request with it is under way stays valid, and
/// has another end.
#[tokio::test]
async fn a_yes_that_races_with_another_end_of_the_token_is_asked_for_again() {
    let (tokens, cache, clock) = start(0, &Config::default());
    let asking = ask_half(&tokens, &cache).await;
    let sooner = clock.now().plus(Duration::from_secs(1));
    let rotated = Identity { expires_at: sooner, ..identity() };
    tokens.valid.lock().unwrap().insert(token(), rotated);
    cache.forget(token());
    tokens.permits.add_permits(2);
    assert_eq!(asking.await.unwrap(), Some(rotated));
    assert_eq!(tokens.asked(), 2);
    assert_eq!(cache.recall(token()), Some(rotated));
    clock.advance(Duration::from_secs(1));
    assert_eq!(cache.recall(token()), None);
}

#[tokio::test]
async fn a_yes_that_races_with_missed_revocations_is_not_kept() {
    let (tokens, cache, clock) = start(0, &Config::default());
    let asking = ask_half(&tokens, &cache).await;
    clock.advance(Duration::from_micros(1));
    let mut joined = Box::pin(cache.identify(token()));
    assert!(poll_once(joined.as_mut()).await.is_pending());
    tokens.valid.lock().unwrap().clear();
    cache.forget_everything();
    tokens.permits.add_permits(1);
    // What was asked for this request counts for it, and for nobody who came later.
    assert_eq!(asking.await.unwrap(), Some(identity()));
    assert_eq!(cache.recall(token()), None);
    tokens.permits.add_permits(1);
    assert_eq!(joined.await.unwrap(), None);
    assert_eq!(tokens.asked(), 2);
}

#[tokio::test]
async fn requests_of_one_token_ask_once() {
    let (tokens, cache, _) = start(0, &Config::default());
    let mut all = vec![ask_half(&tokens, &cache).await];
    for _ in 0..9 {
        let cache = Arc::clone(&cache);
        all.push(tokio::spawn(async move { identify(&cache).await }));
    }
    tokens.permits.add_permits(100);
    for asking in all {
        assert_eq!(asking.await.unwrap(), Some(identity()));
    }
    assert_eq!(tokens.asked(), 1);
}

#[tokio::test]
async fn the_revocation_of_another_token_changes_nothing() {
    let (tokens, cache, _) = start(0, &Config::default());
    let asking = ask_half(&tokens, &cache).await;
    cache.forget(TokenDigest::of("another"));
    let mut joined = Box::pin(cache.identify(token()));
    assert!(poll_once(joined.as_mut()).await.is_pending());
    tokens.permits.add_permits(1);
    assert_eq!(asking.await.unwrap(), Some(identity()));
    assert_eq!(joined.await.unwrap(), Some(identity()));
    assert_eq!((tokens.asked(), cache.recall(token())), (1, Some(identity())));
}

#[tokio::test]
async fn an_asker_that_gives_up_leaves_the_answer_to_the_others() {
    let (tokens, cache, _) = start(0, &Config::default());
    let asking = ask_half(&tokens, &cache).await;
    let mut other = Box::pin(cache.identify(token()));
    assert!(poll_once(other.as_mut()).await.is_pending());
    asking.abort();
    tokens.permits.add_permits(1);
    assert_eq!(other.await.unwrap(), Some(identity()));
    assert_eq!(tokens.asked(), 1);
}

#[tokio::test]
async fn a_life_of_zero_asks_every_time() {
    let config = Config { introspection_cache_life: Duration::ZERO, ..Config::default() };
    let (tokens, cache, _) = start(100, &config);
    for asked in [1, 2] {
        identify(&cache).await;
        assert_eq!(tokens.asked(), asked);
    }
}

#[tokio::test]
async fn silence_and_failure_are_not_a_no() {
    let config = Config { introspection_timeout: Duration::from_millis(10), ..Config::default() };
    let (tokens, cache, _) = start(0, &config);
    assert!(cache.identify(token()).await.is_err());
    tokens.permits.close();
    assert!(cache.identify(token()).await.is_err());
}
