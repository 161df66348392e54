//! What operators do by command, on the database of a service that runs, and by call.

use std::time::Duration;

use expect_test::expect;
use http::Method;
use my_pay_account::{
    SqliteStore,
    operations::{self, Action, NewOperation, Operation, OperationRefusal},
};
use serde_json::json;
use service::{
    contract::{
        account_feed::{AccountFeed as _, Standing},
        identity::{Caller, Identity},
        scope::{Scope, Scopes},
    },
    operator::Operator,
};

use crate::harness::{Answer, Harness, PASSWORD};

/// Calls as a backend whose key 7 has these scopes.
async fn call(harness: &Harness, scopes: &[Scope], action: &str, id: i64) -> Answer {
    let key = Caller::Known(Identity::api_key(7, Scopes::of(scopes), Identity::NEVER));
    let path = format!("/accounts/v1/accounts/{id}/operations");
    let body = json!({ "action": action, "reason": "  a stolen phone " });
    harness.call_as(key, Method::POST, &path, Some(body)).await
}

/// Lists as the same backend.
async fn list(harness: &Harness, id: i64, query: &str) -> Answer {
    let key = Caller::Known(Identity::api_key(7, OPERATE, Identity::NEVER));
    let path = format!("/accounts/v1/accounts/{id}/operations{query}");
    harness.call_as(key, Method::GET, &path, None).await
}

/// Status and code.
fn brief(answer: &Answer) -> String {
    let (status, code) = answer.code();
    format!("{status} {code}")
}

const OPERATE: Scopes = Scopes::of(&[Scope::Operate]);

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
    assert_eq!(harness.close(closed, &token).await.status, 204);
    let refusal = async |id| operate(&harness, id, Action::Enable).await.unwrap_err().to_string();
    assert_eq!(refusal(id).await, "the account is not suspended");
    assert_eq!(refusal(closed).await, "the account was closed, which is for good");
    assert_eq!(refusal(10_003).await, "there is no such account");
    let nowhere = harness.database.with_file_name("nowhere.db");
    let missing = SqliteStore::open_existing(&nowhere).unwrap_err().to_string();
    assert_eq!(missing, "there is no account database: start the service once to create it");
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn a_backend_suspends_and_reads_who_did_what_when_and_why() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let tokens = harness.log_in("ada").await;
    let suspended = call(&harness, &[Scope::Operate], "suspend", id).await;
    suspended.check(&expect![[r#"
        201
        {
          "accountId": 10001,
          "action": "suspend",
          "apiKeyId": 7,
          "createdAt": "2025-11-23T09:00:00.000000Z",
          "reason": "a stolen phone",
          "sequence": 1,
          "user": null
        }
    "#]]);
    // At once in this process, without a look into the table.
    let path = format!("/accounts/v1/accounts/{id}");
    assert_eq!(brief(&harness.get(&path, Some(&tokens.access)).await), "401 invalid_token");
    assert_eq!(brief(&harness.refresh(&tokens.refresh).await), "401 invalid_refresh_token");
    assert_eq!(brief(&harness.try_log_in("ada", PASSWORD).await), "403 account_disabled");

    operate(&harness, id, Action::Enable).await.unwrap();
    let tokens = harness.log_in("ada").await;
    let revoked = call(&harness, &[Scope::Operate], "revoke_sessions", id).await;
    assert_eq!((revoked.status, &revoked.json()["sequence"]), (201, &json!(3)));
    assert_eq!(brief(&harness.get(&path, Some(&tokens.access)).await), "401 invalid_token");
    harness.log_in("ada").await;

    let first = list(&harness, id, "?limit=2").await;
    first.check(&expect![[r#"
        200
        {
          "items": [
            {
              "accountId": 10001,
              "action": "revoke_sessions",
              "apiKeyId": 7,
              "createdAt": "2025-11-23T09:00:00.000000Z",
              "reason": "a stolen phone",
              "sequence": 3,
              "user": null
            },
            {
              "accountId": 10001,
              "action": "enable",
              "apiKeyId": null,
              "createdAt": "2025-11-23T09:00:00.000000Z",
              "reason": "a test",
              "sequence": 2,
              "user": "ops"
            }
          ],
          "nextCursor": "2"
        }
    "#]]);
    let second = list(&harness, id, "?limit=2&cursor=2").await.json();
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert_eq!((&second["items"][0]["sequence"], &second["nextCursor"]), (&json!(1), &json!(null)));
}

#[tokio::test]
async fn actions_that_change_nothing_are_refused_and_not_recorded() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let act =
        async |action: &str, id: i64| brief(&call(&harness, &[Scope::Operate], action, id).await);
    assert_eq!(act("enable", id).await, "409 account_not_suspended");
    assert_eq!(act("revoke_sessions", id).await, "409 no_live_sessions");
    for unknown in [1, 9_999, 10_000, 10_002] {
        assert_eq!(act("suspend", unknown).await, "404 account_not_found");
        assert_eq!(brief(&list(&harness, unknown, "").await), "404 account_not_found");
    }
    assert_eq!(act("suspend", id).await, "201 ");
    assert_eq!(act("suspend", id).await, "409 account_already_suspended");
    assert_eq!(act("enable", id).await, "201 ");
    let token = harness.log_in("ada").await.access;
    assert_eq!(harness.close(id, &token).await.status, 204);
    for action in ["suspend", "enable", "revoke_sessions"] {
        assert_eq!(act(action, id).await, "409 account_closed", "{action}");
    }
    let listed = list(&harness, id, "").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn people_and_keys_without_the_scope_are_refused() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let others: Vec<_> =
        Scope::ALL.iter().copied().filter(|scope| *scope != Scope::Operate).collect();
    let refused = call(&harness, &others, "suspend", id).await;
    assert_eq!(brief(&refused), "403 insufficient_scope");
    assert_eq!(refused.json()["scope"], "operate");
    let path = format!("/accounts/v1/accounts/{id}/operations");
    let body = json!({ "action": "enable", "reason": "it is mine" });
    for (method, body) in [(Method::POST, Some(body)), (Method::GET, None)] {
        let own = harness.call(method.clone(), &path, Some(&token), body.clone()).await;
        assert_eq!(brief(&own), "403 insufficient_scope", "{method}");
        let none = harness.call(method, &path, None, body).await;
        assert_eq!(brief(&none), "401 missing_token");
    }
    assert_eq!(list(&harness, id, "").await.json()["items"], json!([]));
}

#[tokio::test]
async fn every_bad_field_of_an_operation_is_told_at_once() {
    let harness = Harness::new();
    let id = harness.register("ada").await;
    let key = Caller::Known(Identity::api_key(7, OPERATE, Identity::NEVER));
    let path = format!("/accounts/v1/accounts/{id}/operations");
    for (body, expected) in [
        (json!({}), json!([["action", "required"], ["reason", "required"]])),
        (
            json!({ "action": "close", "reason": " \u{202e}", "by": "me" }),
            json!([
                ["action", "unknown_action"],
                ["reason", "direction_control"],
                ["by", "unknown_field"]
            ]),
        ),
        (
            json!({ "action": "suspend", "reason": "x".repeat(501) }),
            json!([["reason", "too_long"]]),
        ),
        (json!({ "action": "suspend", "reason": "  " }), json!([["reason", "too_short"]])),
    ] {
        let answer = harness.call_as(key, Method::POST, &path, Some(body)).await;
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        let found: Vec<_> =
            errors.iter().map(|error| json!([error["field"], error["code"]])).collect();
        assert_eq!(json!(found), expected);
    }
    for (query, field) in [("?limit=0", "limit"), ("?limit=201", "limit"), ("?cursor=0", "cursor")]
    {
        assert_eq!(list(&harness, id, query).await.json()["errors"][0]["field"], field);
    }
    assert_eq!(list(&harness, id, "").await.json()["items"], json!([]));
}
