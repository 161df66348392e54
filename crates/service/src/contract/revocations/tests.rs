//! On a real Redis, which is killed, stopped, emptied, restarted and lied to.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::Client;
use testing::Redis;
use tokio::{
    sync::broadcast,
    time::{Instant, timeout},
};

use super::{message::Message, *};
use crate::{
    clock::{Clock, Timestamp},
    contract::identity::{Keys, MessageKind},
};

/// Within which a revoked token must be refused everywhere.
const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn keys(secret: u8) -> Keys {
    let secret = <base64ct::Base64 as base64ct::Encoding>::encode_string(&[secret; 32]);
    format!("a:{secret}").parse().unwrap()
}

fn client(redis: &Redis) -> Client {
    Client::open(redis.url()).unwrap()
}

/// An account service, as far as it revokes.
struct Account {
    revocations: broadcast::Sender<Revocation>,
    publisher: Publisher,
}

impl Account {
    fn start(redis: &Redis) -> Self {
        let revocations = broadcast::channel(16).0;
        let revoked = Revocations::local(revocations.subscribe());
        let publisher = Publisher::start(client(redis), keys(1), revoked, Clock::system());
        Self { revocations, publisher }
    }

    fn revoke(&self, token: &str) {
        self.revocations.send(Revocation(TokenDigest::of(token))).unwrap();
    }
}

fn gateway(redis: &Redis, publishers_min: usize) -> Subscriber {
    Subscriber::start(client(redis), keys(1), Arc::new(publishers_min.into()), Clock::system())
}

/// Reads events until this one, and says how long it took.
async fn until(revocations: &mut Revocations, expected: Event) -> Duration {
    let began = Instant::now();
    let waiting = async { while revocations.next().await != expected {} };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("no {expected:?}"));
    began.elapsed()
}

/// A gateway that listens, and what it hears.
async fn listening(redis: &Redis, publishers_min: usize) -> (Subscriber, Revocations) {
    let subscriber = gateway(redis, publishers_min);
    let mut revocations = subscriber.revocations();
    if !revocations.is_listening() {
        until(&mut revocations, Event::Listening(true)).await;
    }
    assert!(subscriber.is_listening());
    (subscriber, revocations)
}

fn revoked(token: &str) -> Event {
    Event::Revoked(TokenDigest::of(token))
}

async fn publish(redis: &Redis, message: &str) {
    let mut connection = client(redis).get_multiplexed_async_connection().await.unwrap();
    redis::cmd("PUBLISH").arg(CHANNEL).arg(message).exec_async(&mut connection).await.unwrap();
}

#[tokio::test]
async fn every_gateway_hears_of_a_revocation_at_once() {
    let redis = Redis::start();
    let account = Account::start(&redis);
    let (_one, mut one) = listening(&redis, 1).await;
    let (_two, mut two) = listening(&redis, 1).await;
    for token in ["a", "b", "c"] {
        account.revoke(token);
        for revocations in [&mut one, &mut two] {
            let waited = until(revocations, revoked(token)).await;
            assert!(waited < SECOND, "{waited:?}");
        }
    }
    assert!(account.publisher.is_publishing());
}

/// Many at once, which do not fit into one message.
#[tokio::test]
async fn many_revocations_all_arrive() {
    let redis = Redis::start();
    let account = Account::start(&redis);
    let (_gateway, mut heard) = listening(&redis, 1).await;
    let tokens: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    for chunk in tokens.chunks(16) {
        for token in chunk {
            account.revoke(token);
        }
        for token in chunk {
            until(&mut heard, revoked(token)).await;
        }
    }
}

/// The sender's channel holds 16: what the publisher could not follow is made good by forgetting.
#[tokio::test]
async fn what_is_lost_on_the_way_to_the_publisher_is_not_lost_silently() {
    let redis = Redis::start();
    let account = Account::start(&redis);
    let (_gateway, mut heard) = listening(&redis, 1).await;
    // On this thread, without waiting in between, so that the publisher cannot follow.
    for number in 0..100 {
        account.revoke(&number.to_string());
    }
    until(&mut heard, Event::Listening(true)).await;
}

/// An account service that may miss revocations of other processes does not say that it is there.
#[tokio::test]
async fn a_service_that_may_miss_revocations_is_silent() {
    let redis = Redis::start();
    let revocations = broadcast::channel::<Revocation>(16).0;
    let (sees, watched) = watch::channel(true);
    let source = Revocations::remote(revocations.subscribe(), watched);
    let _publisher = Publisher::start(client(&redis), keys(1), source, Clock::system());
    let (_gateway, mut heard) = listening(&redis, 1).await;
    sees.send_replace(false);
    until(&mut heard, Event::Listening(false)).await;
    sees.send_replace(true);
    until(&mut heard, Event::Listening(true)).await;
    revocations.send(Revocation(TokenDigest::of("a"))).unwrap();
    until(&mut heard, revoked("a")).await;
}

#[tokio::test]
async fn at_the_end_what_was_revoked_is_still_published() {
    let redis = Redis::start();
    for _ in 0..10 {
        let account = Account::start(&redis);
        let (_gateway, mut heard) = listening(&redis, 1).await;
        account.revoke("last");
        account.publisher.stop().await;
        assert!(until(&mut heard, revoked("last")).await < SECOND);
    }
}

/// Breaks something, and checks that caches forget everything within a second, and that nothing
/// more is taken for heard until it is mended.
async fn check_silence<M: Future<Output = ()>>(
    redis: &mut Redis,
    break_it: impl FnOnce(&mut Redis),
    mend_it: impl FnOnce(&mut Redis) -> M,
) {
    let account = Account::start(redis);
    let (gateway, mut heard) = listening(redis, 1).await;
    break_it(redis);
    account.revoke("while nobody hears");
    let waited = until(&mut heard, Event::Listening(false)).await;
    assert!(waited < SECOND, "{waited:?}");
    assert!(!gateway.is_listening() && !gateway.revocations().is_listening());
    mend_it(redis).await;
    let waited = until(&mut heard, Event::Listening(true)).await;
    assert!(waited < 5 * SECOND, "{waited:?}");
    account.revoke("after");
    until(&mut heard, revoked("after")).await;
}

#[tokio::test]
async fn a_dead_redis_is_noticed_within_a_second() {
    let mut redis = Redis::start();
    check_silence(&mut redis, Redis::kill, |redis| {
        redis.restart();
        std::future::ready(())
    })
    .await;
}

#[tokio::test]
async fn a_stopped_redis_is_noticed_within_a_second() {
    let mut redis = Redis::start();
    let resume = |redis: &mut Redis| {
        redis.resume();
        std::future::ready(())
    };
    check_silence(&mut redis, |redis| redis.stop(), resume).await;
}

/// Deaf for long: everybody tries again, however often.
#[tokio::test]
async fn a_long_outage_is_survived() {
    let mut redis = Redis::start();
    let account = Account::start(&redis);
    let (_gateway, mut heard) = listening(&redis, 1).await;
    redis.kill();
    until(&mut heard, Event::Listening(false)).await;
    // More than the sender's channel holds.
    for number in 0..100 {
        account.revoke(&number.to_string());
    }
    assert!(timeout(2 * SECOND, heard.next()).await.is_err(), "still deaf");
    assert!(!account.publisher.is_publishing());
    redis.restart();
    until(&mut heard, Event::Listening(true)).await;
    account.revoke("after");
    until(&mut heard, revoked("after")).await;
}

#[tokio::test]
async fn emptying_redis_does_no_harm() {
    let redis = Redis::start();
    let account = Account::start(&redis);
    let (gateway, mut heard) = listening(&redis, 1).await;
    redis.flush_all();
    account.revoke("a");
    assert_eq!(timeout(PATIENCE, heard.next()).await.unwrap(), revoked("a"));
    assert!(gateway.is_listening());
}

/// One account service of two could revoke without being heard: that is not listening.
#[tokio::test]
async fn every_account_service_must_be_heard() {
    let redis = Redis::start();
    let one = Account::start(&redis);
    let gateway = gateway(&redis, 2);
    let mut heard = gateway.revocations();
    // Again and again, because the gateway has not subscribed yet.
    let revoking = async {
        loop {
            one.revoke("a");
            tokio::time::sleep(HEARTBEAT).await;
        }
    };
    tokio::select! {
        _ = until(&mut heard, revoked("a")) => {}
        () = revoking => {}
    }
    assert!(!gateway.is_listening(), "only one of two is heard");
    let two = Account::start(&redis);
    until(&mut heard, Event::Listening(true)).await;
    drop(two);
    let waited = until(&mut heard, Event::Listening(false)).await;
    assert!(waited < SECOND, "{waited:?}");
}

#[tokio::test]
async fn as_many_must_be_heard_as_there_are_by_now() {
    let redis = Redis::start();
    let _one = Account::start(&redis);
    let publishers = Arc::new(AtomicUsize::new(1));
    let gateway =
        Subscriber::start(client(&redis), keys(1), Arc::clone(&publishers), Clock::system());
    let mut heard = gateway.revocations();
    until(&mut heard, Event::Listening(true)).await;
    publishers.store(2, Ordering::SeqCst);
    let waited = until(&mut heard, Event::Listening(false)).await;
    assert!(waited < SECOND, "{waited:?}");
    let _two = Account::start(&redis);
    until(&mut heard, Event::Listening(true)).await;
    assert!(gateway.is_listening());
}

/// There may be more than are known here: also then, what one of them had to say may be missed.
#[tokio::test]
async fn an_account_service_that_falls_silent_makes_caches_forget() {
    let redis = Redis::start();
    let _one = Account::start(&redis);
    let (gateway, mut heard) = listening(&redis, 1).await;
    let two = Account::start(&redis);
    two.revoke("a");
    until(&mut heard, revoked("a")).await;
    drop(two);
    let waited = until(&mut heard, Event::Listening(true)).await;
    assert!(waited < SECOND, "{waited:?}");
    assert!(gateway.is_listening());
}

#[tokio::test]
async fn nobody_is_heard_where_nobody_speaks() {
    let redis = Redis::start();
    let gateway = gateway(&redis, 1);
    let mut heard = gateway.revocations();
    assert!(timeout(2 * SECOND, heard.next()).await.is_err());
    // And one that comes later is.
    let _account = Account::start(&redis);
    until(&mut heard, Event::Listening(true)).await;
}

fn message(sequence: u64, token: &str) -> Message {
    let revoked = vec![TokenDigest::of(token)];
    Message { publisher: "p".to_owned(), sequence, missed: false, revoked }
}

/// Redis is not trusted: what is not signed, or old, or was heard before, changes nothing.
#[tokio::test]
async fn forged_and_recorded_messages_are_not_heeded() {
    let redis = Redis::start();
    let account = Account::start(&redis);
    let (gateway, mut heard) = listening(&redis, 1).await;
    let now = Clock::system().now();
    let long_ago = Timestamp::from_micros(now.as_micros() - 60_000_000);
    let recorded = message(7, "recorded").sign(&keys(1), now);
    for text in [
        String::new(),
        "x".repeat(100_000),
        message(1, "another key").sign(&keys(2), now),
        message(1, "old").sign(&keys(1), long_ago),
        message(1, "future").sign(&keys(1), now.plus(Duration::from_mins(1))),
        keys(1).sign(MessageKind::Identity, b"{}"),
        keys(1).sign(MessageKind::Revocations, b"{}"),
        recorded.replacen('.', "..", 1),
    ] {
        publish(&redis, &text).await;
    }
    account.revoke("genuine");
    assert_eq!(timeout(PATIENCE, heard.next()).await.unwrap(), revoked("genuine"));
    assert!(gateway.is_listening());

    publish(&redis, &recorded).await;
    until(&mut heard, revoked("recorded")).await;
    publish(&redis, &message(8, "next").sign(&keys(1), now)).await;
    assert_eq!(timeout(PATIENCE, heard.next()).await.unwrap(), revoked("next"));
    // Again, after a newer one.
    publish(&redis, &recorded).await;
    account.revoke("genuine, too");
    assert_eq!(timeout(PATIENCE, heard.next()).await.unwrap(), revoked("genuine, too"));
}

/// A number that is left out is a message that somebody kept back.
#[tokio::test]
async fn a_gap_makes_caches_forget() {
    let redis = Redis::start();
    let _account = Account::start(&redis);
    let (gateway, mut heard) = listening(&redis, 1).await;
    let now = Clock::system().now();
    publish(&redis, &message(1, "a").sign(&keys(1), now)).await;
    until(&mut heard, revoked("a")).await;
    publish(&redis, &message(3, "c").sign(&keys(1), now)).await;
    // Either may be heard first.
    let both = [timeout(PATIENCE, heard.next()).await, timeout(PATIENCE, heard.next()).await];
    let both = both.map(|event| event.unwrap());
    assert!(both.contains(&revoked("c")) && both.contains(&Event::Listening(true)), "{both:?}");
    assert!(gateway.is_listening());
}

#[test]
fn a_message_reads_what_it_writes() {
    let now = Timestamp::from_micros(1_000_000_000);
    for count in [0, 1, super::message::TOKENS_MAX] {
        let revoked = (0..count).map(|number| TokenDigest::of(&number.to_string())).collect();
        let message = Message { missed: count == 1, revoked, ..message(count as u64, "") };
        let text = message.sign(&keys(1), now);
        assert_eq!(Message::verify(text.as_bytes(), &keys(1), now), Ok(message));
        assert!(text.len() < 5000, "{}", text.len());
    }
}
