//! What operators do by command, on the database of a service that runs.

use std::time::Duration;

use my_pay_account::{
    SqliteStore,
    operations::{self, Action, NewOperation, Operation, OperationRefusal},
};
use serde_json::json;
use service::{
    contract::account_feed::{AccountFeed as _, Standing},
    operator::Operator,
};

use crate::harness::{Harness, PASSWORD};

/// As a command does it, beside the service.
async fn operate(
    harness: &Harness,
    account_id: i64,
    action: Action,
) -> Result<Operation, OperationRefusal> {
    let existing = SqliteStore::open_existing(&harness.database).unwrap();
    let operator = Operator::User("ops".to_owned());
    let new = NewOperation { account_id, action, reason: "a test".to_owned(), operator };
    operations::operate(&existing, new, &harness.clock).await.unwrap()
}

#[tokio::test]
async fn an_operator_enables_a_suspended_account_while_the_service_runs() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    operate(&harness, id, Action::Suspend).await.unwrap();
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 403);

    // A reader already waits. Nothing in this process tells it; it looks for itself.
    let feed = harness.service.clone();
    let reader =
        tokio::spawn(async move { feed.changes_after(1, 10, Duration::from_mins(1)).await });
    let enabled = operate(&harness, id, Action::Enable).await.unwrap();
    assert_eq!((enabled.account_id, enabled.sequence), (id, 2));
    let seen = tokio::time::timeout(Duration::from_secs(10), reader).await;
    let changes = seen.expect("long before its wait is over").unwrap().unwrap().changes;
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].account_id, changes[0].standing), (id, Standing::Active));

    let token = harness.log_in("ada").await.access;
    let account = harness.get(&format!("/accounts/v1/accounts/{id}"), Some(&token)).await.json();
    assert_eq!(account["isValid"], json!(true));
    let page = harness.service.operations(id, None, 1).await.unwrap();
    assert_eq!((page.items, page.next), (vec![enabled], Some(2)));
}

#[tokio::test]
async fn what_cannot_be_done_is_said_clearly() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let closed = harness.register("bob").await;
    let token = harness.log_in("bob").await.access;
    harness.delete(&format!("/accounts/v1/accounts/{closed}"), Some(&token)).await;
    let refusal = async |id| operate(&harness, id, Action::Enable).await.unwrap_err().to_string();
    assert_eq!(refusal(id).await, "the account is not suspended");
    assert_eq!(refusal(closed).await, "the account was closed, which is for good");
    assert_eq!(refusal(10_003).await, "there is no such account");
    let nowhere = harness.database.with_file_name("nowhere.db");
    let missing = SqliteStore::open_existing(&nowhere).unwrap_err().to_string();
    assert_eq!(missing, "there is no account database: start the service once to create it");
    assert!(!nowhere.exists());
}
