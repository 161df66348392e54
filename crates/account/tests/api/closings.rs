//! Closing accounts, with a money service in miniature that may fail in between.

use std::time::Duration;

use expect_test::expect;
use http::Method;
use serde_json::{Value, json};
use service::contract::{
    account_feed::{AccountFeed as _, Standing},
    closing::Holding,
};

use crate::harness::{Answer, Fault, Harness, PASSWORD};

const ADA: i64 = 10_001;
const PATH: &str = "/accounts/v1/accounts/10001/closure";
/// How long a busy machine may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A service with Ada, who is logged in.
async fn world() -> (Harness, String) {
    let harness = Harness::new();
    harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    (harness, token)
}

impl Harness {
    async fn close_with(&self, token: &str, body: Value) -> Answer {
        self.call(Method::POST, PATH, Some(token), Some(body)).await
    }

    fn wallets_hold(&self, balance: i64) {
        let holding = Holding { wallet_id: 7, currency: "KRW".to_owned(), balance };
        self.wallets.state.lock().unwrap().holding = vec![holding];
    }

    fn empty_wallets(&self) {
        self.wallets.state.lock().unwrap().holding.clear();
    }

    fn fail(&self, fault: Option<Fault>) {
        self.wallets.state.lock().unwrap().fault = fault;
    }

    fn attempts(&self) -> Vec<i64> {
        let state = self.wallets.state.lock().unwrap();
        state.asked.iter().map(|closing| closing.attempt).collect()
    }

    async fn standing(&self) -> Standing {
        self.service.account(ADA).await.unwrap().standing
    }

    /// What the feed tells of Ada.
    async fn told(&self) -> Vec<Standing> {
        let changes = self.service.changes_after(0, 10, Duration::ZERO).await.unwrap().changes;
        changes.iter().map(|change| change.standing).collect()
    }

    /// How many closings are not settled, as the database has it.
    fn open_closings(&self) -> i64 {
        let db = rusqlite::Connection::open(&self.database).unwrap();
        let sql = "SELECT COUNT(*) FROM closings WHERE is_open = 1";
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    async fn until_settled(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.open_closings() > 0 {
            assert!(tokio::time::Instant::now() < deadline, "it is not settled");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn an_owner_confirms_with_the_password() {
    let (harness, token) = world().await;
    let closed = async |body| harness.close_with(&token, body).await;
    closed(json!({})).await.check_errors(&expect![[r#"
        currentPassword required: is required
    "#]]);
    let bad = closed(json!({ "currentPassword": 7, "force": true })).await;
    bad.check_errors(&expect![[r#"
        currentPassword wrong_type: must be a string, not a number
        force unknown_field: is not a field of this request
    "#]]);
    let wrong = closed(json!({ "currentPassword": "wrong horse" })).await;
    assert_eq!(wrong.code(), (403, "invalid_current_password".to_owned()));
    assert_eq!(harness.call(Method::POST, PATH, Some(&token), None).await.status, 415);
    assert_eq!(harness.attempts(), [0; 0], "nothing was asked");
    assert!(harness.is_valid(&token).await);
    // Bodies of DELETE are dropped by proxies, so there is none any more.
    let path = "/accounts/v1/accounts/10001";
    let before = harness.delete(path, Some(&token)).await;
    assert_eq!(before.code(), (405, "method_not_allowed".to_owned()));
    let closed = closed(json!({ "currentPassword": PASSWORD })).await;
    assert_eq!((closed.status, closed.text.as_str()), (204, ""));
    assert!(!harness.is_valid(&token).await);
    assert_eq!(harness.told().await, [Standing::Closed]);
    assert_eq!(harness.open_closings(), 0);
}

#[tokio::test]
async fn wallets_that_hold_money_are_named_and_keep_the_account_open() {
    let (harness, token) = world().await;
    harness.wallets_hold(15_000);
    harness.close(ADA, &token).await.check(&expect![[r#"
        409
        {
          "balances": [
            {
              "balance": 15000,
              "currency": "KRW",
              "walletId": 7
            }
          ],
          "code": "balances_remain",
          "detail": "Nothing was changed. Send or withdraw what `balances` names first.",
          "instance": "/accounts/v1/accounts/10001/closure",
          "requestId": "",
          "status": 409,
          "title": "The account's wallets hold money",
          "type": "urn:my-pay:problem:balances_remain"
        }
    "#]]);
    assert!(harness.is_valid(&token).await);
    assert_eq!((harness.standing().await, harness.open_closings()), (Standing::Active, 0));
    assert_eq!(harness.told().await, []);
    harness.empty_wallets();
    assert_eq!(harness.close(ADA, &token).await.status, 204);
    assert!(harness.attempts().is_sorted_by(|a, b| a < b), "{:?}", harness.attempts());
}

#[tokio::test]
async fn nothing_changes_if_the_money_service_cannot_be_reached() {
    let (harness, token) = world().await;
    harness.fail(Some(Fault::Unreachable));
    let answer = harness.close(ADA, &token).await;
    assert_eq!(answer.code(), (503, "unavailable".to_owned()));
    assert_eq!((harness.standing().await, harness.open_closings()), (Standing::Active, 0));
    assert!(harness.is_valid(&token).await);
    // Nothing is left that would close it later.
    harness.fail(None);
    harness.clock.advance(Duration::from_mins(1));
    harness.service.close_account(ADA).await.unwrap();
    assert_eq!(harness.attempts().len(), 2);
}

/// The answer was lost: the wallets are closed, and nothing will ever reach or leave them.
#[tokio::test]
async fn a_closing_whose_answer_was_lost_is_settled_afterwards() {
    let (harness, token) = world().await;
    harness.fail(Some(Fault::AnswerLost));
    let answer = harness.close(ADA, &token).await;
    answer.check(&expect![[r#"
        503
        {
          "code": "outcome_unknown",
          "detail": "The closing is under way, and ends by itself within moments.",
          "instance": "/accounts/v1/accounts/10001/closure",
          "requestId": "",
          "status": 503,
          "title": "The change may have been made or not; look before asking again",
          "type": "urn:my-pay:problem:outcome_unknown"
        }
    "#]]);
    assert_eq!(harness.open_closings(), 1);
    // An attempt that reaches no money service cannot take back the one before it.
    harness.fail(Some(Fault::Unreachable));
    let answer = harness.close(ADA, &token).await;
    assert_eq!(answer.code(), (503, "outcome_unknown".to_owned()));
    assert_eq!((harness.standing().await, harness.open_closings()), (Standing::Active, 1));

    harness.fail(None);
    harness.clock.advance(Duration::from_secs(8));
    harness.until_settled().await;
    assert_eq!(harness.standing().await, Standing::Closed);
    assert!(!harness.is_valid(&token).await);
    assert_eq!(harness.told().await, [Standing::Closed]);
}

#[tokio::test]
async fn a_closing_whose_answer_was_lost_may_end_open() {
    let (harness, token) = world().await;
    harness.wallets_hold(5);
    harness.fail(Some(Fault::AnswerLost));
    assert_eq!(harness.close(ADA, &token).await.status, 503);
    harness.fail(None);
    harness.clock.advance(Duration::from_secs(8));
    harness.until_settled().await;
    assert_eq!(harness.standing().await, Standing::Active);
    assert!(harness.is_valid(&token).await);
    assert_eq!(harness.told().await, []);
}

/// Suspended after its wallets were closed: there is no way back for them, so the account is
/// closed, too.
#[tokio::test]
async fn a_suspension_in_between_does_not_keep_an_account_without_wallets() {
    let (harness, token) = world().await;
    harness.fail(Some(Fault::AnswerLost));
    assert_eq!(harness.close(ADA, &token).await.status, 503);
    let body = json!({ "name": "Ada", "email": "ada@example.com", "isValid": false });
    assert_eq!(harness.put("/accounts/v1/accounts/10001", Some(&token), body).await.status, 200);
    harness.fail(None);
    harness.clock.advance(Duration::from_secs(8));
    harness.until_settled().await;
    assert_eq!(harness.standing().await, Standing::Closed);
    assert_eq!(harness.told().await, [Standing::Suspended, Standing::Closed]);
}

#[tokio::test]
async fn two_closings_at_once_are_one() {
    let (harness, token) = world().await;
    let (first, second) = tokio::join!(harness.close(ADA, &token), harness.close(ADA, &token));
    // The later one may find it closed.
    for answer in [first, second] {
        let disabled = (403, "account_disabled".to_owned());
        assert!(answer.status == 204 || answer.code() == disabled, "{}", answer.text);
    }
    assert_eq!(harness.told().await, [Standing::Closed]);
    assert_eq!((harness.standing().await, harness.open_closings()), (Standing::Closed, 0));
}
