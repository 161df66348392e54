//! API keys of services apart: what a command or a call ends is refused by every gateway within a
//! second, although the command cannot reach them, and a call reaches one account service.

use std::time::Duration;

use hyper::Method;
use tokio::time::Instant;

use crate::support::{
    Backend,
    cluster::{Cluster, Shape},
    process::{PATIENCE, Process},
};

const KEYS: &str = "/accounts/v1/api-keys";

/// Within which a key must be refused everywhere.
const SECOND: Duration = Duration::from_secs(1);

/// The key at each gateway.
fn at_each(cluster: &Cluster, key: &str) -> Vec<Backend> {
    let backend = |client| Backend { client, key: key.to_owned() };
    cluster.gateways.iter().map(|gateway| backend(gateway.client())).collect()
}

/// Asks every gateway, which thereby remember the key.
async fn are_used(backends: &[Backend]) {
    for backend in backends {
        assert_eq!(backend.get(KEYS).send().await.status, 200);
    }
}

/// From the moment of the end on, each gateway has a second to refuse the key, and goes on.
async fn are_refused(backends: &[Backend]) {
    let deadline = Instant::now() + SECOND;
    for backend in backends {
        loop {
            let is_last = Instant::now() >= deadline;
            let answer = backend.get(KEYS).send().await;
            if answer.status == 401 {
                break;
            }
            assert!(!is_last, "{} accepts an ended key", backend.client.address);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    for backend in backends {
        assert_eq!(backend.get(KEYS).send().await.brief(), "401 invalid_token");
    }
}

fn command(cluster: &Cluster, arguments: &[&str]) -> String {
    let arguments = [&["admin", "api-key"], arguments].concat();
    let ended = Process::start(&mut cluster.command(&arguments)).wait(PATIENCE);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    ended.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_key_is_refused_by_every_gateway_within_a_second() {
    let shape = Shape { gateways: 3, accounts: 2, moneys: 1 };
    let cluster = Cluster::start_with(shape, &[]).await;
    let manager = cluster.backend(&["keys:write"]);

    // A command without Redis, as on a machine that reaches the database only.
    let by_command = at_each(&cluster, &cluster.backend(&["keys:write"]).key);
    are_used(&by_command).await;
    assert_eq!(command(&cluster, &["revoke", "2"]), "API key 2 is revoked\n");
    are_refused(&by_command).await;

    // A call, which one of the account services answers.
    let by_call = at_each(&cluster, &cluster.backend(&["keys:write"]).key);
    are_used(&by_call).await;
    let path = format!("{KEYS}/3");
    assert_eq!(manager.call(Method::DELETE, &path).send().await.status, 204);
    are_refused(&by_call).await;

    // A rotation without an overlap.
    let old = at_each(&cluster, &cluster.backend(&["keys:write"]).key);
    are_used(&old).await;
    let rotated = command(&cluster, &["rotate", "4", "--overlap-seconds", "0"]);
    are_refused(&old).await;
    are_used(&at_each(&cluster, rotated.trim())).await;

    let list = command(&cluster, &["list"]);
    let states: Vec<_> = list.lines().skip(1).map(|line| line.split_whitespace().nth(1)).collect();
    let (active, revoked) = (Some("active"), Some("revoked"));
    assert_eq!(states, [active, active, revoked, revoked], "{list}");
    cluster.stop().await;
}
