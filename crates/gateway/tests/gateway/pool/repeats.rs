//! What is sent a second time, and what is not.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use my_pay_gateway::PoolConfig;

use super::support::{Bad, Fault, Instance, KEYED, Pooled, Told, quick};
use crate::support::Answer;

/// A pool of a bad address and a good one. The bad one is never left out.
async fn bad_and_good(fault: Fault) -> (Bad, Instance, Pooled) {
    let bad = Bad::start(fault).await;
    let good = Instance::start().await;
    let config = PoolConfig { failures_max: 1000, ..quick() };
    let pooled = Pooled::start(&[bad.address, good.address], 2, config).await;
    (bad, good, pooled)
}

#[tokio::test]
async fn a_post_without_a_key_is_never_sent_twice() {
    for fault in [Fault::Close, Fault::HalfAnswer, Fault::Nonsense] {
        let (bad, good, pooled) = bad_and_good(fault).await;
        let mut failed = 0;
        for _ in 0..40 {
            let answer = pooled.post().await;
            if answer.status != 200 {
                assert_eq!(
                    (answer.status.as_u16(), answer.code().as_str()),
                    (502, "upstream_failed")
                );
                failed += 1;
            }
        }
        assert!(failed > 0, "{fault:?}");
        assert_eq!((bad.received(), good.received()), (failed, 40 - failed), "{fault:?}");
    }
}

#[tokio::test]
async fn a_key_counts_only_where_the_service_resolves_it() {
    let (bad, good, pooled) = bad_and_good(Fault::Close).await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let path = if method == Method::POST { "/pool/a" } else { KEYED };
        for _ in 0..20 {
            pooled.send(method.clone(), path, &["idempotency-key: 7"]).await;
        }
    }
    assert_eq!(bad.received() + good.received(), 80);
}

#[tokio::test]
async fn what_may_be_repeated_is_answered() {
    for fault in [Fault::Close, Fault::HalfAnswer, Fault::Nonsense] {
        let (bad, good, pooled) = bad_and_good(fault).await;
        for _ in 0..20 {
            assert_eq!(pooled.get().await.body, "{\"code\":\"none\"}");
            assert_eq!(pooled.post_with_key().await.status, 200);
        }
        assert_eq!(good.received(), 40);
        assert!(bad.received() > 0);
        assert_eq!(pooled.retries("broken"), bad.received() as u64, "{fault:?}");
    }
}

#[tokio::test]
async fn the_head_alone_may_be_repeated_too() {
    let (bad, good, pooled) = bad_and_good(Fault::Close).await;
    for _ in 0..20 {
        let answer = pooled.send(Method::HEAD, "/pool/a", &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-length")), (200, Some("15")));
    }
    assert_eq!(good.received(), 20);
    assert!(bad.received() > 0);
}

#[tokio::test]
async fn a_silent_address_keeps_what_may_not_be_repeated() {
    let bad = Bad::start(Fault::None).await;
    let good = Instance::start().await;
    let config = PoolConfig {
        health_interval: Duration::from_mins(1),
        try_timeout: Duration::from_millis(20),
        ..quick()
    };
    let addresses = [bad.address, good.address];
    let change = |config: &mut my_pay_gateway::Config| {
        config.upstream_timeout = Duration::from_secs(2);
    };
    let pooled = Pooled::start_with(&addresses, 2, config, None, change).await;
    bad.set(Fault::Silence);
    while bad.received() == 0 {
        let answer = pooled.post().await;
        let expected = if bad.received() == 0 { "none" } else { "upstream_timeout" };
        assert_eq!(answer.code(), expected);
    }
    assert_eq!(bad.received(), 1);
}

#[tokio::test]
async fn repeats_stay_within_their_budget() {
    let bad = [Bad::start(Fault::Close).await, Bad::start(Fault::Close).await];
    let addresses = [bad[0].address, bad[1].address];
    let config = PoolConfig { failures_max: 1000, retry_percent: 0, ..quick() };
    let pooled = Pooled::start(&addresses, 2, config).await;
    for _ in 0..10 {
        assert_eq!(pooled.get().await.code(), "upstream_failed");
    }
    assert_eq!(bad[0].received() + bad[1].received(), 10);
    let denied = "mypay_gateway_upstream_retries_denied_total{upstream=\"things\"}";
    assert_eq!(pooled.metric(denied), 10);

    let config = PoolConfig { failures_max: 1000, retries_max: 1, ..quick() };
    let pooled = Pooled::start(&addresses, 2, config).await;
    for _ in 0..10 {
        assert_eq!(pooled.get().await.code(), "upstream_failed");
    }
    assert_eq!(bad[0].received() + bad[1].received(), 30);
}

/// An instance that answers every request with this problem, and one that does not.
async fn refusing_and_good(code: &'static str) -> (Instance, Instance, Pooled) {
    let refusing = Told::default();
    *refusing.problem.lock().unwrap() = Some((StatusCode::SERVICE_UNAVAILABLE, code));
    let (refusing, good) = (Instance::start_as(refusing).await, Instance::start().await);
    let pooled = Pooled::start(&[refusing.address, good.address], 2, quick()).await;
    (refusing, good, pooled)
}

fn summary(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn an_instance_that_cannot_answer_now_is_replaced_if_that_is_safe() {
    let (refusing, good, pooled) = refusing_and_good("unavailable").await;
    for _ in 0..20 {
        assert_eq!(pooled.get().await.status, 200);
        assert_eq!(pooled.post_with_key().await.status, 200);
    }
    assert_eq!(good.received(), 40);
    assert_eq!(pooled.retries("unavailable"), refusing.received() as u64);
    let before = refusing.received();
    assert!(before > 0);
    for _ in 0..20 {
        pooled.post().await;
    }
    assert_eq!(refusing.received() + good.received(), before + 60);
    assert!(refusing.received() > before);
}

#[tokio::test]
async fn an_unknown_outcome_is_for_the_client_to_know() {
    let (refusing, good, pooled) = refusing_and_good("outcome_unknown").await;
    for _ in 0..20 {
        let (status, code) = summary(&pooled.post_with_key().await);
        assert!(code == "outcome_unknown" || status == 200, "{status} {code}");
    }
    assert!(refusing.received() > 0);
    assert_eq!(refusing.received() + good.received(), 20);
}

#[tokio::test]
async fn nothing_was_done_is_not_said_of_a_request_that_broke_off_before() {
    let refusing = Told::default();
    *refusing.problem.lock().unwrap() = Some((StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    let (bad, refusing) = (Bad::start(Fault::Close).await, Instance::start_as(refusing).await);
    let config = PoolConfig { failures_max: 1000, ..quick() };
    let pooled = Pooled::start(&[bad.address, refusing.address], 2, config).await;
    for _ in 0..20 {
        let answer = pooled.post_with_key().await;
        assert_eq!(summary(&answer), (502, "upstream_failed".to_owned()));
        assert!(answer.body.contains("The outcome is unknown."), "{}", answer.body);
    }
    assert_eq!((bad.received(), refusing.received()), (20, 20));
}
