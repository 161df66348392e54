//! Two instances' locks on a real Redis.

use prometheus_client::{encoding::text, registry::Registry};
use service::{
    clock::Clock,
    redis::{Redis as Client, RedisConfig},
};
use tokio::time::{sleep, timeout};

use super::*;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a hundred acquisitions may take at most, with a busy machine's share: if each waited for
/// Redis, it would be ten seconds.
const BOUND: Duration = Duration::from_secs(8);

/// Waits for something to be true, without saying how long that takes.
const TICK: Duration = Duration::from_millis(5);

/// An instance with its own connection.
struct Instance {
    locks: RedisLocks,
    redis: Client,
    registry: Registry,
}

impl Instance {
    async fn start(server: &testing::Redis, times: LockTimes) -> Self {
        let mut config = RedisConfig::new(server.url().parse().unwrap());
        config.retry_pause = Duration::from_millis(50);
        let redis = Client::start(config, Clock::system());
        timeout(PATIENCE, redis.wait_until_up()).await.unwrap();
        let (metrics, mut registry) = (LockMetrics::default(), Registry::default());
        metrics.register(&mut registry);
        Self { locks: RedisLocks::new(redis.clone(), times, metrics).unwrap(), redis, registry }
    }

    /// The hold, and the wallets that it did not get.
    async fn take(&self, wallets: &[i64]) -> (Held, Vec<i64>) {
        let wallets: Vec<_> = wallets.iter().copied().map(WalletId).collect();
        let held = self.locks.acquire(&wallets).await;
        let mut elsewhere: Vec<_> = held.elsewhere.iter().map(|wallet| wallet.0).collect();
        elsewhere.sort_unstable();
        (held, elsewhere)
    }

    /// Takes all of the wallets, as soon as they are free.
    async fn take_all(&self, wallets: &[i64]) -> Held {
        let taking = async {
            loop {
                let (held, elsewhere) = self.take(wallets).await;
                if elsewhere.is_empty() && self.redis.state().is_up {
                    return held;
                }
                drop(held);
                sleep(TICK).await;
            }
        };
        timeout(PATIENCE, taking).await.expect("the wallets are free in time")
    }

    /// Has Redis know the scripts. Until it does, a release takes longer than the next acquisition.
    async fn warm_up(&self) {
        drop(self.take_all(&[0]).await);
        drop(self.take_all(&[0]).await);
    }

    fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    async fn metric_reaches(&self, name: &str, value: u64) {
        let reaching = async {
            while self.metric(name) < value {
                sleep(TICK).await;
            }
        };
        let reached = timeout(PATIENCE, reaching).await;
        assert!(reached.is_ok(), "{name} is {}, not {value}", self.metric(name));
    }

    async fn up(&self) {
        timeout(PATIENCE, self.redis.wait_until_up()).await.unwrap();
    }
}

async fn two(server: &testing::Redis) -> (Instance, Instance) {
    let times = LockTimes::default();
    (Instance::start(server, times).await, Instance::start(server, times).await)
}

fn short() -> LockTimes {
    LockTimes { expiry: Duration::from_millis(300), ..LockTimes::default() }
}

const NONE: [i64; 0] = [];
const LOSSES: &str = "mypay_money_lock_losses_total";
const FALLBACKS: &str = "mypay_money_lock_fallbacks_total";
const RENEWALS: &str = "mypay_money_lock_renewals_total";

#[tokio::test]
async fn instances_exclude_each_other_until_release() {
    let server = testing::Redis::start();
    let (a, b) = two(&server).await;
    a.warm_up().await;
    let (held, elsewhere) = a.take(&[1, 2, 3]).await;
    assert_eq!(elsewhere, NONE);
    let (_others, elsewhere) = b.take(&[2, 3, 4]).await;
    assert_eq!(elsewhere, [2, 3]);
    drop(held);
    // Wallet 1 has no waiter, so it is anybody's; 2 and 3 are the waiter's turn.
    assert_eq!(a.take(&[1, 2]).await.1, [2]);
    b.take_all(&[2, 3]).await;
    assert_eq!(b.metric(r#"mypay_money_lock_wallets_total{outcome="elsewhere"}"#), 2);
    assert_eq!(b.metric("mypay_money_lock_acquire_seconds_count"), 2);
    assert_eq!([a.metric(LOSSES), b.metric(LOSSES)], [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_finds_what_it_has_just_released_free() {
    let server = testing::Redis::start();
    let (a, _b) = two(&server).await;
    a.warm_up().await;
    for _ in 0..500 {
        assert_eq!(a.take(&[1, 2]).await.1, NONE);
    }
    assert_eq!(a.metric(LOSSES), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_instance_does_not_starve_another() {
    let server = testing::Redis::start();
    let (busy, other) = two(&server).await;
    let busy = Arc::new(busy);
    let hot = tokio::spawn({
        let busy = Arc::clone(&busy);
        async move {
            loop {
                let (held, _) = busy.take(&[1]).await;
                sleep(Duration::from_millis(2)).await;
                drop(held);
            }
        }
    });
    for _ in 0..20 {
        other.take_all(&[1]).await;
    }
    hot.abort();
}

#[tokio::test]
async fn a_turn_that_is_not_taken_passes() {
    let server = testing::Redis::start();
    let (a, b) = two(&server).await;
    let (held, _) = a.take(&[1]).await;
    assert_eq!(b.take(&[1]).await.1, [1]);
    drop(held);
    drop(b);
    a.take_all(&[1]).await;
}

#[tokio::test]
async fn a_long_hold_is_renewed() {
    let server = testing::Redis::start();
    let (a, b) = (Instance::start(&server, short()).await, Instance::start(&server, short()).await);
    let (held, _) = a.take(&[1]).await;
    a.metric_reaches(RENEWALS, 9).await;
    assert_eq!(b.take(&[1]).await.1, [1]);
    drop(held);
    b.take_all(&[1]).await;
    assert_eq!(a.metric(LOSSES), 0);
}

/// A runtime that does not run is an instance that is stopped.
#[test]
fn a_stopped_holder_loses_its_locks_and_does_not_free_the_next_ones() {
    let server = testing::Redis::start();
    let new = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (stopped, running) = (new(), new());
    let (a, held) = stopped.block_on(async {
        let a = Instance::start(&server, short()).await;
        let (held, _) = a.take(&[1, 2]).await;
        (a, held)
    });
    let (b, other) = running.block_on(async {
        let b = Instance::start(&server, LockTimes::default()).await;
        let other = b.take_all(&[1, 2]).await;
        (b, other)
    });
    stopped.block_on(async {
        drop(held);
        a.metric_reaches(LOSSES, 2).await;
        assert_eq!(a.take(&[1, 2]).await.1, [1, 2]);
        assert_eq!(a.metric(LOSSES), 2);
    });
    running.block_on(async {
        drop(other);
        b.take_all(&[1, 2]).await;
        assert_eq!(b.metric(LOSSES), 0);
    });
}

#[tokio::test]
async fn locks_that_redis_forgets_are_noticed_at_release() {
    let server = testing::Redis::start();
    let (a, b) = two(&server).await;
    let (held, _) = a.take(&[1, 2]).await;
    server.flush_all();
    assert_eq!(b.take(&[1]).await.1, NONE);
    drop(held);
    a.metric_reaches(LOSSES, 2).await;
    a.take_all(&[1, 2]).await;
}

#[tokio::test]
async fn locks_that_redis_forgets_are_noticed_at_renewal_and_counted_once() {
    let server = testing::Redis::start();
    let a = Instance::start(&server, short()).await;
    let (held, _) = a.take(&[1, 2]).await;
    server.flush_all();
    a.metric_reaches(LOSSES, 2).await;
    drop(held);
    a.take_all(&[1, 2]).await;
    assert_eq!(a.metric(LOSSES), 2);
}

#[tokio::test]
async fn without_redis_batches_go_on_at_once_and_with_it_locks_are_back() {
    let mut server = testing::Redis::start();
    let (a, b) = two(&server).await;
    let (held, _) = a.take(&[1]).await;
    server.kill();
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(b.take(&[1]).await.1, NONE);
    }
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert_eq!(b.metric(FALLBACKS), 100);
    drop(held);
    server.restart();
    a.up().await;
    b.up().await;
    let _held = a.take_all(&[1]).await;
    assert_eq!(b.take(&[1]).await.1, [1]);
}

#[tokio::test]
async fn a_request_that_redis_answers_too_late_keeps_nobody_away() {
    let server = testing::Redis::start();
    let (a, b) = two(&server).await;
    server.stop();
    let started = Instant::now();
    assert_eq!(a.take(&[1, 2]).await.1, NONE);
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert_eq!(a.metric(FALLBACKS), 1);
    let resumed = Instant::now();
    server.resume();
    b.up().await;
    b.take_all(&[1, 2]).await;
    // Redis did take the locks when it was back: without the withdrawal they would expire first.
    assert!(resumed.elapsed() < LockTimes::default().expiry, "{:?}", resumed.elapsed());
    assert_eq!(b.metric(LOSSES), 0);
}

#[tokio::test]
async fn a_hold_that_was_withdrawn_before_it_was_taken_is_not_taken() {
    let server = testing::Redis::start();
    let (a, b) = two(&server).await;
    let scripts = &a.locks.shared.scripts;
    let wallets = [WalletId(1)];
    assert_eq!(scripts.withdraw(7, &wallets).await.unwrap(), 0);
    assert_eq!(scripts.acquire(7, &wallets).await.unwrap().fence, 0);
    assert_eq!(b.take(&[1]).await.1, NONE);
}

#[tokio::test]
async fn a_batch_that_is_dropped_while_it_waits_leaves_no_lock() {
    let server = testing::Redis::start();
    let (a, b) = two(&server).await;
    let wallets = [WalletId(1)];
    let mut taking = Box::pin(a.locks.acquire(&wallets));
    // Once is enough to send it.
    assert!(futures_poll_once(&mut taking).is_none());
    drop(taking);
    let started = Instant::now();
    b.take_all(&[1]).await;
    assert!(started.elapsed() < LockTimes::default().expiry, "{:?}", started.elapsed());
}

fn futures_poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    use std::{pin::Pin, task};
    let mut context = task::Context::from_waker(task::Waker::noop());
    match Pin::new(future).poll(&mut context) {
        task::Poll::Ready(output) => Some(output),
        task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn fencing_numbers_rise() {
    let server = testing::Redis::start();
    let (a, b) = two(&server).await;
    let mut fences = Vec::new();
    for (hold, instance) in [(1, &a), (2, &b), (3, &a)] {
        let wallets = [WalletId(i64::try_from(hold).unwrap())];
        fences.push(instance.locks.shared.scripts.acquire(hold, &wallets).await.unwrap().fence);
    }
    assert_eq!(fences, [1, 2, 3]);
}

#[tokio::test]
async fn scripts_that_redis_forgets_are_sent_again() {
    let server = testing::Redis::start();
    let (a, b) = two(&server).await;
    let (held, _) = a.take(&[1]).await;
    b.redis.call::<()>(redis::cmd("SCRIPT").arg("FLUSH")).await.unwrap();
    drop(held);
    b.take_all(&[1]).await;
    assert_eq!([a.metric(FALLBACKS), b.metric(FALLBACKS), a.metric(LOSSES)], [0, 0, 0]);
}

/// The largest batch. `--no-capture` shows the figures.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_batch_is_locked_in_one_call() {
    const ROUNDS: u32 = 50;
    let server = testing::Redis::start();
    let (a, b) = two(&server).await;
    a.warm_up().await;
    let wallets: Vec<_> = (1..=2048).map(|id| 1_000_000_007 * id).collect();
    let mut took = Duration::ZERO;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let (_held, elsewhere) = a.take(&wallets).await;
        took += started.elapsed();
        assert!(elsewhere.is_empty());
    }
    let held = a.take_all(&wallets).await;
    let started = Instant::now();
    assert_eq!(b.take(&wallets).await.1, wallets);
    let contended = started.elapsed();
    drop(held);
    b.take_all(&wallets).await;
    eprintln!("2048 wallets: {:?} free, {contended:?} all held elsewhere", took / ROUNDS);
    let scripts = b.redis.call::<String>(redis::cmd("INFO").arg("commandstats")).await.unwrap();
    for line in scripts.lines().filter(|line| line.contains("evalsha")) {
        eprintln!("{line}");
    }
    assert_eq!([a.metric(FALLBACKS), b.metric(FALLBACKS)], [0, 0]);
}
