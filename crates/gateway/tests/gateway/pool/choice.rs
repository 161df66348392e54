//! Which address gets a request.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use my_pay_gateway::{Metrics, Pool, PoolConfig, PooledService};
use service::{clock::Clock, contract::identity::Party, http::health::Readiness};

use super::support::{Instance, Pooled, Told, addresses, quick, until};

#[tokio::test]
async fn load_spreads_over_all_addresses() {
    let instances = Instance::start_many(3).await;
    let pooled = Pooled::start(&addresses(&instances), 3, quick()).await;
    for _ in 0..300 {
        assert_eq!(pooled.post().await.status, 200);
    }
    let received: Vec<usize> = instances.iter().map(Instance::received).collect();
    assert_eq!(received.iter().sum::<usize>(), 300);
    // A fair share is 100, with a deviation of 8.
    assert!(received.iter().all(|received| (60..140).contains(received)), "{received:?}");
}

#[tokio::test]
async fn a_slow_address_gets_less() {
    let slow = Told { delay: Duration::from_millis(200), ..Told::default() };
    let slow = Instance::start_as(slow).await;
    let fast = Instance::start().await;
    let pooled = Arc::new(Pooled::start(&[slow.address, fast.address], 2, quick()).await);
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let pooled = Arc::clone(&pooled);
            tokio::spawn(async move {
                for _ in 0..25 {
                    assert_eq!(pooled.post().await.status, 200);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    // By turns it would be 100 of the 200.
    assert!(slow.received() < 40, "{} of 200", slow.received());
}

#[tokio::test]
async fn a_new_address_ramps_up() {
    let instances = Instance::start_many(2).await;
    instances[1].told.is_ready.store(false, Ordering::SeqCst);
    let config = PoolConfig { slow_start: Duration::from_secs(10), ..quick() };
    let pooled = Pooled::start(&addresses(&instances), 1, config).await;
    pooled.clock.advance(Duration::from_secs(20));
    assert_eq!(pooled.get().await.status, 200);
    assert_eq!(instances[1].received(), 0);

    instances[1].told.is_ready.store(true, Ordering::SeqCst);
    pooled.until_ready(2).await;
    let mut before = 0;
    // Shares of two weights, 1 and the ramp: 1/11, 5/15, 1/2.
    for (share, advance) in [(9, 5), (33, 5), (50, 0)] {
        for _ in 0..400 {
            assert_eq!(pooled.get().await.status, 200);
        }
        let received = instances[1].received() - before;
        assert!((received / 4).abs_diff(share) < 9, "{received} of 400, not {share} percent");
        before = instances[1].received();
        pooled.clock.advance(Duration::from_secs(advance));
    }
}

#[tokio::test]
async fn an_address_that_is_not_ready_is_the_last_resort() {
    let instances = Instance::start_many(2).await;
    let pooled = Pooled::start(&addresses(&instances), 2, quick()).await;
    instances[0].told.is_ready.store(false, Ordering::SeqCst);
    pooled.until_ready(1).await;
    let before = instances[0].received();
    for _ in 0..50 {
        assert_eq!(pooled.post().await.status, 200);
    }
    assert_eq!(instances[0].received(), before);
    // Neither is ready: it may still answer, and knows better what it lacks.
    instances[1].told.is_ready.store(false, Ordering::SeqCst);
    pooled.until_ready(0).await;
    for _ in 0..50 {
        assert_eq!(pooled.post().await.status, 200);
    }
    assert!(instances[0].received() > before);
}

#[tokio::test]
async fn a_name_stands_for_what_it_resolves_to() {
    let instance = Instance::start().await;
    let service = PooledService {
        name: "things",
        audience: Party::Money,
        addresses: vec![format!("localhost:{}", instance.address.port())],
        keyed_paths: &[],
    };
    let metrics = Metrics::default();
    let pool = Pool::start(service, &quick(), None, Clock::system(), &metrics).unwrap();
    until("the name is resolved", async || pool.check().await[0].ok).await;
}

#[tokio::test]
async fn bad_addresses_are_refused() {
    let start = |addresses: &[&str]| {
        let service = PooledService {
            name: "things",
            audience: Party::Money,
            addresses: addresses.iter().map(ToString::to_string).collect(),
            keyed_paths: &[],
        };
        Pool::start(service, &quick(), None, Clock::system(), &Metrics::default()).err()
    };
    assert_eq!(start(&[]).as_deref(), Some("the things service has no address"));
    let expected = "`http://a:80` is not an address such as `10.0.0.7:8081`\n\
                    `b` is not an address such as `10.0.0.7:8081`";
    assert_eq!(start(&["http://a:80", "a:80", "b"]).as_deref(), Some(expected));
    assert_eq!(start(&["[::1]:80"]), None);
}
