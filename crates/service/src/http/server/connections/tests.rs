//! Shares of addresses, and who gives way.

use std::time::Duration;

use futures_util::FutureExt;

use super::*;
use crate::clock::Timestamp;

fn connections(connections_max: usize, shared: &[&str]) -> Arc<Connections> {
    let shared = shared.iter().map(|net| net.parse().unwrap()).collect();
    let share = AddressShare { connections_max: Some(connections_max), shared };
    Connections::new(share, Clock::held(Timestamp::from_micros(0)))
}

fn admit(connections: &Arc<Connections>, address: &str) -> Option<Entry> {
    connections.admit(address.parse().unwrap())
}

fn is_told(entry: &Entry) -> bool {
    entry.slot().told_to_give_way().now_or_never().is_some()
}

/// Has it serve one request.
fn serve(entry: &Entry) {
    assert!(entry.slot().begin());
    entry.slot().answer();
    entry.slot().flushed();
}

#[test]
fn an_address_has_its_share_and_no_more() {
    let connections = connections(2, &[]);
    let entries: Vec<_> = (0..2).map(|_| admit(&connections, "192.0.2.1").unwrap()).collect();
    for entry in &entries {
        assert!(entry.slot().begin());
    }
    assert!(admit(&connections, "192.0.2.1").is_none());
    assert!(admit(&connections, "::ffff:192.0.2.1").is_none());
    assert!(admit(&connections, "192.0.2.2").is_some());
    drop(entries);
    assert!(admit(&connections, "192.0.2.1").is_some());
}

#[test]
fn a_network_of_ipv6_is_one_client() {
    let connections = connections(1, &[]);
    let first = admit(&connections, "2001:db8::1").unwrap();
    first.slot().begin();
    assert!(admit(&connections, "2001:db8::2").is_none());
    assert!(admit(&connections, "2001:db8:0:1::1").is_some());
}

#[test]
fn within_a_share_a_waiting_connection_gives_way() {
    let connections = connections(2, &[]);
    let other = admit(&connections, "192.0.2.2").unwrap();
    let silent = admit(&connections, "192.0.2.1").unwrap();
    let at_work = admit(&connections, "192.0.2.1").unwrap();
    at_work.slot().begin();
    let third = admit(&connections, "192.0.2.1").unwrap();
    assert!(is_told(&silent) && !is_told(&other) && !is_told(&at_work) && !is_told(&third));
    // The one that gives way is not counted any more, also while it has not ended yet.
    third.slot().begin();
    assert!(admit(&connections, "192.0.2.1").is_none());
    drop(silent);
    assert!(admit(&connections, "192.0.2.1").is_none());
    drop(third);
    assert!(admit(&connections, "192.0.2.1").is_some());
}

#[test]
fn shared_addresses_have_no_limit() {
    let connections = connections(1, &["10.0.0.0/8", "2001:db8::/32"]);
    for address in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:ffff::1"] {
        let entries: Vec<_> = (0..3).map(|_| admit(&connections, address).unwrap()).collect();
        assert!(entries.iter().all(|entry| !is_told(entry)), "{address}");
    }
}

#[test]
fn those_that_have_sent_nothing_give_way_first_and_the_oldest_of_them() {
    let connections = connections(100, &[]);
    let served = admit(&connections, "192.0.2.1").unwrap();
    serve(&served);
    connections.clock.advance(Duration::from_mins(1));
    let first = admit(&connections, "192.0.2.2").unwrap();
    connections.clock.advance(Duration::from_millis(1));
    let second = admit(&connections, "192.0.2.1").unwrap();
    let at_work = admit(&connections, "192.0.2.3").unwrap();
    at_work.slot().begin();
    for expected in [&first, &second, &served] {
        assert!(connections.give_way());
        assert!(is_told(expected));
    }
    assert!(!connections.give_way() && !is_told(&at_work));
}

#[test]
fn a_client_between_two_requests_keeps_its_connection() {
    let connections = connections(100, &[]);
    let entry = admit(&connections, "192.0.2.1").unwrap();
    serve(&entry);
    assert!(!connections.give_way());
    connections.clock.advance(GRACE);
    assert!(entry.slot().begin());
    assert!(!connections.give_way());
    entry.slot().answer();
    // Its answer is not written yet.
    assert!(!connections.give_way());
    entry.slot().flushed();
    connections.clock.advance(GRACE);
    assert!(connections.give_way());
}
