//! What other services rely on: introspection, the feed, readiness.

use std::time::Duration;

use serde_json::json;
use service::{
    contract::{
        account_feed::{AccountChange, AccountFeed as _, Standing},
        identity::Identity,
        introspection::{Introspection as _, TokenDigest},
        revocations::{Event, Revocations},
    },
    http::health::Readiness as _,
};

use crate::harness::Harness;

#[tokio::test]
async fn introspection_says_whose_a_token_is() {
    let harness = Harness::new();
    let account_id = harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let found = harness.service.introspect(TokenDigest::of(&token)).await.unwrap();
    let expires_at = harness.clock.now().plus(Duration::from_hours(1));
    assert_eq!(found, Some(Identity::person(account_id, 1, expires_at)));
    assert_eq!(harness.service.introspect(TokenDigest::of("mpa_unknown")).await.unwrap(), None);
}

#[tokio::test]
async fn the_feed_answers_at_once_with_what_is_there() {
    let harness = Harness::new();
    let feed = &harness.service;
    assert_eq!(feed.changes_after(0, 10, Duration::ZERO).await.unwrap().changes, []);
    for name in ["ada", "bob"] {
        let id = harness.register(name).await;
        let token = harness.log_in(name).await.access;
        assert_eq!(harness.close(id, &token).await.status, 204);
    }
    let all = feed.changes_after(0, 10, Duration::ZERO).await.unwrap().changes;
    let created_at = harness.clock.now();
    let closed = |sequence, account_id| AccountChange {
        sequence,
        account_id,
        standing: Standing::Closed,
        created_at,
    };
    assert_eq!(all, [closed(1, 10_001), closed(2, 10_002)]);
    assert_eq!(feed.changes_after(0, 1, Duration::ZERO).await.unwrap().changes, all[..1]);
    assert_eq!(feed.changes_after(1, 10, Duration::ZERO).await.unwrap().changes, all[1..]);
    assert_eq!(feed.changes_after(2, 10, Duration::from_millis(1)).await.unwrap().changes, []);
}

#[tokio::test]
async fn the_feed_names_the_installation_that_its_database_has_drawn() {
    let harness = Harness::new();
    let told = async |harness: &Harness| {
        harness.service.changes_after(0, 10, Duration::ZERO).await.unwrap().installation.unwrap()
    };
    let first = told(&harness).await;
    assert_eq!(told(&harness).await, first);
    assert_ne!(told(&Harness::new()).await, first);
    let db = rusqlite::Connection::open(&harness.database).unwrap();
    let recorded: String =
        db.query_row("SELECT installation_id FROM installation", [], |row| row.get(0)).unwrap();
    assert_eq!(recorded, first.to_string());
}

#[tokio::test]
async fn a_reader_of_the_feed_waits_for_a_change() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let feed = harness.service.clone();
    let reader =
        tokio::spawn(async move { feed.changes_after(0, 10, Duration::from_mins(1)).await });
    let body = json!({ "name": "Ada", "email": "ada@example.com", "isValid": false });
    harness.put(&format!("/accounts/v1/accounts/{id}"), Some(&token), body).await;
    let woken = tokio::time::timeout(Duration::from_secs(10), reader).await;
    let changes = woken.expect("long before its wait is over").unwrap().unwrap().changes;
    let created_at = harness.clock.now();
    let standing = Standing::Suspended;
    assert_eq!(changes, [AccountChange { sequence: 1, account_id: id, standing, created_at }]);
}

#[tokio::test]
async fn readiness_is_that_of_the_database() {
    let harness = Harness::new();
    let checks = harness.service.check().await;
    assert!(checks.iter().all(|check| check.ok), "{checks:?}");
    assert_eq!(harness.get("/livez", None).await.text, "ok\n");
    let ready = harness.get("/readyz", None).await;
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ready")));

    let db = rusqlite::Connection::open(&harness.database).unwrap();
    db.execute("DELETE FROM id_blocks", []).unwrap();
    let broken = harness.get("/readyz", None).await;
    assert_eq!((broken.status, &broken.json()["checks"][0]["ok"]), (503, &json!(false)));
}

#[tokio::test]
async fn a_broken_database_is_a_problem_without_its_cause() {
    let harness = Harness::new();
    harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let identity = harness.service.introspect(TokenDigest::of(&token)).await.unwrap();
    assert!(identity.is_some());
    let db = rusqlite::Connection::open(&harness.database).unwrap();
    db.execute("ALTER TABLE auth_tokens RENAME TO gone", []).unwrap();
    let answer = harness.try_log_in("ada", "correct horse").await;
    assert_eq!(answer.code(), (500, "internal_error".to_owned()));
    assert!(!answer.text.contains("auth_tokens"), "{}", answer.text);
    assert!(harness.service.introspect(TokenDigest::of(&token)).await.is_err());
}

/// The next event for a cache of tokens. Panics if nothing does.
async fn next(revocations: &mut Revocations) -> Event {
    let next = tokio::time::timeout(Duration::from_secs(20), revocations.next()).await;
    next.expect("something happens")
}

#[tokio::test]
async fn what_another_process_ends_is_told_to_those_who_cache_tokens() {
    let harness = Harness::new();
    let db = rusqlite::Connection::open(&harness.database).unwrap();
    let end = |sequence: i64, token: &str| {
        let digest = TokenDigest::of(token).0;
        let insert = "INSERT INTO revocations (sequence, digest, created_at) VALUES (?, ?, 0)";
        db.execute(insert, rusqlite::params![sequence, digest]).unwrap();
    };
    let revoked = |token: &str| Event::Revoked(TokenDigest::of(token));
    end(1, "before the start");
    let background = harness.service.start_background().await.unwrap();
    let mut revocations = harness.service.revocations();
    assert!(revocations.is_listening());
    for (sequence, token) in [(2, "a"), (3, "b")] {
        end(sequence, token);
        assert_eq!(next(&mut revocations).await, revoked(token));
    }
    // While the table cannot be read, caches are warned. Nothing is lost.
    db.execute("ALTER TABLE revocations RENAME TO gone", []).unwrap();
    assert_eq!(next(&mut revocations).await, Event::Listening(false));
    assert!(!harness.service.revocations().is_listening());
    db.execute("ALTER TABLE gone RENAME TO revocations", []).unwrap();
    end(4, "c");
    let mut after = [next(&mut revocations).await, next(&mut revocations).await];
    after.sort_by_key(|event| matches!(event, Event::Listening(_)));
    assert_eq!(after, [revoked("c"), Event::Listening(true)]);
    background.stop().await;
    assert_eq!(revocations.try_next(), None);
}
