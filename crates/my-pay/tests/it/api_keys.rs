//! API keys over TCP: what they may be used for, how they are managed, and how they end.

use std::time::Duration;

use account::SqliteStore;
use account::api_keys::{
    NewApiKey, create_by_command, read_scopes, revoke_by_command, rotate_by_command,
};
use hyper::Method;
use my_pay::data_dir::account_database;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Backend, Product, Response, eventually, until_revoked};

const KEYS: &str = "/accounts/v1/api-keys";

/// How soon a key must be refused that a command has ended.
const SECOND: Duration = Duration::from_secs(1);

/// The id of the key, by its manager's list.
fn id(created: &Response) -> i64 {
    created.body["apiKey"]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_key_may_be_used_for_its_scopes_and_nothing_else() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    ann.deposit(100).await;
    let backend = product.backend(&["wallets:read"]).await;
    let wallet = format!("/money/v1/wallets/{}", ann.wallet_id);
    let seen = backend.get(&wallet).on_behalf_of(ann.account_id).send().await;
    assert_eq!((seen.status, &seen.body["balance"]), (200, &json!(100)));
    for (method, path, scope) in [
        (Method::POST, "/money/v1/deposits", "money:fund"),
        (Method::POST, "/money/v1/transfers", "money:send"),
        (Method::POST, "/money/v1/wallets", "wallets:write"),
        (Method::GET, "/accounts/v1/auths", "accounts:read"),
        (Method::GET, KEYS, "keys:write"),
    ] {
        let call = backend.call(method.clone(), path).on_behalf_of(ann.account_id);
        let refused = call.key("k").json(&json!({"amount": 1})).send().await;
        assert_eq!(refused.brief(), "403 insufficient_scope", "{method} {path}");
        assert_eq!(refused.body["scope"], scope);
    }
    product.stop().await;
}

#[tokio::test]
async fn a_key_that_manages_keys_gives_no_more_than_it_has() {
    let product = Product::start().await;
    let manager = product.backend(&["keys:write", "wallets:read"]).await;
    let strong = product.backend(&["keys:write", "money:fund"]).await;
    let refused = manager.try_create(&["wallets:read", "money:fund"]).await;
    assert_eq!(refused.brief(), "403 insufficient_scope");
    assert_eq!(refused.body["scope"], "money:fund");
    let challenge = r#"Bearer realm="my-pay", error="insufficient_scope", scope="money:fund""#;
    assert_eq!(refused.header("www-authenticate"), challenge);
    // The secret of a stronger key is not handed out by a rotation.
    let body = json!({"name": "Strong", "scopes": ["money:fund"]});
    let created = strong.post(KEYS).json(&body).send().await;
    assert_eq!(created.status, 201, "{}", created.body);
    let rotations = format!("{KEYS}/{}/rotations", id(&created));
    let refused = manager.post(&rotations).json(&json!({})).send().await;
    assert_eq!(refused.brief(), "403 insufficient_scope");
    let rotated = strong.post(&rotations).json(&json!({})).send().await;
    assert_eq!(rotated.status, 201, "{}", rotated.body);
    // What it creates is as weak as it is.
    let child = manager.create(&["wallets:read"]).await;
    assert_eq!(child.get(KEYS).send().await.brief(), "403 insufficient_scope");
    // A person manages none.
    let ann = product.person("Ann").await;
    assert_eq!(ann.get(KEYS).send().await.brief(), "403 insufficient_scope");
    product.stop().await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second() {
    let product = Product::start().await;
    let manager = product.backend(&["keys:write", "wallets:read"]).await;
    let ann = product.person("Ann").await.with_wallet().await;
    let body = json!({"name": "Ended", "scopes": ["wallets:read"]});
    let created = manager.post(KEYS).json(&body).send().await;
    let key = created.body["key"].as_str().unwrap().to_owned();
    let ended = Backend { client: product.client.clone(), key };
    let call = || ended.get("/money/v1/wallets").on_behalf_of(ann.account_id);
    // The gateway remembers it.
    assert_eq!(call().send().await.status, 200);
    let path = format!("{KEYS}/{}", id(&created));
    assert_eq!(manager.call(Method::DELETE, &path).send().await.status, 204);
    assert_eq!(until_revoked(call).await.brief(), "401 invalid_token");
    assert_eq!(manager.call(Method::DELETE, &path).send().await.status, 204, "as before");
    assert_eq!(manager.get(&path).send().await.body["state"], "revoked");
    product.stop().await;
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_until_the_overlap_is_over() {
    let product = Product::start().await;
    let old = product.backend(&["keys:write"]).await;
    let path = format!("{KEYS}/1/rotations");
    assert_eq!(old.get(KEYS).send().await.status, 200);
    let rotated = old.post(&path).json(&json!({"overlapSeconds": 3})).send().await;
    assert_eq!(rotated.status, 201, "{}", rotated.body);
    assert_eq!(rotated.header("cache-control"), "no-store");
    let key = rotated.body["key"].as_str().unwrap().to_owned();
    let new = Backend { client: product.client.clone(), key };
    for backend in [&old, &new] {
        assert_eq!(backend.get(KEYS).send().await.status, 200);
    }
    // The gateway remembers the old secret for longer than that, but not past its end.
    product.advance(Duration::from_secs(3));
    assert_eq!(old.get(KEYS).send().await.brief(), "401 invalid_token");
    assert_eq!(new.get(KEYS).send().await.status, 200);
    product.stop().await;
}

/// Requests that are under way with the secret of before are not refused, whatever a gateway had
/// asked when the rotation overtook it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_interrupts_no_request() {
    let product = Product::start().await;
    let manager = product.backend(&["keys:write"]).await;
    let created =
        manager.post(KEYS).json(&json!({"name": "Busy", "scopes": ["keys:write"]})).send().await;
    let path = format!("{KEYS}/{}", id(&created));
    let mut secret = created.body["key"].as_str().unwrap().to_owned();
    for _ in 0..10 {
        let busy = Backend { client: product.client.clone(), key: secret };
        let mut requests = JoinSet::new();
        for _ in 0..20 {
            let (busy, path) = (busy.clone(), path.clone());
            requests.spawn(async move { busy.get(&path).send().await.brief() });
        }
        let rotation = busy.post(&format!("{path}/rotations")).json(&json!({})).send();
        let rotated = rotation.await;
        assert_eq!(rotated.status, 201, "{}", rotated.body);
        secret = rotated.body["key"].as_str().unwrap().to_owned();
        assert_eq!(busy.get(&path).send().await.status, 200);
        assert_eq!(requests.join_all().await, ["200"; 20]);
    }
    product.stop().await;
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let product = Product::start().await;
    let manager = product.backend(&["keys:write"]).await;
    let end = "2027-01-15T08:00:03Z";
    let body = json!({"name": "Short", "scopes": ["keys:write"], "expiresAt": end});
    let created = manager.post(KEYS).json(&body).send().await;
    assert_eq!(created.status, 201, "{}", created.body);
    let key = created.body["key"].as_str().unwrap().to_owned();
    let short = Backend { client: product.client.clone(), key };
    assert_eq!(short.get(KEYS).send().await.status, 200);
    for end in [Value::Null, json!("2027-01-15T08:00:04Z")] {
        let body = json!({"name": "Longer", "scopes": ["keys:write"], "expiresAt": end});
        let refused = short.post(KEYS).json(&body).send().await;
        assert_eq!(refused.brief(), "403 outlives_own_key");
    }
    product.advance(Duration::from_secs(3));
    assert_eq!(short.get(KEYS).send().await.brief(), "401 invalid_token");
    let path = format!("{KEYS}/{}", id(&created));
    assert_eq!(manager.get(&path).send().await.body["state"], "expired");
    product.stop().await;
}

#[tokio::test]
async fn commands_manage_keys_while_the_product_runs() {
    let product = Product::start().await;
    let store = SqliteStore::open_existing(&account_database(&product.data_dir())).unwrap();
    let scopes = read_scopes(["keys:write"]).unwrap();
    let new = NewApiKey { name: "First".to_owned(), scopes, expires_at: None };
    let created = create_by_command(&store, new, product.clock()).await.unwrap();
    let backend = |key: &str| Backend { client: product.client.clone(), key: key.to_owned() };
    let old = backend(created.secret.as_str());
    assert_eq!(old.get(KEYS).send().await.status, 200);
    let at_once = Duration::ZERO;
    let rotated = rotate_by_command(&store, created.key.id, at_once, product.clock()).await;
    let new = backend(rotated.unwrap().secret.as_str());
    assert_eq!(new.get(KEYS).send().await.status, 200);
    let is_refused = async |ended: &Backend| ended.get(KEYS).send().await.status == 401;
    eventually(SECOND, async || is_refused(&old).await).await;
    revoke_by_command(&store, created.key.id, product.clock()).await.unwrap();
    eventually(SECOND, async || is_refused(&new).await).await;
    product.stop().await;
}

#[tokio::test]
async fn the_last_use_is_shown() {
    let product = Product::start().await;
    let manager = product.backend(&["keys:write"]).await;
    let body = json!({"name": "Used", "scopes": ["keys:write"]});
    let created = manager.post(KEYS).json(&body).send().await;
    let path = format!("{KEYS}/{}", id(&created));
    let shown = manager.get(&path).send().await;
    assert_eq!(shown.body["lastUsedAt"], Value::Null);
    let key = created.body["key"].as_str().unwrap().to_owned();
    let used = Backend { client: product.client.clone(), key };
    assert_eq!(used.get(&path).send().await.status, 200);
    eventually(Duration::from_secs(20), async || {
        manager.get(&path).send().await.body["lastUsedAt"].is_string()
    })
    .await;
    let list = manager.get(KEYS).send().await;
    let items = list.body["items"].as_array().unwrap();
    let listed = items.iter().find(|key| key["id"] == id(&created)).expect("it is listed");
    assert!(listed["lastUsedAt"].is_string(), "{listed}");
    product.stop().await;
}
