//! Logging in, staying logged in, and logging out.

use std::time::Duration;

use expect_test::expect;
use hyper::Method;
use serde_json::json;

use crate::support::{Client, Person, Product, Response, until_revoked};

const AUTHS: &str = "/accounts/v1/auths";
const HOUR: Duration = Duration::from_hours(1);

async fn log_in(client: &Client, email: &str, password: &str) -> Response {
    client.post(AUTHS).json(&json!({"email": email, "password": password})).send().await
}

async fn refresh(client: &Client, token: &str) -> Response {
    let body = json!({"refreshToken": token});
    client.post("/accounts/v1/auths/refresh").json(&body).send().await
}

/// What a call with this access token is answered.
async fn brief(client: &Client, answer: &Response) -> String {
    let token = answer.body["accessToken"].as_str().unwrap();
    client.get(AUTHS).token(token).send().await.brief()
}

fn refresh_token(answer: &Response) -> &str {
    answer.body["refreshToken"].as_str().unwrap()
}

/// Another session of the same person.
async fn again(person: &Person) -> Person {
    let login = log_in(&person.client, &person.email, &person.password).await;
    let token = login.body["accessToken"].as_str().unwrap().to_owned();
    Person { token, ..person.clone() }
}

#[tokio::test]
async fn a_login_gives_tokens() {
    let product = Product::start().await;
    let body = json!({"name": "Ada", "email": "ada@example.com", "password": "correct horse"});
    let made = product.client.post("/accounts/v1/accounts").json(&body).send().await;
    assert_eq!(made.status, 201);
    let login = log_in(&product.client, "ADA@example.com", "correct horse").await;
    login.check(&expect![[r#"
        201
        {
          "accessToken": "<mpa>",
          "account": {
            "createdAt": "2027-01-15T08:00:00.000000Z",
            "email": "ada@example.com",
            "id": 10001,
            "isValid": true,
            "name": "Ada",
            "updatedAt": "2027-01-15T08:00:00.000000Z"
          },
          "expiredAt": "2027-01-15T09:00:00.000000Z",
          "refreshExpiredAt": "2027-02-14T08:00:00.000000Z",
          "refreshToken": "<mpr>"
        }
    "#]]);
    assert_eq!(login.header("cache-control"), "no-store");
    assert_eq!(brief(&product.client, &login).await, "200");
    product.stop().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_email_are_answered_alike() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let wrong = log_in(&product.client, &ann.email, "not the password").await;
    wrong.check(&expect![[r#"
        401
        www-authenticate: Bearer realm="my-pay"
        {
          "code": "invalid_credentials",
          "detail": "The email or the password is wrong",
          "instance": "/accounts/v1/auths",
          "requestId": "<uuid>",
          "status": 401,
          "title": "The email or the password is wrong",
          "type": "urn:my-pay:problem:invalid_credentials"
        }
    "#]]);
    for (email, password) in [
        ("nobody@example.com", "not the password"),
        ("not an email", "x"),
        ("' OR 1=1 --", "' OR 1=1 --"),
        (&ann.email, &ann.password.to_uppercase()),
        (&ann.email, &format!(" {}", ann.password)),
    ] {
        let refused = log_in(&product.client, email, password).await;
        assert_eq!(refused.body_without_request_id(), wrong.body_without_request_id(), "{email}");
    }
    product.stop().await;
}

#[tokio::test]
async fn sessions_are_listed_newest_first() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let bob = product.person("Bob").await;
    product.advance(HOUR / 2);
    let phone = again(&ann).await;
    phone.get(AUTHS).send().await.check(&expect![[r#"
        200
        {
          "items": [
            {
              "createdAt": "2027-01-15T08:30:00.000000Z",
              "expiredAt": "2027-01-15T09:30:00.000000Z",
              "id": 3,
              "isCurrent": true,
              "refreshExpiredAt": "2027-02-14T08:30:00.000000Z",
              "updatedAt": "2027-01-15T08:30:00.000000Z"
            },
            {
              "createdAt": "2027-01-15T08:00:00.000000Z",
              "expiredAt": "2027-01-15T09:00:00.000000Z",
              "id": 1,
              "isCurrent": false,
              "refreshExpiredAt": "2027-02-14T08:00:00.000000Z",
              "updatedAt": "2027-01-15T08:00:00.000000Z"
            }
          ]
        }
    "#]]);
    let seen_by_bob = bob.get(AUTHS).send().await;
    assert_eq!(seen_by_bob.body["items"].as_array().map(Vec::len), Some(1));
    // An hour after its start a session waits for its refresh token, and is still listed.
    product.advance(HOUR / 2);
    assert_eq!(ann.get(AUTHS).send().await.brief(), "401 invalid_token");
    let seen = phone.get(AUTHS).send().await;
    assert_eq!(seen.body["items"].as_array().map(Vec::len), Some(2));
    product.stop().await;
}

#[tokio::test]
async fn logging_out_ends_one_session() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let phone = again(&ann).await;
    let logged_out = ann.call(Method::DELETE, "/accounts/v1/auths/current").send().await;
    logged_out.check(&expect![[r#"
        204
    "#]]);
    assert_eq!(until_revoked(|| ann.get(AUTHS)).await.brief(), "401 invalid_token");
    let refreshed = refresh(&product.client, &ann.refresh_token).await;
    assert_eq!(refreshed.brief(), "401 invalid_refresh_token");
    assert_eq!(phone.get(AUTHS).send().await.brief(), "200");
    product.stop().await;
}

#[tokio::test]
async fn logging_out_everywhere_ends_all_sessions_of_one_person() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let bob = product.person("Bob").await;
    let phone = again(&ann).await;
    assert_eq!(phone.call(Method::DELETE, AUTHS).send().await.brief(), "204");
    for session in [&ann, &phone] {
        assert_eq!(until_revoked(|| session.get(AUTHS)).await.brief(), "401 invalid_token");
    }
    assert_eq!(bob.get(AUTHS).send().await.brief(), "200");
    assert_eq!(again(&ann).await.get(AUTHS).send().await.brief(), "200");
    product.stop().await;
}

#[tokio::test]
async fn a_refresh_replaces_both_tokens() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    product.advance(HOUR / 2);
    let refreshed = refresh(&product.client, &ann.refresh_token).await;
    assert_eq!(refreshed.status, 201);
    assert_eq!(refreshed.header("cache-control"), "no-store");
    assert_eq!(refreshed.body["expiredAt"], "2027-01-15T09:30:00.000000Z");
    assert_eq!(refreshed.body["refreshExpiredAt"], "2027-02-14T08:30:00.000000Z");
    assert_eq!(refreshed.body["account"]["id"], ann.account_id);
    assert_ne!(refreshed.body["accessToken"], ann.token);
    assert_ne!(refreshed.body["refreshToken"], ann.refresh_token);
    assert_eq!(ann.get(AUTHS).send().await.brief(), "401 invalid_token");
    assert_eq!(brief(&product.client, &refreshed).await, "200");
    product.stop().await;
}

#[tokio::test]
async fn a_refresh_token_used_twice_revokes_its_whole_family() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let other_session = again(&ann).await;
    let second = refresh(&product.client, &ann.refresh_token).await;
    let third = refresh(&product.client, refresh_token(&second)).await;
    assert_eq!(brief(&product.client, &third).await, "200");
    refresh(&product.client, &ann.refresh_token).await.check(&expect![[r#"
        401
        www-authenticate: Bearer realm="my-pay"
        {
          "code": "invalid_refresh_token",
          "detail": "The refresh token is unknown, expired, revoked or used before: log in.",
          "instance": "/accounts/v1/auths/refresh",
          "requestId": "<uuid>",
          "status": 401,
          "title": "The refresh token is not valid",
          "type": "urn:my-pay:problem:invalid_refresh_token"
        }
    "#]]);
    let token = third.body["accessToken"].as_str().unwrap();
    let refused = until_revoked(|| product.client.get(AUTHS).token(token)).await;
    assert_eq!(refused.brief(), "401 invalid_token");
    let last = refresh(&product.client, refresh_token(&third)).await;
    assert_eq!(last.brief(), "401 invalid_refresh_token");
    assert_eq!(other_session.get(AUTHS).send().await.brief(), "200");
    product.stop().await;
}

#[tokio::test]
async fn two_tabs_refresh_at_once_and_a_lost_answer_is_asked_for_again() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    for round in 0..10 {
        let session = log_in(&product.client, &ann.email, &ann.password).await;
        let old = refresh_token(&session);
        let (first, second) =
            tokio::join!(refresh(&product.client, old), refresh(&product.client, old));
        assert_eq!((first.status, &first.body), (201, &second.body), "round {round}");
        assert_eq!(brief(&product.client, &first).await, "200");
        product.advance(Duration::from_secs(9));
        let retried = refresh(&product.client, old).await;
        assert_eq!((retried.status, &retried.body), (201, &first.body), "round {round}");
        product.advance(Duration::from_secs(1));
        let stolen = refresh(&product.client, old).await;
        assert_eq!(stolen.brief(), "401 invalid_refresh_token", "round {round}");
        let token = first.body["accessToken"].as_str().unwrap();
        let refused = until_revoked(|| product.client.get(AUTHS).token(token)).await;
        assert_eq!(refused.brief(), "401 invalid_token", "round {round}");
    }
    product.stop().await;
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    for token in ["mpr_unknown", &ann.token, &format!("{} ", ann.refresh_token)] {
        let refused = refresh(&product.client, token).await;
        assert_eq!(refused.brief(), "401 invalid_refresh_token", "{token}");
    }
    // An access token is for calls, a refresh token is not.
    let call = product.client.get(AUTHS).token(&ann.refresh_token).send().await;
    assert_eq!(call.brief(), "401 invalid_token");
    assert_eq!(ann.get(AUTHS).send().await.brief(), "200");
    product.stop().await;
}

#[tokio::test]
async fn tokens_end_at_their_time() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    product.advance(HOUR.checked_sub(Duration::from_micros(1)).unwrap());
    assert_eq!(ann.get(AUTHS).send().await.brief(), "200");
    product.advance(Duration::from_micros(1));
    assert_eq!(ann.get(AUTHS).send().await.brief(), "401 invalid_token");
    let refreshed = refresh(&product.client, &ann.refresh_token).await;
    assert_eq!(brief(&product.client, &refreshed).await, "200");
    product.advance(30 * 24 * HOUR);
    let late = refresh(&product.client, refresh_token(&refreshed)).await;
    assert_eq!(late.brief(), "401 invalid_refresh_token");
    product.stop().await;
}

#[tokio::test]
async fn one_session_too_many_ends_the_oldest() {
    let product = Product::start_with(|config| config.account.sessions_max = 2).await;
    let first = product.person("Ann").await;
    let second = again(&first).await;
    assert_eq!(first.get(AUTHS).send().await.brief(), "200");
    let third = again(&first).await;
    assert_eq!(first.get(AUTHS).send().await.brief(), "401 invalid_token");
    for session in [&second, &third] {
        assert_eq!(session.get(AUTHS).send().await.brief(), "200");
    }
    product.stop().await;
}
