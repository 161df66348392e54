//! The operator's command, on the database of a service that runs.

use std::time::Duration;

use my_pay_account::{SqliteStore, admin::enable_account};
use serde_json::json;
use service::contract::account_feed::{AccountFeed as _, Standing};

use crate::harness::{Harness, PASSWORD};

async fn suspend(harness: &Harness, id: i64, name: &str) {
    let token = harness.log_in(name).await.access;
    let email = format!("{name}@example.com");
    let body = json!({ "name": name, "email": email, "isValid": false });
    let answer = harness.put(&format!("/accounts/v1/accounts/{id}"), Some(&token), body).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_operator_enables_a_suspended_account_while_the_service_runs() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let existing = SqliteStore::open_existing(&harness.database).unwrap();
    suspend(&harness, id, "ada").await;
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 403);

    // A reader already waits. Nothing in this process tells it; it looks for itself.
    let feed = harness.service.clone();
    let reader =
        tokio::spawn(async move { feed.changes_after(1, 10, Duration::from_mins(1)).await });
    let enabled = enable_account(&existing, id, &harness.clock).await.unwrap();
    assert_eq!((enabled.id, enabled.standing), (id, Standing::Active));
    let seen = tokio::time::timeout(Duration::from_secs(10), reader).await;
    let changes = seen.expect("long before its wait is over").unwrap().unwrap().changes;
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].account_id, changes[0].standing), (id, Standing::Active));

    let token = harness.log_in("ada").await.access;
    let account = harness.get(&format!("/accounts/v1/accounts/{id}"), Some(&token)).await.json();
    assert_eq!(account["isValid"], json!(true));
}

#[tokio::test]
async fn what_cannot_be_enabled_is_said_clearly() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let existing = SqliteStore::open_existing(&harness.database).unwrap();
    let closed = harness.register("bob").await;
    let token = harness.log_in("bob").await.access;
    harness.delete(&format!("/accounts/v1/accounts/{closed}"), Some(&token)).await;
    let refusal =
        async |id| enable_account(&existing, id, &harness.clock).await.unwrap_err().to_string();
    assert_eq!(refusal(id).await, "account 10001 is active already");
    assert_eq!(refusal(closed).await, "account 10002 was closed by its owner, which is for good");
    assert_eq!(refusal(10_003).await, "there is no account 10003");
    let nowhere = harness.database.with_file_name("nowhere.db");
    let missing = SqliteStore::open_existing(&nowhere).unwrap_err().to_string();
    assert_eq!(missing, "there is no account database: start the service once to create it");
    assert!(!nowhere.exists());
}
