//! Keys that manage keys: what they may do, what they may not, and what is told of it.

use std::time::Duration;

use expect_test::expect;
use http::Method;
use my_pay_account::{
    SqliteStore, Token,
    api_keys::{NewApiKey, create_by_command, revoke_by_command},
};
use serde_json::{Value, json};
use service::contract::{
    introspection::{Introspection as _, TokenDigest},
    revocations::Event,
    scope::{Scope, Scopes},
};

use crate::harness::{Answer, Harness};

const KEYS: &str = "/accounts/v1/api-keys";

/// A key that a command makes, from another process.
async fn by_command(harness: &Harness, scopes: &[Scope], lifetime: Option<Duration>) -> Token {
    let store = SqliteStore::open_existing(&harness.database).unwrap();
    let new = NewApiKey {
        name: "First".to_owned(),
        scopes: Scopes::of(scopes),
        expires_at: lifetime.map(|lifetime| harness.clock.now().plus(lifetime)),
    };
    create_by_command(&store, new, &harness.clock).await.unwrap().secret
}

async fn manager(harness: &Harness) -> String {
    let key = by_command(harness, &[Scope::KeysWrite, Scope::WalletsRead], None).await;
    key.as_str().to_owned()
}

async fn call(harness: &Harness, key: &str, method: Method, path: &str, body: Value) -> Answer {
    let body = (!body.is_null()).then_some(body);
    harness.call(method, path, Some(key), body).await
}

async fn create(harness: &Harness, key: &str, body: Value) -> Answer {
    call(harness, key, Method::POST, KEYS, body).await
}

fn secret(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["key"].as_str().unwrap().to_owned()
}

/// The body without its secret.
fn shown(answer: &Answer) -> String {
    let mut json = answer.json();
    if let Some(Value::String(key)) = json.get_mut("key") {
        assert_eq!(key.len(), 47);
        key.truncate(4);
    }
    serde_json::to_string_pretty(&json).unwrap()
}

#[tokio::test]
async fn a_key_creates_others_and_shows_them_without_their_secrets() {
    let harness = Harness::new();
    let manager = manager(&harness).await;
    let body = json!({
        "name": " Checkout ",
        "scopes": ["wallets:read"],
        "expiresAt": "2025-11-24T09:00:00Z",
    });
    let created = create(&harness, &manager, body).await;
    expect![[r#"
        {
          "apiKey": {
            "createdAt": "2025-11-23T09:00:00.000000Z",
            "createdBy": {
              "apiKeyId": 1,
              "kind": "api_key"
            },
            "expiresAt": "2025-11-24T09:00:00.000000Z",
            "id": 2,
            "lastUsedAt": null,
            "name": "Checkout",
            "revokedAt": null,
            "revokedBy": null,
            "rotatedAt": null,
            "rotatedBy": null,
            "scopes": [
              "wallets:read"
            ],
            "state": "active"
          },
          "key": "mpk_",
          "previousValidUntil": null
        }"#]]
    .assert_eq(&shown(&created));
    let id = created.json()["apiKey"]["id"].as_i64().unwrap();
    let path = format!("{KEYS}/{id}");
    assert_eq!(created.headers["location"], path.as_str());
    assert_eq!(created.headers["cache-control"], "no-store");
    assert!(harness.is_valid(&secret(&created)).await);

    let one = call(&harness, &manager, Method::GET, &path, Value::Null).await;
    assert_eq!(one.json(), created.json()["apiKey"]);
    let all = call(&harness, &manager, Method::GET, KEYS, Value::Null).await;
    let items = all.json()["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0], one.json());
    assert_eq!(items[1]["createdBy"], json!({"kind": "command"}));
    assert!(!all.text.contains("mpk_"), "{}", all.text);
    harness.clock.advance(Duration::from_hours(24));
    let expired = call(&harness, &manager, Method::GET, &path, Value::Null).await;
    assert_eq!(expired.json()["state"], "expired");
    assert!(!harness.is_valid(&secret(&created)).await);
}

#[tokio::test]
async fn bad_fields_are_all_told() {
    let harness = Harness::new();
    let manager = manager(&harness).await;
    let body = json!({
        "name": "",
        "scopes": ["wallets:read", "mint", "wallets:read"],
        "expiresAt": "soon",
        "extra": 1,
    });
    create(&harness, &manager, body).await.check_errors(&expect![[r#"
        name too_short: must have at least 1 character
        scopes unknown_scope: has `mint`; the scopes are accounts:read, accounts:write, wallets:read, wallets:write, money:send, money:fund, books:read, operate, keys:write
        scopes repeated_scope: must name `wallets:read` once
        expiresAt invalid_time: must be an RFC 3339 time, such as 2026-01-31T09:00:00Z
        extra unknown_field: is not a field of this request
    "#]]);
    for (scopes, code) in [
        (json!([]), "too_few"),
        (json!("wallets:read"), "wrong_type"),
        (json!([1]), "wrong_type"),
        (Value::Null, "required"),
    ] {
        let answer = create(&harness, &manager, json!({"name": "a", "scopes": scopes})).await;
        assert_eq!(answer.json()["errors"][0]["code"], code, "{}", answer.text);
    }
    let past =
        json!({"name": "a", "scopes": ["wallets:read"], "expiresAt": "2025-11-23T09:00:00Z"});
    create(&harness, &manager, past).await.check_errors(&expect![[r#"
        expiresAt not_in_future: must be in the future
    "#]]);
    let path = format!("{KEYS}/1/rotations");
    for seconds in [json!(-1), json!(2_592_001), json!("1")] {
        let body = json!({"overlapSeconds": seconds});
        let answer = call(&harness, &manager, Method::POST, &path, body).await;
        assert_eq!(answer.code(), (400, "invalid_request".to_owned()));
    }
}

#[tokio::test]
async fn nobody_gets_more_by_way_of_keys() {
    let harness = Harness::new();
    let weak = [Scope::KeysWrite, Scope::WalletsRead];
    let lifetime = Duration::from_hours(1);
    let manager = by_command(&harness, &weak, Some(lifetime)).await;
    let manager = manager.as_str();
    let strong = by_command(&harness, &[Scope::MoneyFund], Some(lifetime)).await;
    by_command(&harness, &[Scope::WalletsRead], None).await;
    let ends = "2025-11-23T10:00:00Z";
    let new =
        |scopes: Value, expires_at| json!({"name": "a", "scopes": scopes, "expiresAt": expires_at});
    let beyond = new(json!(["wallets:read", "operate", "money:fund"]), json!(ends));
    let refused = create(&harness, manager, beyond).await;
    assert_eq!(refused.code(), (403, "insufficient_scope".to_owned()));
    let refused = refused.json();
    assert_eq!(refused["scope"], "money:fund");
    assert_eq!(
        refused["detail"],
        "A key gives only scopes that it has itself. It lacks `money:fund`, `operate`."
    );
    for end in [Value::Null, json!("2025-11-23T10:00:00.000001Z")] {
        let outlives = create(&harness, manager, new(json!(["wallets:read"]), end)).await;
        assert_eq!(outlives.code(), (403, "outlives_own_key".to_owned()));
    }
    create(&harness, manager, new(json!(["wallets:read"]), json!(ends))).await.json();

    // A rotation hands out the secret of another key.
    for (id, code) in [(2, "insufficient_scope"), (3, "outlives_own_key")] {
        let path = format!("{KEYS}/{id}/rotations");
        let refused = call(&harness, manager, Method::POST, &path, json!({})).await;
        assert_eq!(refused.code(), (403, code.to_owned()));
    }
    // Without `keys:write` a key manages nothing, not even itself; nor does a person.
    harness.register("ada").await;
    let person = harness.log_in("ada").await.access;
    for token in [strong.as_str(), &person] {
        for (method, path, body) in [
            (Method::POST, KEYS.to_owned(), json!({"name": "a", "scopes": ["money:fund"]})),
            (Method::GET, KEYS.to_owned(), Value::Null),
            (Method::GET, format!("{KEYS}/2"), Value::Null),
            (Method::POST, format!("{KEYS}/2/rotations"), json!({})),
            (Method::DELETE, format!("{KEYS}/2"), Value::Null),
        ] {
            let refused = call(&harness, token, method, &path, body).await;
            assert_eq!(refused.code(), (403, "insufficient_scope".to_owned()), "{path}");
            assert_eq!(refused.json()["scope"], "keys:write");
        }
    }
}

#[tokio::test]
async fn a_rotated_key_has_both_secrets_until_the_overlap_is_over() {
    let harness = Harness::new();
    let old = manager(&harness).await;
    let path = format!("{KEYS}/1/rotations");
    let mut revocations = harness.service.revocations();
    let body = json!({"overlapSeconds": 60});
    let rotated = call(&harness, &old, Method::POST, &path, body).await;
    assert_eq!(rotated.headers["cache-control"], "no-store");
    let until = rotated.json()["previousValidUntil"].clone();
    assert_eq!(until, "2025-11-23T09:01:00.000000Z");
    assert_eq!(rotated.json()["apiKey"]["rotatedBy"], json!({"kind": "api_key", "apiKeyId": 1}));
    // Caches learn the new end of the old secret.
    let told = Event::Revoked(TokenDigest::of(&old));
    assert_eq!(revocations.try_next(), Some(told));
    let new = secret(&rotated);
    assert!(harness.is_valid(&old).await && harness.is_valid(&new).await);
    let ends = async |key: &str| {
        let found = harness.service.introspect(TokenDigest::of(key)).await.unwrap();
        found.unwrap().expires_at
    };
    assert_eq!(ends(&old).await, harness.clock.now().plus(Duration::from_mins(1)));
    // The old secret, perhaps a stolen one, makes nothing that lives longer than itself.
    let outlives = (403, "outlives_own_key".to_owned());
    let again = call(&harness, &old, Method::POST, &path, json!({"overlapSeconds": 0})).await;
    assert_eq!(again.code(), outlives);
    let body = json!({"name": "Mine", "scopes": ["wallets:read"]});
    assert_eq!(create(&harness, &old, body.clone()).await.code(), outlives);
    assert_eq!(create(&harness, &new, body).await.status, 201);
    harness.clock.advance(Duration::from_mins(1));
    assert!(!harness.is_valid(&old).await && harness.is_valid(&new).await);

    // A day unless something else is said; none with 0.
    let day = call(&harness, &new, Method::POST, &path, json!({})).await;
    assert_eq!(day.json()["previousValidUntil"], "2025-11-24T09:01:00.000000Z");
    let last = secret(&day);
    let at_once = call(&harness, &last, Method::POST, &path, json!({"overlapSeconds": 0})).await;
    assert_eq!(at_once.json()["previousValidUntil"], Value::Null);
    assert!(!harness.is_valid(&new).await && !harness.is_valid(&last).await);
    assert!(harness.is_valid(&secret(&at_once)).await);
}

#[tokio::test]
async fn a_revoked_key_is_refused_and_says_who_revoked_it() {
    let harness = Harness::new();
    let manager = manager(&harness).await;
    let strong = by_command(&harness, &[Scope::MoneyFund], None).await;
    let mut revocations = harness.service.revocations();
    let path = format!("{KEYS}/2");
    for _ in 0..2 {
        let revoked = call(&harness, &manager, Method::DELETE, &path, Value::Null).await;
        assert_eq!((revoked.status, revoked.text.as_str()), (204, ""));
    }
    let told = Event::Revoked(TokenDigest::of(strong.as_str()));
    assert_eq!((revocations.try_next(), revocations.try_next()), (Some(told), None));
    assert!(!harness.is_valid(strong.as_str()).await);
    let shown = call(&harness, &manager, Method::GET, &path, Value::Null).await.json();
    assert_eq!(shown["state"], "revoked");
    assert_eq!(shown["revokedBy"], json!({"kind": "api_key", "apiKeyId": 1}));
    let rotations = format!("{path}/rotations");
    let rotation = call(&harness, &manager, Method::POST, &rotations, json!({})).await;
    assert_eq!(rotation.code(), (409, "api_key_ended".to_owned()));
    for method in [Method::GET, Method::DELETE] {
        let missing = call(&harness, &manager, method, &format!("{KEYS}/9"), Value::Null).await;
        assert_eq!(missing.code(), (404, "api_key_not_found".to_owned()));
    }
    // Itself as well.
    let revoked = call(&harness, &manager, Method::DELETE, &format!("{KEYS}/1"), Value::Null).await;
    assert_eq!(revoked.status, 204);
    let refused = call(&harness, &manager, Method::GET, KEYS, Value::Null).await;
    assert_eq!(refused.code(), (401, "invalid_token".to_owned()));
}

#[tokio::test]
async fn a_command_revokes_a_key_beside_the_service() {
    let harness = Harness::new();
    let background = harness.service.start_background().await.unwrap();
    let key = by_command(&harness, &[Scope::MoneyFund], None).await;
    assert!(harness.is_valid(key.as_str()).await);
    let mut revocations = harness.service.revocations();
    let store = SqliteStore::open_existing(&harness.database).unwrap();
    revoke_by_command(&store, 1, &harness.clock).await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(20), revocations.next()).await;
    assert_eq!(next.unwrap(), Event::Revoked(TokenDigest::of(key.as_str())));
    assert!(!harness.is_valid(key.as_str()).await);
    let again = revoke_by_command(&store, 1, &harness.clock).await.unwrap();
    assert!(again.revoked.is_some());
    let unknown = revoke_by_command(&store, 2, &harness.clock).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no such API key");
    background.stop().await;
}

#[tokio::test]
async fn the_last_use_is_written_beside_the_answers() {
    let harness = Harness::new();
    let background = harness.service.start_background().await.unwrap();
    let manager = manager(&harness).await;
    let eventually = async |expected: Value| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            // Each of these is a use.
            let shown =
                call(&harness, &manager, Method::GET, &format!("{KEYS}/1"), Value::Null).await;
            if shown.json()["lastUsedAt"] == expected {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{}", shown.text);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    eventually(json!("2025-11-23T09:00:00.000000Z")).await;
    harness.clock.advance(Duration::from_secs(61));
    eventually(json!("2025-11-23T09:01:01.000000Z")).await;
    background.stop().await;
}
