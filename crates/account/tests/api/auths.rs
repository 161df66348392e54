//! Logging in, refreshing, listing sessions, logging out.

use std::{sync::Arc, time::Duration};

use expect_test::expect;
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};
use service::contract::{
    introspection::{Introspection as _, TokenDigest},
    revocations::Event,
};

use crate::harness::Harness;

#[tokio::test]
async fn a_login_gives_tokens() {
    let harness = Harness::new();
    harness.register("ada").await;
    let answer = harness.try_log_in("ADA", "correct horse").await;
    answer.check(&expect![[r#"
        201
        {
          "accessToken": "mpa_",
          "account": {
            "createdAt": "2025-11-23T09:00:00.000000Z",
            "email": "ada@example.com",
            "id": 10001,
            "isValid": true,
            "name": "ada",
            "updatedAt": "2025-11-23T09:00:00.000000Z"
          },
          "expiredAt": "2025-11-23T10:00:00.000000Z",
          "refreshExpiredAt": "2025-12-23T09:00:00.000000Z",
          "refreshToken": "mpr_"
        }
    "#]]);
    assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
    let tokens = answer.tokens();
    assert!(tokens.access.starts_with("mpa_") && tokens.refresh.starts_with("mpr_"));
    assert!(harness.is_valid(&tokens.access).await);
    assert!(!harness.is_valid(&tokens.refresh).await);
}

#[tokio::test]
async fn a_wrong_login_has_one_answer() {
    let harness = Harness::new();
    harness.register("ada").await;
    let wrong_password = harness.try_log_in("ada", "wrong horse").await;
    wrong_password.check(&expect![[r#"
        401
        {
          "code": "invalid_credentials",
          "detail": "The email or the password is wrong",
          "instance": "/accounts/v1/auths",
          "requestId": "",
          "status": 401,
          "title": "The email or the password is wrong",
          "type": "urn:my-pay:problem:invalid_credentials"
        }
    "#]]);
    let unknown_email = harness.try_log_in("bob", "correct horse").await;
    assert_eq!(unknown_email.text, wrong_password.text);
    assert_eq!(unknown_email.headers, wrong_password.headers);
    let login = async |body| harness.post("/accounts/v1/auths", body).await;
    let no_address = login(json!({ "email": "?", "password": "x" })).await;
    assert_eq!(no_address.text, wrong_password.text);
    login(json!({ "email": "", "otp": 1 })).await.check_errors(&expect![[r#"
        email too_short: must have at least 1 character
        password required: is required
        otp unknown_field: is not a field of this request
    "#]]);
}

#[tokio::test]
async fn access_tokens_expire_and_are_refreshed() {
    let harness = Harness::new();
    harness.register("ada").await;
    let old = harness.log_in("ada").await;
    harness.clock.advance(Duration::from_micros(3_599_999_999));
    assert!(harness.is_valid(&old.access).await);
    harness.clock.advance(Duration::from_micros(1));
    assert!(!harness.is_valid(&old.access).await);

    let answer = harness.refresh(&old.refresh).await;
    answer.check(&expect![[r#"
        201
        {
          "accessToken": "mpa_",
          "account": {
            "createdAt": "2025-11-23T09:00:00.000000Z",
            "email": "ada@example.com",
            "id": 10001,
            "isValid": true,
            "name": "ada",
            "updatedAt": "2025-11-23T09:00:00.000000Z"
          },
          "expiredAt": "2025-11-23T11:00:00.000000Z",
          "refreshExpiredAt": "2025-12-23T10:00:00.000000Z",
          "refreshToken": "mpr_"
        }
    "#]]);
    assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
    let new = answer.tokens();
    assert_ne!((&new.access, &new.refresh), (&old.access, &old.refresh));
    assert!(harness.is_valid(&new.access).await);

    harness.clock.advance(Duration::from_hours(30 * 24));
    let expired = harness.refresh(&new.refresh).await;
    assert_eq!(expired.code(), (401, "invalid_refresh_token".to_owned()));
}

#[tokio::test]
async fn a_refresh_ends_both_old_tokens_and_says_so() {
    let harness = Harness::new();
    harness.register("ada").await;
    let old = harness.log_in("ada").await;
    let mut revocations = harness.service.revocations();
    let new = harness.refresh(&old.refresh).await.tokens();
    assert!(!harness.is_valid(&old.access).await);
    assert_eq!(revocations.try_next(), Some(Event::Revoked(TokenDigest::of(&old.access))));
    assert_eq!(revocations.try_next(), None);

    // The old refresh token again, and its answer again: the first one may have been lost.
    let again = harness.refresh(&old.refresh).await;
    assert_eq!((again.status, again.tokens()), (201, new.clone()));
    assert_eq!(revocations.try_next(), None);

    // Later the session is revoked, for the thief and for the owner.
    harness.clock.advance(Duration::from_secs(10));
    harness.refresh(&old.refresh).await.check(&expect![[r#"
        401
        {
          "code": "invalid_refresh_token",
          "detail": "The refresh token is unknown, expired, revoked or used before: log in.",
          "instance": "/accounts/v1/auths/refresh",
          "requestId": "",
          "status": 401,
          "title": "The refresh token is not valid",
          "type": "urn:my-pay:problem:invalid_refresh_token"
        }
    "#]]);
    assert!(!harness.is_valid(&new.access).await);
    assert_eq!(revocations.try_next(), Some(Event::Revoked(TokenDigest::of(&new.access))));
    assert_eq!(harness.refresh(&new.refresh).await.code().1, "invalid_refresh_token");
}

/// The client hangs up as soon as the refresh has begun. It is committed all the same, and whoever
/// caches the old token must hear of it.
#[tokio::test]
async fn a_revocation_is_announced_even_if_the_client_goes_away() {
    let harness = Harness::new();
    harness.register("ada").await;
    let old = harness.log_in("ada").await;
    let mut revocations = harness.service.revocations();
    // Polled once, which begins it, then dropped.
    tokio::select! {
        biased;
        _ = harness.refresh(&old.refresh) => panic!("answered before there was a commit"),
        () = std::future::ready(()) => {}
    }
    let told = tokio::time::timeout(Duration::from_secs(10), revocations.next()).await;
    assert_eq!(told.expect("soon"), Event::Revoked(TokenDigest::of(&old.access)));
    assert!(!harness.is_valid(&old.access).await);
}

#[tokio::test]
async fn refresh_tokens_of_others_and_nonsense_are_refused() {
    let harness = Harness::new();
    harness.register("ada").await;
    let tokens = harness.log_in("ada").await;
    for wrong in ["x", tokens.access.as_str(), "mpr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = harness.refresh(wrong).await;
        assert_eq!(answer.code(), (401, "invalid_refresh_token".to_owned()), "{wrong}");
    }
    let answer = harness.post("/accounts/v1/auths/refresh", json!({ "refreshToken": 1 })).await;
    answer.check_errors(&expect![[r#"
        refreshToken wrong_type: must be a string, not a number
    "#]]);
    assert!(harness.is_valid(&tokens.access).await, "nothing happened to the session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn simultaneous_refreshes_give_one_pair_and_the_session_goes_on() {
    let harness = Arc::new(Harness::new());
    harness.register("ada").await;
    let bystander = harness.log_in("ada").await;
    for _round in 0..20 {
        let old = harness.log_in("ada").await;
        let mut revocations = harness.service.revocations();
        let use_it = || {
            let (harness, refresh) = (Arc::clone(&harness), old.refresh.clone());
            tokio::spawn(async move { harness.refresh(&refresh).await })
        };
        let (one, other) = (use_it(), use_it());
        let answers = [one.await.unwrap(), other.await.unwrap()];
        let [one, other] = answers.map(|answer| (answer.status, answer.tokens()));
        assert_eq!(one, other);
        assert_eq!(one.0, 201);
        assert!(harness.is_valid(&one.1.access).await);
        assert_eq!(revocations.try_next(), Some(Event::Revoked(TokenDigest::of(&old.access))));
        assert_eq!(revocations.try_next(), None);
        assert_eq!(harness.refresh(&one.1.refresh).await.status, 201);
    }
    assert!(harness.is_valid(&bystander.access).await, "other sessions go on");
}

#[tokio::test]
async fn sessions_are_listed() {
    let harness = Harness::new();
    harness.register("ada").await;
    harness.register("bob").await;
    let first = harness.log_in("ada").await;
    harness.log_in("bob").await;
    harness.clock.advance(Duration::from_secs(1));
    harness.log_in("ada").await;
    harness.clock.advance(Duration::from_secs(1));
    let first = harness.refresh(&first.refresh).await.tokens();
    harness.get("/accounts/v1/auths", Some(&first.access)).await.check(&expect![[r#"
        200
        {
          "items": [
            {
              "createdAt": "2025-11-23T09:00:01.000000Z",
              "expiredAt": "2025-11-23T10:00:01.000000Z",
              "id": 3,
              "isCurrent": false,
              "refreshExpiredAt": "2025-12-23T09:00:01.000000Z",
              "updatedAt": "2025-11-23T09:00:01.000000Z"
            },
            {
              "createdAt": "2025-11-23T09:00:00.000000Z",
              "expiredAt": "2025-11-23T10:00:02.000000Z",
              "id": 1,
              "isCurrent": true,
              "refreshExpiredAt": "2025-12-23T09:00:02.000000Z",
              "updatedAt": "2025-11-23T09:00:02.000000Z"
            }
          ]
        }
    "#]]);
}

#[tokio::test]
async fn logging_out_ends_one_session_or_all() {
    let harness = Harness::new();
    harness.register("ada").await;
    harness.register("bob").await;
    let bob = harness.log_in("bob").await;
    let [one, two, three] =
        [harness.log_in("ada").await, harness.log_in("ada").await, harness.log_in("ada").await];
    let mut revocations = harness.service.revocations();
    let mut next = || revocations.try_next();

    let answer = harness.delete("/accounts/v1/auths/current", Some(&one.access)).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(next(), Some(Event::Revoked(TokenDigest::of(&one.access))));
    assert!(!harness.is_valid(&one.access).await);
    assert_eq!(harness.refresh(&one.refresh).await.status, 401);
    assert!(harness.is_valid(&two.access).await);

    let answer = harness.delete("/accounts/v1/auths", Some(&two.access)).await;
    assert_eq!(answer.status, 204);
    assert_eq!(next(), Some(Event::Revoked(TokenDigest::of(&three.access))));
    assert_eq!(next(), Some(Event::Revoked(TokenDigest::of(&two.access))));
    assert_eq!(next(), None);
    assert!(!harness.is_valid(&two.access).await && !harness.is_valid(&three.access).await);
    assert!(harness.is_valid(&bob.access).await);
}

#[tokio::test]
async fn beyond_the_most_sessions_the_oldest_ends() {
    let harness = Harness::with(|config| config.sessions_max = 2);
    harness.register("ada").await;
    let oldest = harness.log_in("ada").await;
    let older = harness.log_in("ada").await;
    let mut revocations = harness.service.revocations();
    let newest = harness.log_in("ada").await;
    assert_eq!(revocations.try_next(), Some(Event::Revoked(TokenDigest::of(&oldest.access))));
    assert!(!harness.is_valid(&oldest.access).await);
    assert!(harness.is_valid(&older.access).await);
    let sessions = harness.get("/accounts/v1/auths", Some(&newest.access)).await.json();
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(2));
    let is_current = |item: &Value| item["isCurrent"] == json!(true);
    assert!(is_current(&sessions["items"][0]) && !is_current(&sessions["items"][1]));
}
