//! Logging out, seen by two gateways that have just found the token valid: with Redis, and while
//! Redis is frozen, dead and back.

use std::time::{Duration, Instant};

use hyper::Method;

use super::SETTINGS;
use crate::support::{
    Client, Person,
    cluster::{Cluster, Node, Shape},
    eventually,
    person::unique,
    process::PATIENCE,
};

/// How soon everybody refuses a token that was revoked.
const SOON: Duration = Duration::from_secs(1);

const AUTHS: &str = "/accounts/v1/auths";

/// What a gateway says about the person's token.
async fn status(gateway: &Client, person: &Person) -> u16 {
    let answer = gateway.get(AUTHS).token(&person.token).send().await;
    assert!(matches!(answer.status, 200 | 401), "{} {}", answer.status, answer.body);
    answer.status
}

/// Logs out at the first of the gateways, all of which know the token, and waits until all refuse.
async fn log_out_everywhere(gateways: &[Client], person: &Person, when: &str) {
    for gateway in gateways {
        // The second answer is from the gateway's memory.
        assert_eq!(status(gateway, person).await, 200, "{when}");
        assert_eq!(status(gateway, person).await, 200, "{when}");
    }
    let path = format!("{AUTHS}/current");
    let answer = gateways[0].call(Method::DELETE, &path).token(&person.token).send().await;
    assert_eq!(answer.status, 204, "{when}: {}", answer.body);
    let ended = Instant::now();
    for gateway in gateways {
        eventually(PATIENCE, async || {
            // What is asked in time may still be answered, however long that takes.
            let asked = ended.elapsed();
            let status = status(gateway, person).await;
            assert!(status == 401 || asked < SOON, "valid {asked:?} after the end, {when}");
            status == 401
        })
        .await;
    }
    eprintln!("refused everywhere after {} ms, {when}", ended.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_ended_is_refused_by_every_gateway_within_a_second() {
    let shape = Shape { gateways: 2, accounts: 2, moneys: 1 };
    let mut cluster = Cluster::start_with(shape, &SETTINGS).await;
    let gateways: Vec<_> = cluster.gateways.iter().map(Node::client).collect();
    let mut people = Vec::new();
    for _ in 0..8 {
        let name = format!("P{}", unique());
        people.push(Person::register(cluster.client(), &name).await);
    }
    let mut people = people.into_iter();
    let mut next = || people.next().unwrap();
    log_out_everywhere(&gateways, &next(), "with Redis").await;
    log_out_everywhere(&gateways, &next(), "with Redis, again").await;
    cluster.redis.stop();
    log_out_everywhere(&gateways, &next(), "as Redis has just frozen").await;
    log_out_everywhere(&gateways, &next(), "with a frozen Redis").await;
    cluster.redis.kill();
    log_out_everywhere(&gateways, &next(), "as Redis has just died").await;
    log_out_everywhere(&gateways, &next(), "without Redis").await;
    cluster.redis.restart();
    log_out_everywhere(&gateways, &next(), "as Redis has just come back").await;
    cluster.wait_until_ready().await;
    log_out_everywhere(&gateways, &next(), "with Redis, a new one").await;
    cluster.stop().await;
}
