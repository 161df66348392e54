//! Several services on one schema manage the same keys at the same time.

use service::contract::scope::{Scope, Scopes};

use super::*;
use crate::api_keys::{Deed, InsertApiKey, KeyRefusal, KeyRotation, Manager};

const BY_COMMAND: Deed = Deed { at: NOW, by: Manager::Command };

fn secret(id: i64) -> TokenDigest {
    TokenDigest::of(&format!("key {id}"))
}

fn key(id: i64, created: Deed) -> InsertApiKey {
    InsertApiKey {
        id,
        name: "Key".to_owned(),
        scopes: Scopes::of(&[Scope::KeysWrite]),
        expires_at: None,
        secret: secret(id),
        created,
    }
}

/// Whatever comes first: a key that is revoked creates no key and rotates none afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_a_revocation_and_the_revoked_key_leaves_no_key_behind_its_back() {
    let server = MariaDb::start();
    let stores = [store(&server, "account").await, connect(&server, "account")];
    for round in 0..10 {
        let manager = 10 * round + 1;
        let (child, other) = (manager + 1, manager + 2);
        for id in [manager, other] {
            stores[0].insert_api_key(key(id, BY_COMMAND), 1000).await.unwrap().unwrap();
        }
        let rotated = Deed { at: NOW, by: Manager::ApiKey { id: manager } };
        let next = secret(manager + 3);
        let rotation = KeyRotation { id: other, secret: next, overlap: Duration::ZERO, rotated };
        let (created, rotation, revoked) = tokio::join!(
            stores[0].insert_api_key(key(child, rotated), 1000),
            stores[1].rotate_api_key(rotation),
            stores[0].revoke_api_key(manager, BY_COMMAND),
        );
        revoked.unwrap().unwrap();
        let ended = KeyRefusal::ManagerEnded;
        let is_created = created.unwrap().map_err(|refusal| assert_eq!(refusal, ended)).is_ok();
        let is_rotated = rotation.unwrap().map_err(|refusal| assert_eq!(refusal, ended)).is_ok();
        let found = stores[1].introspect(secret(child), NOW).await.unwrap();
        assert_eq!(found.is_some(), is_created);
        assert_eq!(stores[1].introspect(next, NOW).await.unwrap().is_some(), is_rotated);
        let late = stores[1].insert_api_key(key(manager + 4, rotated), 1000).await.unwrap();
        assert_eq!(late.map(|key| key.id), Err(ended));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_creations_respects_the_bound() {
    let server = MariaDb::start();
    let stores = [store(&server, "account").await, connect(&server, "account")];
    let mut tasks = JoinSet::new();
    for id in 1..=12 {
        let store = stores[usize::try_from(id % 2).unwrap()].clone();
        tasks.spawn(async move { store.insert_api_key(key(id, BY_COMMAND), 5).await.unwrap() });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 5, "{results:?}");
    assert_eq!(stores[0].api_keys(NOW).await.unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_of_rotations_leaves_two_secrets() {
    let server = MariaDb::start();
    let stores = [store(&server, "account").await, connect(&server, "account")];
    stores[0].insert_api_key(key(1, BY_COMMAND), 1000).await.unwrap().unwrap();
    let mut tasks = JoinSet::new();
    for next in 2..=9 {
        let store = stores[usize::try_from(next % 2).unwrap()].clone();
        let overlap = Duration::from_hours(1);
        let rotation = KeyRotation { id: 1, secret: secret(next), overlap, rotated: BY_COMMAND };
        tasks.spawn(async move { store.rotate_api_key(rotation).await.unwrap() });
    }
    for rotated in tasks.join_all().await {
        rotated.unwrap();
    }
    let (mut live, mut current) = (0, 0);
    for number in 1..=9 {
        live += usize::from(stores[0].introspect(secret(number), NOW).await.unwrap().is_some());
        let later = NOW.plus(Duration::from_hours(1));
        current +=
            usize::from(stores[0].introspect(secret(number), later).await.unwrap().is_some());
    }
    assert_eq!((live, current), (2, 1));
    // Each change was told in the order of commits, without a gap.
    let told = stores[1].revocations_after(0, 1000).await.unwrap();
    let sequences: Vec<_> = told.iter().map(|token| token.sequence).collect();
    assert_eq!(sequences, (1..=15).collect::<Vec<_>>(), "one, and then two each time");
}
