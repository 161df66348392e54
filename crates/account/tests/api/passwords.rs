//! Guessing, changing and resetting passwords.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use expect_test::expect;
use http::{
    Method, Request,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use my_pay_account::{IssuedReset, ResetOf};
use serde_json::{Value, json};
use service::contract::{
    identity::{Caller, Identity},
    introspection::{Introspection as _, TokenDigest},
    revocations::Event,
    scope::{Scope, Scopes},
};
use tokio::task::JoinSet;

use crate::harness::{Answer, Harness, PASSWORD};

const ADA: i64 = 10_001;
const ACCOUNT: &str = "/accounts/v1/accounts/10001";
const NEW_PASSWORD: &str = "another horse";

async fn change_password(harness: &Harness, token: &str, current: &str, new: &str) -> Answer {
    let body = json!({ "currentPassword": current, "newPassword": new });
    harness.put(&format!("{ACCOUNT}/password"), Some(token), body).await
}

async fn change_email(harness: &Harness, token: &str, email: &str, password: Value) -> Answer {
    let body = json!({
        "name": "Ada", "email": email, "isValid": true, "currentPassword": password,
    });
    harness.put(ACCOUNT, Some(token), body).await
}

fn no_store() -> http::HeaderValue {
    http::HeaderValue::from_static("no-store")
}

async fn redeem(harness: &Harness, token: &str, new: &str) -> Answer {
    let body = json!({ "token": token, "newPassword": new });
    harness.post("/accounts/v1/password-resets/redemptions", body).await
}

async fn issue(harness: &Harness) -> IssuedReset {
    harness.service.issue_reset(ResetOf::Account(ADA), None).await.unwrap()
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn retry_after(answer: &Answer) -> u64 {
    answer.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap()
}

/// A call of a company's backend, whose key has these scopes, for this account or none.
async fn as_key(
    harness: &Harness,
    scopes: Scopes,
    account_id: Option<i64>,
    (method, path): (Method, &str),
    body: Value,
) -> Answer {
    let key = Identity { account_id, ..Identity::api_key(1, scopes, Identity::NEVER) };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json")
        .extension(Caller::Known(key));
    harness.send(request.body(Body::from(body.to_string())).unwrap()).await
}

const RESETS: (Method, &str) = (Method::POST, "/accounts/v1/password-resets");

/// Attempts until one is refused.
async fn guess_until_refused(harness: &Harness, name: &str) -> (u32, Answer) {
    let mut verified = 0;
    loop {
        let answer = harness.try_log_in(name, "wrong horse").await;
        match answer.status {
            401 => verified += 1,
            _ => return (verified, answer),
        }
    }
}

#[tokio::test]
async fn wrong_passwords_slow_down_the_next_attempts() {
    let harness = Harness::new();
    harness.register("ada").await;
    let session = harness.log_in("ada").await;
    let (verified, refused) = guess_until_refused(&harness, "ada").await;
    assert_eq!(verified, 5);
    refused.check(&expect![[r#"
        429
        {
          "code": "too_many_attempts",
          "detail": "It was not verified this time. `Retry-After` says when it may be.",
          "instance": "/accounts/v1/auths",
          "requestId": "",
          "status": 429,
          "title": "The password was tried too often",
          "type": "urn:my-pay:problem:too_many_attempts"
        }
    "#]]);
    assert_eq!(retry_after(&refused), 1);
    // Until then nothing is verified, not even the right password.
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.code(), code(429, "too_many_attempts"));
    // Spellings of one address are one.
    let spelling = harness.try_log_in("\u{ff21}DA", PASSWORD).await;
    assert_eq!(spelling.code(), code(429, "too_many_attempts"));

    let mut waits = Vec::new();
    for _ in 0..9 {
        let refused = harness.try_log_in("ada", PASSWORD).await;
        let wait = retry_after(&refused);
        waits.push(wait);
        harness.clock.advance(Duration::from_secs(wait));
        assert_eq!(harness.try_log_in("ada", "wrong horse").await.status, 401);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);

    // The owner's session goes on, and after the wait the right password counts.
    assert_eq!(harness.get(ACCOUNT, Some(&session.access)).await.status, 200);
    assert_eq!(harness.refresh(&session.refresh).await.status, 201);
    harness.clock.advance(Duration::from_mins(1));
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 201);
    assert_eq!(guess_until_refused(&harness, "ada").await.0, 5, "it started again");
}

#[tokio::test]
async fn an_unknown_email_is_slowed_down_like_a_known_one() {
    let harness = Harness::new();
    harness.register("ada").await;
    harness.register("bob").await;
    let (verified_known, known) = guess_until_refused(&harness, "ada").await;
    let (verified_unknown, unknown) = guess_until_refused(&harness, "nobody").await;
    assert_eq!(verified_known, verified_unknown);
    assert_eq!((known.status, &known.headers), (unknown.status, &unknown.headers));
    assert_eq!(known.text, unknown.text);
    for wait in [1, 1, 2, 1] {
        harness.clock.advance(Duration::from_secs(wait));
        let known = harness.try_log_in("ada", "wrong horse").await;
        let unknown = harness.try_log_in("nobody", "wrong horse").await;
        assert_eq!((known.status, &known.headers), (unknown.status, &unknown.headers));
        assert_eq!(known.text, unknown.text);
    }
    assert_eq!(harness.try_log_in("bob", PASSWORD).await.status, 201, "others go on");
}

#[tokio::test]
async fn an_hour_without_attempts_starts_again() {
    let harness = Harness::new();
    harness.register("ada").await;
    assert_eq!(guess_until_refused(&harness, "ada").await.0, 5);
    harness.clock.advance(Duration::from_mins(59));
    assert_eq!(guess_until_refused(&harness, "ada").await.0, 1);
    harness.clock.advance(Duration::from_hours(1));
    assert_eq!(guess_until_refused(&harness, "ada").await.0, 5);
}

/// A clock that was a year ahead for a while keeps no owner out.
#[tokio::test]
async fn a_clock_that_goes_back_keeps_nobody_waiting() {
    let harness = Harness::new();
    harness.register("ada").await;
    let now = harness.clock.now();
    harness.clock.advance(Duration::from_hours(365 * 24));
    assert_eq!(guess_until_refused(&harness, "ada").await.0, 5);
    harness.clock.set(now);
    let refused = harness.try_log_in("ada", PASSWORD).await;
    assert_eq!((refused.status, retry_after(&refused)), (429, 1));
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_guesses_at_once_the_free_ones_are_verified() {
    let harness = Arc::new(Harness::with(|config| config.password.waiting_max = 1_000));
    harness.register("ada").await;
    for name in ["ada", "nobody"] {
        let mut guesses = JoinSet::new();
        for _ in 0..200 {
            let harness = Arc::clone(&harness);
            guesses.spawn(async move { harness.try_log_in(name, "wrong horse").await.code() });
        }
        let answers = guesses.join_all().await;
        let count = |expected: &(u16, String)| answers.iter().filter(|a| *a == expected).count();
        assert_eq!(count(&code(401, "invalid_credentials")), 5, "{name}");
        assert_eq!(count(&code(429, "too_many_attempts")), 195, "{name}");
    }
}

/// Logins with the right password are slowed down only if they are wrong in between.
#[tokio::test]
async fn right_passwords_are_never_slowed_down() {
    let harness = Harness::new();
    harness.register("ada").await;
    for round in 0..20 {
        assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 201, "{round}");
        assert_eq!(harness.try_log_in("ada", "wrong horse").await.status, 401, "{round}");
    }
}

#[tokio::test]
async fn a_right_password_of_a_suspended_account_starts_again_too() {
    let harness = Harness::new();
    harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let body = json!({ "name": "Ada", "email": "ada@example.com", "isValid": false });
    assert_eq!(harness.put(ACCOUNT, Some(&token), body).await.status, 200);
    for round in 0..10 {
        let refused = harness.try_log_in("ada", PASSWORD).await;
        assert_eq!(refused.code(), code(403, "account_disabled"), "{round}");
    }
}

#[tokio::test]
async fn a_changed_password_ends_other_sessions() {
    let harness = Harness::new();
    harness.register("ada").await;
    let (own, stolen) = (harness.log_in("ada").await, harness.log_in("ada").await);
    let reset = issue(&harness).await;
    let mut revocations = harness.service.revocations();
    let changed = change_password(&harness, &own.access, PASSWORD, NEW_PASSWORD).await;
    assert_eq!((changed.status, changed.text.as_str()), (204, ""));
    assert_eq!(revocations.try_next(), Some(Event::Revoked(TokenDigest::of(&stolen.access))));
    assert_eq!(revocations.try_next(), None);
    assert!(harness.is_valid(&own.access).await && !harness.is_valid(&stolen.access).await);
    let refused = harness.refresh(&stolen.refresh).await;
    assert_eq!(refused.code(), code(401, "invalid_refresh_token"));
    assert_eq!(harness.refresh(&own.refresh).await.status, 201);
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 401);
    assert_eq!(harness.try_log_in("ada", NEW_PASSWORD).await.status, 201);
    let void = redeem(&harness, reset.token.as_str(), PASSWORD).await;
    assert_eq!(void.code(), code(401, "invalid_reset_token"));
}

#[tokio::test]
async fn a_password_changes_with_the_current_one_only() {
    let harness = Harness::new();
    harness.register("ada").await;
    harness.register("bob").await;
    let token = harness.log_in("ada").await.access;
    change_password(&harness, &token, "wrong horse", NEW_PASSWORD).await.check(&expect![[r#"
        403
        {
          "code": "invalid_current_password",
          "detail": "The current password is wrong",
          "instance": "/accounts/v1/accounts/10001/password",
          "requestId": "",
          "status": 403,
          "title": "The current password is wrong",
          "type": "urn:my-pay:problem:invalid_current_password"
        }
    "#]]);
    let path = format!("{ACCOUNT}/password");
    let put = async |body| harness.put(&path, Some(&token), body).await;
    put(json!({ "newPassword": "short", "password": "x" })).await.check_errors(&expect![[r#"
        currentPassword required: is required
        newPassword too_short: must have at least 8 characters
        password unknown_field: is not a field of this request
    "#]]);
    let unfit = |new: &str| json!({ "currentPassword": PASSWORD, "newPassword": new });
    put(unfit("password")).await.check_errors(&expect![[r#"
        newPassword too_common: is among the passwords that are tried first: choose another
    "#]]);
    put(unfit("ADA@example.com")).await.check_errors(&expect![[r#"
        newPassword equals_email: must not be the email
    "#]]);
    let bob = harness.log_in("bob").await.access;
    let anothers = change_password(&harness, &bob, PASSWORD, NEW_PASSWORD).await;
    assert_eq!(anothers.code(), code(404, "account_not_found"));
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 201);
}

/// A stolen access token is no way to guess the password without end, whatever it asks for. What is
/// counted of it and what is counted at logins are two: neither makes the other wait.
#[tokio::test]
async fn guesses_with_a_stolen_access_token_are_slowed_down_together() {
    let harness = Harness::new();
    harness.register("ada").await;
    let stolen = harness.log_in("ada").await.access;
    let wrong = code(403, "invalid_current_password");
    for _ in 0..2 {
        let changed = change_password(&harness, &stolen, "wrong horse", NEW_PASSWORD).await;
        assert_eq!(changed.code(), wrong);
        let email = change_email(&harness, &stolen, "eve@example.com", json!("wrong horse")).await;
        assert_eq!(email.code(), wrong);
    }
    let changed = change_password(&harness, &stolen, "wrong horse", NEW_PASSWORD).await;
    assert_eq!(changed.code(), wrong);
    let refused = code(429, "too_many_attempts");
    assert_eq!(change_password(&harness, &stolen, PASSWORD, NEW_PASSWORD).await.code(), refused);
    let email = change_email(&harness, &stolen, "eve@example.com", json!(PASSWORD)).await;
    assert_eq!((email.code(), retry_after(&email)), (refused.clone(), 1));
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 201);
    harness.clock.advance(Duration::from_secs(1));
    let changed = change_password(&harness, &stolen, PASSWORD, NEW_PASSWORD).await;
    assert_eq!(changed.status, 204);
}

/// A stranger who guesses at the login all the time keeps neither an owner with a session from
/// changing the password, nor one without from getting a session by a reset.
#[tokio::test]
async fn an_owner_acts_and_gets_in_while_a_stranger_guesses() {
    let harness = Harness::new();
    harness.register("ada").await;
    let own = harness.log_in("ada").await.access;
    let guess_until_refused = async || {
        while harness.try_log_in("ada", "wrong horse").await.status == 401 {}
    };
    guess_until_refused().await;
    let changed = change_password(&harness, &own, PASSWORD, NEW_PASSWORD).await;
    assert_eq!(changed.status, 204);
    let reset = issue(&harness).await;
    let redeemed = redeem(&harness, reset.token.as_str(), PASSWORD).await;
    guess_until_refused().await;
    let begun = redeemed.json()["accessToken"].as_str().unwrap().to_owned();
    assert!(harness.is_valid(&begun).await);
    // And goes on as long as it is refreshed.
    let refresh = redeemed.json()["refreshToken"].as_str().unwrap().to_owned();
    assert_eq!(harness.refresh(&refresh).await.status, 201);
}

#[tokio::test]
async fn another_email_needs_the_password() {
    let harness = Harness::new();
    harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let reset = issue(&harness).await;
    for email in ["eve@example.com", "Ada@example.com"] {
        change_email(&harness, &token, email, Value::Null).await.check_errors(&expect![[r#"
            currentPassword required: is required to change the email
        "#]]);
        let wrong = change_email(&harness, &token, email, json!("wrong horse")).await;
        assert_eq!(wrong.code(), code(403, "invalid_current_password"), "{email}");
    }
    // The same email needs none, and what is given is not looked at.
    for password in [Value::Null, json!("wrong horse")] {
        let same = change_email(&harness, &token, "ada@example.com", password).await;
        assert_eq!((same.status, &same.json()["name"]), (200, &json!("Ada")));
    }
    let changed = change_email(&harness, &token, "king@example.com", json!(PASSWORD)).await;
    assert_eq!((changed.status, &changed.json()["email"]), (200, &json!("king@example.com")));
    assert!(harness.is_valid(&token).await);
    let void = redeem(&harness, reset.token.as_str(), NEW_PASSWORD).await;
    assert_eq!(void.code(), code(401, "invalid_reset_token"), "it went to the old address");
    assert_eq!(harness.try_log_in("king", PASSWORD).await.status, 201);
}

#[tokio::test]
async fn a_reset_token_sets_a_password_once() {
    let harness = Harness::new();
    harness.register("ada").await;
    let session = harness.log_in("ada").await;
    assert_eq!(guess_until_refused(&harness, "ada").await.0, 5);
    let older = harness.service.issue_reset(ResetOf::Account(ADA), None).await.unwrap();
    let by_email = ResetOf::Email("ADA@example.com".to_owned());
    let reset = harness.service.issue_reset(by_email, None).await.unwrap();
    assert_eq!(reset.account_id, ADA);
    assert_eq!(reset.expired_at, harness.clock.now().plus(Duration::from_mins(30)));
    let token = reset.token.as_str();
    assert!(token.starts_with("mpp_") && token.len() == 47, "{token}");

    let invalid = redeem(&harness, "mpp_unknown", NEW_PASSWORD).await;
    invalid.check(&expect![[r#"
        401
        {
          "code": "invalid_reset_token",
          "detail": "The reset token is unknown, expired, void or used before: ask for another.",
          "instance": "/accounts/v1/password-resets/redemptions",
          "requestId": "",
          "status": 401,
          "title": "The reset token is not valid",
          "type": "urn:my-pay:problem:invalid_reset_token"
        }
    "#]]);
    let replaced = redeem(&harness, older.token.as_str(), NEW_PASSWORD).await;
    assert_eq!((&replaced.text, &replaced.headers), (&invalid.text, &invalid.headers));
    // A password that is refused does not use the token up.
    redeem(&harness, token, "ada@EXAMPLE.com").await.check_errors(&expect![[r#"
        newPassword equals_email: must not be the email
    "#]]);
    redeem(&harness, token, "short").await.check_errors(&expect![[r#"
        newPassword too_short: must have at least 8 characters
    "#]]);
    let mut revocations = harness.service.revocations();
    let redeemed = redeem(&harness, token, NEW_PASSWORD).await;
    assert_eq!((redeemed.status, &redeemed.headers["cache-control"]), (201, &no_store()));
    let begun = redeemed.json()["accessToken"].as_str().unwrap().to_owned();
    assert!(harness.is_valid(&begun).await, "a session has begun");
    assert_eq!(revocations.try_next(), Some(Event::Revoked(TokenDigest::of(&session.access))));
    let used = redeem(&harness, token, "a third horse").await;
    assert_eq!((&used.text, &used.headers), (&invalid.text, &invalid.headers));

    assert!(!harness.is_valid(&session.access).await);
    assert_eq!(harness.refresh(&session.refresh).await.code().1, "invalid_refresh_token");
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 401, "and no wait any more");
    assert_eq!(harness.try_log_in("ada", NEW_PASSWORD).await.status, 201);
}

#[tokio::test]
async fn a_backend_gets_a_reset_token_and_a_person_does_not() {
    let harness = Harness::new();
    harness.register("ada").await;
    let write = Scopes::NONE.with(Scope::AccountsWrite);
    let issue = async |body| as_key(&harness, write, None, RESETS, body).await;
    let issued = issue(json!({ "email": "ADA@example.com" })).await;
    assert_eq!((issued.status, &issued.headers["cache-control"]), (201, &no_store()));
    let first = issued.json();
    assert_eq!(first["expiredAt"], "2025-11-23T09:30:00.000000Z");
    assert_eq!(first["accountId"], ADA);
    let second = issue(json!({ "accountId": ADA })).await.json();
    let token = |body: &Value| body["token"].as_str().unwrap().to_owned();
    let void = redeem(&harness, &token(&first), NEW_PASSWORD).await;
    assert_eq!(void.code(), code(401, "invalid_reset_token"));
    assert_eq!(redeem(&harness, &token(&second), NEW_PASSWORD).await.status, 201);

    issue(json!({})).await.check_errors(&expect![[r#"
        email required: is required unless `accountId` is
    "#]]);
    issue(json!({ "email": "a", "accountId": ADA })).await.check_errors(&expect![[r#"
        accountId one_of_two: must not be given beside `email`
    "#]]);
    issue(json!({ "email": "", "accountId": 0, "name": 1 })).await.check_errors(&expect![[r#"
        email too_short: must have at least 1 character
        accountId out_of_range: must be from 1 to 9007199254740991
        name unknown_field: is not a field of this request
    "#]]);
    for unknown in [json!({ "email": "nobody@example.com" }), json!({ "accountId": 10_009 })] {
        assert_eq!(issue(unknown).await.code(), code(404, "account_not_found"));
    }
    for _ in 3..=5 {
        assert_eq!(issue(json!({ "accountId": ADA })).await.status, 201);
    }
    let refused = issue(json!({ "accountId": ADA })).await;
    assert_eq!((refused.code(), retry_after(&refused)), (code(429, "too_many_resets"), 3_600));
    harness.service.close_account(ADA).await.unwrap();
    let closed = issue(json!({ "accountId": ADA })).await;
    assert_eq!(closed.code(), code(409, "account_closed"));

    // Neither a key without the scope nor a person gets one: a stolen access token is no way in.
    harness.register("bob").await;
    let bob = json!({ "email": "bob@example.com" });
    let read = Scopes::NONE.with(Scope::AccountsRead);
    let refused = as_key(&harness, read, None, RESETS, bob.clone()).await;
    assert_eq!(refused.code(), code(403, "insufficient_scope"));
    let stolen = harness.log_in("bob").await.access;
    let refused = harness.call(RESETS.0, RESETS.1, Some(&stolen), Some(bob.clone())).await;
    assert_eq!(refused.code(), code(403, "insufficient_scope"));
    let refused = harness.post(RESETS.1, bob).await;
    assert_eq!(refused.code(), code(401, "missing_token"));
}

/// A company's backend answers for what it does: it changes an email without the password, and no
/// password at all.
#[tokio::test]
async fn a_backend_changes_an_email_but_no_password() {
    let harness = Harness::new();
    harness.register("ada").await;
    let write = Scopes::NONE.with(Scope::AccountsWrite);
    let body = json!({ "name": "Ada", "email": "king@example.com", "isValid": true });
    let changed = as_key(&harness, write, Some(ADA), (Method::PUT, ACCOUNT), body).await;
    assert_eq!((changed.status, &changed.json()["email"]), (200, &json!("king@example.com")));
    let path = format!("{ACCOUNT}/password");
    let body = json!({ "currentPassword": PASSWORD, "newPassword": NEW_PASSWORD });
    let refused = as_key(&harness, write, Some(ADA), (Method::PUT, &path), body).await;
    assert_eq!(refused.code(), code(403, "insufficient_scope"));
    assert_eq!(harness.try_log_in("king", PASSWORD).await.status, 201);
}

#[tokio::test]
async fn a_reset_token_expires() {
    let harness = Harness::new();
    harness.register("ada").await;
    let reset = issue(&harness).await;
    harness.clock.advance(Duration::from_mins(30));
    let expired = redeem(&harness, reset.token.as_str(), NEW_PASSWORD).await;
    assert_eq!(expired.code(), code(401, "invalid_reset_token"));
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 201);
}

#[tokio::test]
async fn a_suspended_account_is_reset_and_stays_suspended_and_a_closed_one_is_not() {
    let harness = Harness::new();
    harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let body = json!({ "name": "Ada", "email": "ada@example.com", "isValid": false });
    assert_eq!(harness.put(ACCOUNT, Some(&token), body).await.status, 200);
    let reset = issue(&harness).await;
    assert_eq!(redeem(&harness, reset.token.as_str(), NEW_PASSWORD).await.status, 204);
    let login = harness.try_log_in("ada", NEW_PASSWORD).await;
    assert_eq!(login.code(), code(403, "account_disabled"));

    let bob = harness.register("bob").await;
    let reset = harness.service.issue_reset(ResetOf::Account(bob), None).await.unwrap();
    harness.service.close_account(bob).await.unwrap();
    let void = redeem(&harness, reset.token.as_str(), NEW_PASSWORD).await;
    assert_eq!(void.code(), code(401, "invalid_reset_token"));
    let refused = harness.service.issue_reset(ResetOf::Account(bob), None).await.unwrap_err();
    assert_eq!(refused.to_string(), "the account is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_simultaneous_redemptions_one_wins() {
    let harness = Arc::new(Harness::new());
    harness.register("ada").await;
    let reset = issue(&harness).await;
    let mut uses = JoinSet::new();
    for number in 0..8 {
        let (harness, token) = (Arc::clone(&harness), reset.token.as_str().to_owned());
        uses.spawn(async move {
            let password = format!("horse number {number}");
            let answer = redeem(&harness, &token, &password).await;
            (answer.code(), password)
        });
    }
    let answers = uses.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(answer, _)| answer.0 == 201);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|(answer, _)| *answer == code(401, "invalid_reset_token")), "{lost:?}");
    assert_eq!(harness.try_log_in("ada", &won[0].1).await.status, 201);
}
