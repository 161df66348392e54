//! Addresses that are dead, broken or silent.

use std::time::{Duration, Instant};

use my_pay_gateway::PoolConfig;

use super::support::{Bad, Fault, Instance, Pooled, addresses, dead_address, quick, until};
use crate::support::get_request;

#[tokio::test]
async fn a_dead_address_costs_no_request() {
    let instances = Instance::start_many(2).await;
    let mut all = addresses(&instances);
    all.push(dead_address().await);
    let pooled = Pooled::start(&all, 2, quick()).await;
    for _ in 0..100 {
        assert_eq!(pooled.post().await.status, 200);
    }
    assert_eq!(instances[0].received() + instances[1].received(), 100);
}

#[tokio::test]
async fn an_address_that_dies_under_load_costs_no_request() {
    let mut instances = Instance::start_many(2).await;
    // Nothing but the requests themselves can find out.
    let config = PoolConfig { health_interval: Duration::from_mins(1), ..quick() };
    let pooled = Pooled::start(&addresses(&instances), 2, config).await;
    for _ in 0..20 {
        assert_eq!(pooled.post().await.status, 200);
    }
    let (dead, told) = instances.remove(0).stop().await;
    let before = told.received.load(std::sync::atomic::Ordering::SeqCst);
    for _ in 0..50 {
        assert_eq!(pooled.post().await.status, 200);
    }
    assert_eq!(before + instances[0].received(), 70);
    assert_eq!(pooled.circuit(dead), 2);
    assert_eq!(pooled.retries("not_received"), 1);
    pooled.until_ready(1).await;
}

#[tokio::test]
async fn when_all_are_down_the_answer_is_quick() {
    // No time limit ends before it is known that the answer was not one.
    let config = PoolConfig { try_timeout: Duration::from_mins(1), ..quick() };
    let pooled = Pooled::start(&[dead_address().await, dead_address().await], 0, config).await;
    until("both are out", async || {
        pooled.metric("mypay_gateway_upstream_circuit_openings_total") == 1
            && pooled.get().await.status == 503
    })
    .await;
    let started = Instant::now();
    let answer = pooled.post().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "unavailable"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    // The gateway says so itself; the other routes do not matter to this line.
    let ready = pooled.world.send(get_request("/readyz", &[])).await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.body, r#"{"status":"not ready"}"#);
    // What is wrong is for its operators.
    let checks = pooled.world.gateway.readiness().upgrade().unwrap();
    let checks = checks.check().await;
    let failed = checks.iter().find(|check| !check.ok).unwrap();
    assert_eq!((failed.name, failed.detail.as_str()), ("things", "0 of 2 addresses ready"));
}

#[tokio::test]
async fn a_circuit_opens_pauses_longer_and_closes() {
    let bad = Bad::start(Fault::Close).await;
    let config = PoolConfig { slow_start: Duration::from_secs(10), ..quick() };
    let pooled = Pooled::start(&[bad.address], 1, config).await;
    let openings = format!("address=\"{}\"}}", bad.address);
    let openings =
        format!("mypay_gateway_upstream_circuit_openings_total{{upstream=\"things\",{openings}");
    // It says that it is ready, and breaks every request: it opens after each third one.
    for opening in 1..=3 {
        pooled.until_ready(1).await;
        for _ in 0..3 {
            assert_eq!(pooled.post().await.code(), "upstream_failed");
        }
        assert_eq!(pooled.circuit(bad.address), 2);
        assert_eq!(pooled.metric(&openings), opening);
        assert_eq!(pooled.post().await.code(), "unavailable");
    }
    assert_eq!(bad.received(), 9);
    bad.set(Fault::None);
    pooled.until_ready(1).await;
    assert_eq!(pooled.circuit(bad.address), 0);
    assert_eq!(pooled.post().await.status, 200);
}

#[tokio::test]
async fn an_address_that_falls_silent_is_left_and_found_again() {
    let bad = Bad::start(Fault::None).await;
    let config = PoolConfig { health_timeout: Duration::from_millis(50), ..quick() };
    let pooled = Pooled::start(&[bad.address], 1, config).await;
    bad.set(Fault::Silence);
    until("it is out", async || pooled.circuit(bad.address) == 2).await;
    let asked = bad.asked();
    until("it is asked again", async || bad.asked() > asked).await;
    bad.set(Fault::None);
    pooled.until_ready(1).await;
    assert_eq!(pooled.get().await.status, 200);
}

#[tokio::test]
async fn requests_to_a_silent_address_are_answered_elsewhere() {
    let bad = Bad::start(Fault::None).await;
    let good = Instance::start().await;
    // Health would take minutes to notice.
    let config = PoolConfig { health_interval: Duration::from_mins(1), ..quick() };
    let pooled = Pooled::start(&[bad.address, good.address], 2, config).await;
    bad.set(Fault::Silence);
    for _ in 0..20 {
        assert_eq!(pooled.get().await.status, 200);
        assert_eq!(pooled.post_with_key().await.status, 200);
    }
    // After three it was left out.
    assert_eq!(bad.received(), 3);
    assert_eq!(pooled.retries("silent"), 3);
    assert_eq!(good.received(), 40);
}

#[tokio::test]
async fn a_slow_address_that_is_the_only_one_goes_on_being_asked() {
    let bad = Bad::start(Fault::Silence).await;
    let config = PoolConfig { health_timeout: Duration::from_millis(50), ..quick() };
    let pooled = Pooled::start(&[bad.address], 0, config).await;
    // It says nothing, not even whether it is ready.
    until("it is out", async || pooled.circuit(bad.address) == 2).await;
    let slow = tokio::join!(pooled.post(), pooled.get(), async {
        until("both have arrived", async || bad.received() == 2).await;
        bad.resume();
    });
    assert_eq!((slow.0.status.as_u16(), slow.1.status.as_u16()), (200, 200));
    pooled.until_ready(1).await;
}
