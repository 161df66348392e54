//! Services that stop in order lose no request, nor does a gateway.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::support::{Instance, Pooled, Told, addresses, quick};

/// Long enough for many questions of [`quick`], also on a busy machine.
const DRAIN_DELAY: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_nothing() {
    let mut instances = Vec::new();
    for _ in 0..3 {
        let told = Arc::new(Told { delay: Duration::from_millis(1), ..Told::default() });
        let address = "127.0.0.1:0".parse().unwrap();
        instances.push(Instance::start_at(address, told, DRAIN_DELAY).await);
    }
    let pooled = Arc::new(Pooled::start(&addresses(&instances), 3, quick()).await);
    let (is_over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..16)
        .map(|_| {
            let (pooled, is_over) = (Arc::clone(&pooled), Arc::clone(&is_over));
            let sent = Arc::clone(&sent);
            // The hardest kind: a POST that may not be sent twice.
            tokio::spawn(async move {
                while !is_over.load(Ordering::SeqCst) {
                    let answer = pooled.post().await;
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut restarted = Vec::new();
    for instance in instances {
        let before = sent.load(Ordering::SeqCst);
        let (address, told) = instance.stop().await;
        pooled.until_ready(2).await;
        restarted.push(Instance::start_at(address, told, DRAIN_DELAY).await);
        pooled.until_ready(3).await;
        assert!(sent.load(Ordering::SeqCst) > before + 10, "there was no load");
    }
    is_over.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }
    let received: usize = restarted.iter().map(Instance::received).sum();
    assert_eq!(received, sent.load(Ordering::SeqCst));
}

#[tokio::test]
async fn an_instance_that_drains_is_left_while_it_still_serves() {
    let mut instances = Vec::new();
    for _ in 0..2 {
        let address = "127.0.0.1:0".parse().unwrap();
        let told = Arc::new(Told::default());
        instances.push(Instance::start_at(address, told, Duration::from_mins(1)).await);
    }
    let pooled = Pooled::start(&addresses(&instances), 2, quick()).await;
    let draining = instances.remove(0);
    let told = Arc::clone(&draining.told);
    let stopping = tokio::spawn(draining.stop());
    pooled.until_ready(1).await;
    let before = told.received.load(Ordering::SeqCst);
    for _ in 0..20 {
        assert_eq!(pooled.get().await.status, 200);
    }
    assert_eq!(told.received.load(Ordering::SeqCst), before);
    // It is the last resort, too.
    instances[0].told.is_ready.store(false, Ordering::SeqCst);
    pooled.until_ready(0).await;
    for _ in 0..20 {
        let answer = pooled.get().await;
        assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, None));
    }
    assert!(told.received.load(Ordering::SeqCst) > before);
    stopping.abort();
}
