//! Passwords over TCP: guessing them, changing them, resetting them, and what a thief gets with a
//! stolen token.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Client, Person, Product, Response, person::unique, until_revoked};

const AUTHS: &str = "/accounts/v1/auths";
const RESETS: &str = "/accounts/v1/password-resets";
const NEW_PASSWORD: &str = "another horse battery";

async fn log_in(client: &Client, email: &str, password: &str) -> Response {
    client.post(AUTHS).json(&json!({"email": email, "password": password})).send().await
}

async fn change(person: &Person, current: &str, new: &str) -> Response {
    let path = format!("/accounts/v1/accounts/{}/password", person.account_id);
    let body = json!({"currentPassword": current, "newPassword": new});
    person.call(Method::PUT, &path).json(&body).send().await
}

async fn change_email(person: &Person, email: &str, password: Value) -> Response {
    let path = format!("/accounts/v1/accounts/{}", person.account_id);
    let body = json!({"name": "Eve", "email": email, "isValid": true, "currentPassword": password});
    person.call(Method::PUT, &path).json(&body).send().await
}

async fn redeem(client: &Client, token: &str, new: &str) -> Response {
    let body = json!({"token": token, "newPassword": new});
    client.post("/accounts/v1/password-resets/redemptions").json(&body).send().await
}

/// The answer to the first attempt that is not verified.
async fn guess_until_refused(client: &Client, email: &str) -> Response {
    loop {
        let answer = log_in(client, email, "not the password").await;
        if answer.status != 401 {
            return answer;
        }
    }
}

/// How many attempts are verified in this time: five, and those whose waits of 1, 2, 4 seconds and
/// so on may have passed.
fn verified_max(elapsed: Duration) -> usize {
    5 + usize::try_from((elapsed.as_secs() + 2).ilog2()).unwrap()
}

#[tokio::test]
async fn many_guesses_at_once_are_slowed_down_whatever_connections_they_take() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let unknown = format!("nobody{}@example.com", unique());
    for email in [&ann.email, &unknown] {
        let (started_at, mut guesses) = (Instant::now(), JoinSet::new());
        for _ in 0..100 {
            let (client, email) = (product.client.clone(), email.clone());
            guesses.spawn(async move { log_in(&client, &email, "not the password").await.brief() });
        }
        let answers = guesses.join_all().await;
        let count = |brief: &str| answers.iter().filter(|answer| *answer == brief).count();
        let verified = count("401 invalid_credentials");
        let at_most = verified_max(started_at.elapsed());
        assert!((5..=at_most).contains(&verified), "{verified} of at most {at_most}");
        assert_eq!(count("429 too_many_attempts"), 100 - verified, "{answers:?}");
    }
    // Sessions go on.
    assert_eq!(ann.get(AUTHS).send().await.brief(), "200");
    product.stop().await;
}

#[tokio::test]
async fn an_unknown_email_is_slowed_down_like_a_known_one() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let known = guess_until_refused(&product.client, &ann.email).await;
    let unknown =
        guess_until_refused(&product.client, &format!("nobody{}@example.com", unique())).await;
    assert_eq!(known.brief(), "429 too_many_attempts");
    assert_eq!(known.body_without_request_id(), unknown.body_without_request_id());
    for refused in [&known, &unknown] {
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    let names = |answer: &Response| {
        answer.headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&known), names(&unknown));
    product.stop().await;
}

#[tokio::test]
async fn after_the_wait_the_right_password_counts() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    guess_until_refused(&product.client, &ann.email).await;
    let early = log_in(&product.client, &ann.email, &ann.password).await;
    assert_eq!(early.brief(), "429 too_many_attempts");
    assert_eq!(early.header("retry-after"), "1");
    product.advance(Duration::from_secs(1));
    for _ in 0..10 {
        assert_eq!(log_in(&product.client, &ann.email, &ann.password).await.brief(), "201");
    }
    product.stop().await;
}

#[tokio::test]
async fn a_stolen_access_token_takes_no_account_over() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let eve = format!("eve{}@example.com", unique());
    let refused = change_email(&ann, &eve, Value::Null).await;
    assert_eq!(refused.brief(), "400 invalid_request currentPassword:required");
    let refused = change_email(&ann, &eve, json!("not the password")).await;
    assert_eq!(refused.brief(), "403 invalid_current_password");
    let refused = change(&ann, "not the password", NEW_PASSWORD).await;
    assert_eq!(refused.brief(), "403 invalid_current_password");
    for body in [json!({"email": ann.email}), json!({"accountId": ann.account_id})] {
        let refused = ann.post(RESETS).json(&body).send().await;
        assert_eq!(refused.brief(), "403 insufficient_scope");
        assert_eq!(refused.body["scope"], "accounts:write");
    }
    // The guesses above count with these.
    let mut guesses = 0;
    while change(&ann, "not the password", NEW_PASSWORD).await.status == 403 {
        guesses += 1;
    }
    assert!(guesses <= 6, "{guesses}");
    // A thief of the token does not keep its owner from logging in.
    assert_eq!(log_in(&product.client, &ann.email, &ann.password).await.brief(), "201");
    let path = format!("/accounts/v1/accounts/{}", ann.account_id);
    assert_eq!(ann.get(&path).send().await.body["email"], ann.email);
    product.stop().await;
}

#[tokio::test]
async fn a_changed_password_ends_the_sessions_of_a_thief() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let stolen = log_in(&product.client, &ann.email, &ann.password).await;
    let text = |name: &str| stolen.body[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text("accessToken"), text("refreshToken"));
    assert_eq!(product.client.get(AUTHS).token(&access).send().await.brief(), "200");
    assert_eq!(change(&ann, &ann.password, NEW_PASSWORD).await.brief(), "204");
    let refused = until_revoked(|| product.client.get(AUTHS).token(&access)).await;
    assert_eq!(refused.brief(), "401 invalid_token");
    let body = json!({"refreshToken": refresh});
    let refreshed = product.client.post("/accounts/v1/auths/refresh").json(&body).send().await;
    assert_eq!(refreshed.brief(), "401 invalid_refresh_token");
    assert_eq!(ann.get(AUTHS).send().await.brief(), "200");
    let old = log_in(&product.client, &ann.email, &ann.password).await;
    assert_eq!(old.brief(), "401 invalid_credentials");
    assert_eq!(log_in(&product.client, &ann.email, NEW_PASSWORD).await.brief(), "201");
    product.stop().await;
}

#[tokio::test]
async fn a_reset_token_lets_the_owner_in_once() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let backend = product.backend(&["accounts:write"]).await;
    let issue = || backend.post(RESETS).json(&json!({"accountId": ann.account_id})).send();
    guess_until_refused(&product.client, &ann.email).await;
    let older = issue().await;
    let issued = issue().await;
    assert_eq!((issued.status, issued.header("cache-control")), (201, "no-store"));
    let token = issued.body["token"].as_str().unwrap();
    assert!(token.starts_with("mpp_") && token.len() == 47);
    let void = redeem(&product.client, older.body["token"].as_str().unwrap(), NEW_PASSWORD).await;
    assert_eq!(void.brief(), "401 invalid_reset_token");
    let unfit = redeem(&product.client, token, "password").await;
    assert_eq!(unfit.brief(), "400 invalid_request newPassword:too_common");
    // The owner is in, whatever a stranger does at the login.
    let redeemed = redeem(&product.client, token, NEW_PASSWORD).await;
    assert_eq!((redeemed.status, redeemed.header("cache-control")), (201, "no-store"));
    let begun = redeemed.body["accessToken"].as_str().unwrap();
    let sessions = product.client.get(AUTHS).token(begun).send().await;
    assert_eq!((sessions.status, sessions.body["items"].as_array().unwrap().len()), (200, 1));
    let reused = redeem(&product.client, token, "a third horse").await;
    assert_eq!(reused.body_without_request_id(), void.body_without_request_id());

    assert_eq!(until_revoked(|| ann.get(AUTHS)).await.brief(), "401 invalid_token");
    // And no wait any more for what was guessed before.
    assert_eq!(log_in(&product.client, &ann.email, NEW_PASSWORD).await.brief(), "201");
    product.stop().await;
}

#[tokio::test]
async fn of_simultaneous_redemptions_one_wins() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let backend = product.backend(&["accounts:write"]).await;
    let issued = backend.post(RESETS).json(&json!({"accountId": ann.account_id})).send().await;
    let mut uses = JoinSet::new();
    for number in 0..8 {
        let (client, issued) = (product.client.clone(), issued.body.clone());
        uses.spawn(async move {
            let password = format!("horse number {number}");
            let token = issued["token"].as_str().unwrap();
            (redeem(&client, token, &password).await.brief(), password)
        });
    }
    let answers = uses.join_all().await;
    let won: Vec<_> = answers.iter().filter(|(answer, _)| answer == "201").collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    let lost = answers.iter().filter(|(answer, _)| answer == "401 invalid_reset_token");
    assert_eq!(lost.count(), 7, "{answers:?}");
    assert_eq!(log_in(&product.client, &ann.email, &won[0].1).await.brief(), "201");
    product.stop().await;
}
