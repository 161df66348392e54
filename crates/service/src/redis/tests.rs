//! The client on a real Redis that comes and goes.

use tokio::time::timeout;

use super::*;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a thousand calls may take at most, with a busy machine's share: if each waited for Redis, it
/// would be a hundred seconds.
const BOUND: Duration = Duration::from_secs(8);

fn client(server: &testing::Redis) -> Redis {
    let mut config = RedisConfig::new(server.url().parse().unwrap());
    config.retry_pause = Duration::from_millis(50);
    Redis::start(config, Clock::system())
}

async fn up(redis: &Redis) {
    timeout(PATIENCE, redis.wait_until_up()).await.expect("Redis is to be had again");
}

/// Waits until somebody has noticed, without any call, that Redis is down.
async fn down(redis: &Redis) {
    let mut changes = redis.0.shared.link.subscribe();
    let noticed = changes.wait_for(|link| matches!(link, Link::Down { .. }));
    timeout(PATIENCE, noticed).await.expect("it is noticed in time").unwrap();
}

async fn count(redis: &Redis) -> Result<u64, RedisUnavailable> {
    redis.call(redis::cmd("INCR").arg("count")).await
}

async fn say(redis: &Redis, command: &str) {
    let mut words = command.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    redis.call::<()>(&command).await.unwrap();
}

#[tokio::test]
async fn calls_are_answered() {
    let server = testing::Redis::start();
    let redis = client(&server);
    up(&redis).await;
    assert_eq!([count(&redis).await.unwrap(), count(&redis).await.unwrap()], [1, 2]);
    let state = redis.state();
    assert_eq!((state.is_up, state.cause), (true, None));
    assert!(redis.check().detail.contains("answers since"), "{:?}", redis.check());
    assert_eq!(redis.metrics().failures(), 0);
}

#[tokio::test]
async fn a_killed_server_is_noticed_without_calls_and_used_again_after_its_restart() {
    let mut server = testing::Redis::start();
    let redis = client(&server);
    up(&redis).await;
    server.kill();
    down(&redis).await;
    let check = redis.check();
    assert!(check.ok && check.detail.contains("has been down since"), "{check:?}");
    let skipped = redis.metrics().skipped();
    assert!(matches!(count(&redis).await, Err(RedisUnavailable::Down)));
    assert_eq!(redis.metrics().skipped(), skipped + 1);
    server.restart();
    up(&redis).await;
    assert_eq!(count(&redis).await.unwrap(), 1);
}

#[tokio::test]
async fn a_server_that_hangs_costs_one_bounded_wait() {
    let server = testing::Redis::start();
    let redis = client(&server);
    up(&redis).await;
    server.stop();
    let started = Instant::now();
    let answer = count(&redis).await;
    assert!(matches!(answer, Err(RedisUnavailable::Timeout(_) | RedisUnavailable::Down)));
    for _ in 0..1000 {
        assert!(matches!(count(&redis).await, Err(RedisUnavailable::Down)));
    }
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert!(redis.metrics().failures() > 0);
    server.resume();
    up(&redis).await;
    count(&redis).await.unwrap();
}

#[tokio::test]
async fn scripts_survive_being_forgotten() {
    let mut server = testing::Redis::start();
    let redis = client(&server);
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    let mut add = script.command(1);
    add.arg("sum").arg(3);
    up(&redis).await;
    let run = async || redis.run::<u64>(&script, &add).await.unwrap();
    assert_eq!([run().await, run().await], [3, 6]);
    say(&redis, "SCRIPT FLUSH").await;
    assert_eq!(run().await, 9);
    server.kill();
    down(&redis).await;
    server.restart();
    up(&redis).await;
    assert_eq!(run().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_runtimes_call_too_even_without_timers() {
    let server = testing::Redis::start();
    let redis = client(&server);
    up(&redis).await;
    let lane = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let first = runtime.block_on(count(&redis)).unwrap();
        server.stop();
        let failed = runtime.block_on(count(&redis)).is_err();
        (first, failed)
    });
    assert_eq!(timeout(PATIENCE, lane).await.unwrap().unwrap(), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_call_goes_ahead_of_the_next() {
    let server = testing::Redis::start();
    let redis = client(&server);
    up(&redis).await;
    for round in 1..500 {
        let detached = redis.clone();
        redis.detach(async move {
            count(&detached).await.unwrap();
        });
        assert_eq!(count(&redis).await.unwrap(), 2 * round);
    }
}

#[tokio::test]
async fn a_server_that_refuses_to_write_is_down() {
    let server = testing::Redis::start();
    let redis = client(&server);
    up(&redis).await;
    say(&redis, "REPLICAOF 127.0.0.1 1").await;
    down(&redis).await;
    assert!(redis.state().cause.is_some());
    let mut operator = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut operator).unwrap();
    up(&redis).await;
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    let server = testing::Redis::start();
    let operator = client(&server);
    up(&operator).await;
    say(&operator, "CONFIG SET requirepass hunter2").await;
    let with = |login: &str| {
        let url = server.url().replace("redis://", &format!("redis://{login}"));
        Redis::start(RedisConfig::new(url.parse().unwrap()), Clock::system())
    };
    let redis = with(":hunter2@");
    up(&redis).await;
    let wrong = with(":hunter3@");
    let mut changes = wrong.0.shared.link.subscribe();
    let failed = changes.wait_for(|link| link.state().cause.is_some());
    let cause = timeout(PATIENCE, failed).await.unwrap().unwrap().state().cause;
    let shown = format!("{redis:?} {wrong:?} {:?} {:?}", redis.check(), wrong.check());
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(cause.is_some_and(|cause| !cause.contains("hunter")));
}

#[test]
fn metrics_have_names() {
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = RedisMetrics::default();
    metrics.register(&mut registry);
    metrics.count_failure(&RedisUnavailable::Timeout(BOUND));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "mypay_redis_up 0",
        "mypay_redis_call_seconds_count 0",
        r#"mypay_redis_failures_total{cause="timeout"} 1"#,
        "mypay_redis_skipped_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
