//! Suspended and closed accounts: nothing may be done with them any more, and nothing of them is
//! lost.

use std::time::Duration;

use account::{
    SqliteStore,
    operations::{self, Action, NewOperation, Operation, OperationRefusal},
};
use expect_test::expect;
use hyper::Method;
use ledger::{
    AccountId, Amount, Asker, Command, Currency, IdempotencyKey, Movement, OpeningRejection,
    Outcome, Rejection,
};
use money::Answer;
use my_pay::data_dir::account_database;
use serde_json::{Value, json};
use service::operator::Operator;

use crate::support::{Person, Product, Response, eventually, person::unique};

/// How soon money must follow an account.
const SOON: Duration = Duration::from_secs(2);

async fn log_in(person: &Person) -> Response {
    let body = json!({"email": person.email, "password": person.password});
    person.client.post("/accounts/v1/auths").json(&body).send().await
}

async fn suspend(person: &Person) -> Response {
    let path = format!("/accounts/v1/accounts/{}", person.account_id);
    let body = json!({
        "name": "Ann",
        "email": "ann@example.com",
        "isValid": false,
        "currentPassword": person.password,
    });
    person.call(Method::PUT, &path).json(&body).send().await
}

/// Sends 1 won from one to the other, and says what became of it.
async fn send_one(from: &Person, to: &Person) -> Response {
    let body = json!({"receiverWalletId": to.wallet_id, "amount": 1});
    from.move_money("transfers", &format!("one-{}", unique()), &body).await
}

/// Withdraws without the gateway and without a token, as nobody can: the money itself must refuse.
async fn withdraw_by_force(product: &Product, person: &Person) -> (Rejection, i64) {
    let account_id = AccountId(person.account_id);
    let command = Command {
        key: IdempotencyKey {
            asker: Asker::Account(account_id),
            key: format!("force-{}", unique()),
        },
        account_id,
        movement: Movement::Withdrawal { wallet: None },
        amount: Amount::new(1).unwrap(),
        summary: None,
    };
    match product.up().money().engine().move_money(command).await.unwrap() {
        Answer::Decided { transfer, .. } => match transfer.outcome {
            Outcome::Failed(rejection) => (rejection, transfer.balance_after),
            Outcome::Completed { .. } => panic!("money left the wallet"),
        },
        Answer::Refused(rejection) => panic!("{rejection:?}"),
    }
}

/// Ann with 100 won, whom others know as ann@example.com once she is suspended, and Bob with 1,000.
async fn two_people(product: &Product) -> (Person, Person) {
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(100).await;
    bob.deposit(1_000).await;
    (ann, bob)
}

/// Has Bob send 1 won again and again until it is refused, and returns how often it was not.
async fn send_until(bob: &Person, ann: &Person, refusal: &str) -> i64 {
    let mut sent = 0;
    eventually(SOON, async || {
        let answer = send_one(bob, ann).await;
        if answer.status == 201 {
            sent += 1;
            return false;
        }
        assert_eq!(answer.brief(), refusal);
        true
    })
    .await;
    sent
}

/// Enables an account as a process beside the product does.
async fn enable(product: &Product, account_id: i64) -> Result<Operation, OperationRefusal> {
    let store = SqliteStore::open_existing(&account_database(&product.data_dir())).unwrap();
    let (reason, operator) = ("a test".to_owned(), Operator::User("ops".to_owned()));
    let new = NewOperation { account_id, action: Action::Enable, reason, operator };
    operations::operate(&store, new, product.clock()).await.unwrap()
}

#[tokio::test]
async fn a_suspended_account_is_locked_at_once_and_its_money_soon() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let phone = log_in(&ann).await;
    let phone_token = phone.body["accessToken"].as_str().unwrap();
    // Known to the gateway's cache, from which they must go.
    for token in [&ann.token, phone_token] {
        assert_eq!(product.client.get("/money/v1/wallets").token(token).send().await.status, 200);
    }
    suspend(&ann).await.check(&expect![[r#"
        200
        {
          "createdAt": "2027-01-15T08:00:00.000000Z",
          "email": "ann@example.com",
          "id": 10001,
          "isValid": false,
          "name": "Ann",
          "updatedAt": "2027-01-15T08:00:00.000000Z"
        }
    "#]]);

    for token in [&ann.token, phone_token] {
        for path in ["/money/v1/wallets", "/accounts/v1/auths"] {
            let refused = product.client.get(path).token(token).send().await;
            assert_eq!(refused.brief(), "401 invalid_token", "{path}");
        }
    }
    let body = json!({"refreshToken": ann.refresh_token});
    let refreshed = product.client.post("/accounts/v1/auths/refresh").json(&body).send().await;
    assert_eq!(refreshed.brief(), "401 invalid_refresh_token");
    let ann = Person { email: "ann@example.com".to_owned(), ..ann };
    log_in(&ann).await.check(&expect![[r#"
        403
        {
          "code": "account_disabled",
          "detail": "A suspended account is enabled again by an operator; a closed one never.",
          "instance": "/accounts/v1/auths",
          "requestId": "<uuid>",
          "status": 403,
          "title": "The account is suspended or closed",
          "type": "urn:my-pay:problem:account_disabled"
        }
    "#]]);
    // Only who knows the password is told.
    let stranger = Person { password: "not the password".to_owned(), ..ann.clone() };
    assert_eq!(log_in(&stranger).await.brief(), "401 invalid_credentials");

    let sent = send_until(&bob, &ann, "422 receiver_wallet_frozen").await;
    let refused = withdraw_by_force(&product, &ann).await;
    assert_eq!(refused, (Rejection::WalletFrozen, 100 + sent));
    assert_eq!(bob.balance().await, 1_000 - sent);
    product.stop().await;
}

#[tokio::test]
async fn an_operator_lifts_a_suspension_while_the_product_runs() {
    let product = Product::start().await;
    let (mut ann, bob) = two_people(&product).await;
    assert_eq!(suspend(&ann).await.status, 200);
    ann.email = "ann@example.com".to_owned();
    let sent = send_until(&bob, &ann, "422 receiver_wallet_frozen").await;

    let enabled = enable(&product, ann.account_id).await.unwrap();
    assert_eq!((enabled.account_id, enabled.sequence), (ann.account_id, 1));
    // Money follows, as it did before.
    eventually(SOON, async || {
        let answer = send_one(&bob, &ann).await;
        assert!(matches!(answer.status, 201 | 422), "{}", answer.body);
        answer.status == 201
    })
    .await;

    // The tokens of before stay revoked; a new login finds everything where it was.
    let refused = ann.get("/money/v1/wallets").send().await;
    assert_eq!(refused.brief(), "401 invalid_token");
    let login = log_in(&ann).await;
    assert_eq!((login.status, &login.body["account"]["isValid"]), (201, &json!(true)));
    ann.token = login.body["accessToken"].as_str().unwrap().to_owned();
    let wallets = ann.get("/money/v1/wallets").send().await;
    let wallet = &wallets.body["items"][0];
    assert_eq!((&wallet["status"], &wallet["balance"]), (&json!("active"), &json!(101 + sent)));
    let history = ann.get("/money/v1/transactions").send().await;
    let lines = history.body["items"].as_array().unwrap();
    assert_eq!(lines.last().unwrap()["amount"], 100);
    assert_eq!(i64::try_from(lines.len()).unwrap(), 2 + sent);
    assert_eq!(send_one(&ann, &bob).await.status, 201);

    let again = enable(&product, ann.account_id).await;
    assert_eq!(again, Err(OperationRefusal::NotSuspended));
    assert_eq!(enable(&product, 99_999).await, Err(OperationRefusal::Unknown));
    product.stop().await;
}

#[tokio::test]
async fn a_closed_account_is_closed_for_good() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let before = send_one(&ann, &bob).await;
    let rest = json!({"receiverWalletId": bob.wallet_id, "amount": 99});
    assert_eq!(ann.move_money("transfers", "the rest", &rest).await.status, 201);
    ann.close().await.check(&expect![[r#"
        204
    "#]]);

    assert_eq!(ann.get("/money/v1/wallets").send().await.brief(), "401 invalid_token");
    assert_eq!(log_in(&ann).await.brief(), "403 account_disabled");
    let body = json!({"name": "Ann", "email": ann.email, "password": "another secret"});
    let taken = product.client.post("/accounts/v1/accounts").json(&body).send().await;
    assert_eq!(taken.brief(), "409 email_taken");
    assert_eq!(enable(&product, ann.account_id).await, Err(OperationRefusal::Closed));

    // At once: the wallets were closed first.
    assert_eq!(send_one(&bob, &ann).await.brief(), "422 receiver_wallet_closed");
    let refused = withdraw_by_force(&product, &ann).await;
    assert_eq!(refused, (Rejection::WalletClosed, 0));
    // Bob still sees what he had of her.
    let id = before.body["id"].as_str().unwrap();
    let seen = bob.get(&format!("/money/v1/transfers/{id}")).send().await;
    assert_eq!((seen.status, &seen.body["senderWalletId"]), (200, &json!(ann.wallet_id)));
    product.stop().await;
}

#[tokio::test]
async fn a_suspended_account_opens_no_wallet() {
    let product = Product::start().await;
    let eve = product.person("Eve").await;
    assert_eq!(suspend(&eve).await.body["isValid"], Value::Bool(false));
    let engine = product.up().money().engine();
    eventually(SOON, async || {
        let opened = engine.open_wallet(AccountId(eve.account_id), Currency::KRW).await.unwrap();
        opened == Err(OpeningRejection::AccountDisabled)
    })
    .await;
    product.stop().await;
}
