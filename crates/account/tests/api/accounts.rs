//! Registering, showing and changing accounts; closing them in closings.rs.

use axum::body::Body;
use expect_test::expect;
use http::{
    Method, Request,
    header::{CONTENT_TYPE, LOCATION},
};
use serde_json::json;

use crate::harness::{Harness, PASSWORD};

#[tokio::test]
async fn anybody_can_register() {
    let harness = Harness::new();
    let body = json!({
        "name": " Ada Lovelace ",
        "email": " Ada@Example.com ",
        "password": " any script: 비밀번호 ",
    });
    let answer = harness.post("/accounts/v1/accounts", body).await;
    answer.check(&expect![[r#"
        201
        {
          "createdAt": "2025-11-23T09:00:00.000000Z",
          "email": "Ada@Example.com",
          "id": 10001,
          "isValid": true,
          "name": "Ada Lovelace",
          "updatedAt": "2025-11-23T09:00:00.000000Z"
        }
    "#]]);
    assert_eq!(answer.headers[LOCATION], "/accounts/v1/accounts/10001");
    assert_eq!(answer.headers[CONTENT_TYPE], "application/json");

    let log_in = async |password: &str| {
        let body = json!({ "email": "ADA@example.COM", "password": password });
        harness.post("/accounts/v1/auths", body).await.status
    };
    assert_eq!(log_in(" any script: 비밀번호 ").await, 201);
    assert_eq!(log_in("any script: 비밀번호").await, 401, "the password is kept verbatim");
}

#[tokio::test]
async fn an_email_belongs_to_one_account() {
    let harness = Harness::new();
    harness.register("ada").await;
    let body = json!({ "name": "Eve", "email": "ADA@EXAMPLE.com", "password": PASSWORD });
    harness.post("/accounts/v1/accounts", body).await.check(&expect![[r#"
        409
        {
          "code": "email_taken",
          "detail": "An account with this email exists. Emails of closed accounts stay taken.",
          "instance": "/accounts/v1/accounts",
          "requestId": "",
          "status": 409,
          "title": "The email belongs to an account",
          "type": "urn:my-pay:problem:email_taken"
        }
    "#]]);
}

#[tokio::test]
async fn all_bad_fields_of_a_registration_are_named() {
    let harness = Harness::new();
    let register = async |body| harness.post("/accounts/v1/accounts", body).await;
    register(json!({})).await.check_errors(&expect![[r#"
        name required: is required
        email required: is required
        password required: is required
    "#]]);
    let body = json!({ "name": "\u{7}", "email": "ada", "password": "short", "isValid": true });
    register(body).await.check_errors(&expect![[r#"
        name control_character: must not contain control characters
        email invalid_email: must be an email address, such as ada@example.com
        password too_short: must have at least 8 characters
        isValid unknown_field: is not a field of this request
    "#]]);
    let body = json!({
        "name": "n".repeat(101),
        "email": format!("{}@example.com", "e".repeat(254)),
        "password": "p".repeat(129),
    });
    register(body).await.check_errors(&expect![[r#"
        name too_long: must have at most 100 characters
        email too_long: must have at most 254 characters
        password too_long: must have at most 128 characters
    "#]]);
    let body = json!({ "name": 5, "email": ["a@b.co"], "password": null });
    register(body).await.check_errors(&expect![[r#"
        name wrong_type: must be a string, not a number
        email wrong_type: must be a string, not an array
        password required: is required
    "#]]);
}

#[tokio::test]
async fn passwords_that_are_tried_first_are_refused() {
    let harness = Harness::new();
    let register = async |password: &str| {
        let body =
            json!({ "name": "Ada Lovelace", "email": "ada@example.com", "password": password });
        harness.post("/accounts/v1/accounts", body).await
    };
    register("PassWord1").await.check_errors(&expect![[r#"
        password too_common: is among the passwords that are tried first: choose another
    "#]]);
    register("ADA@example.com").await.check_errors(&expect![[r#"
        password equals_email: must not be the email
    "#]]);
    register("ada lovelace").await.check_errors(&expect![[r#"
        password equals_name: must not be the name
    "#]]);
}

#[tokio::test]
async fn what_is_not_a_json_object_is_refused() {
    let harness = Harness::new();
    let send = async |content_type: &str, body: Vec<u8>| {
        let request = Request::post("/accounts/v1/accounts").header(CONTENT_TYPE, content_type);
        harness.send(request.body(Body::from(body)).unwrap()).await.code()
    };
    let code = |status, code: &str| (status, code.to_owned());
    assert_eq!(send("application/json", b"{".to_vec()).await, code(400, "malformed_json"));
    assert_eq!(send("application/json", b"\xff".to_vec()).await, code(400, "malformed_json"));
    assert_eq!(send("text/plain", b"{}".to_vec()).await, code(415, "unsupported_media_type"));
    let large = vec![b' '; 64 * 1024 + 1];
    assert_eq!(send("application/json", large).await, code(413, "content_too_large"));
}

#[tokio::test]
async fn owners_see_and_change_their_account() {
    let harness = Harness::new();
    harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let path = "/accounts/v1/accounts/10001";
    harness.get(path, Some(&token)).await.check(&expect![[r#"
        200
        {
          "createdAt": "2025-11-23T09:00:00.000000Z",
          "email": "ada@example.com",
          "id": 10001,
          "isValid": true,
          "name": "ada",
          "updatedAt": "2025-11-23T09:00:00.000000Z"
        }
    "#]]);

    harness.clock.advance(std::time::Duration::from_secs(1));
    let body = json!({
        "name": "Ada King",
        "email": "King@Example.com",
        "isValid": true,
        "currentPassword": PASSWORD,
    });
    harness.put(path, Some(&token), body).await.check(&expect![[r#"
        200
        {
          "createdAt": "2025-11-23T09:00:00.000000Z",
          "email": "King@Example.com",
          "id": 10001,
          "isValid": true,
          "name": "Ada King",
          "updatedAt": "2025-11-23T09:00:01.000000Z"
        }
    "#]]);
    assert_eq!(harness.get(path, Some(&token)).await.json()["name"], "Ada King");
    assert_eq!(harness.try_log_in("king", PASSWORD).await.status, 201);
    assert_eq!(harness.try_log_in("ada", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn bad_changes_change_nothing() {
    let harness = Harness::new();
    harness.register("ada").await;
    harness.register("bob").await;
    let token = harness.log_in("ada").await.access;
    let path = "/accounts/v1/accounts/10001";
    let put = async |body| harness.put(path, Some(&token), body).await;
    put(json!({})).await.check_errors(&expect![[r#"
        name required: is required
        email required: is required
        isValid required: is required
    "#]]);
    let body = json!({ "name": "", "email": "ada@", "isValid": "no", "password": PASSWORD });
    put(body).await.check_errors(&expect![[r#"
        name too_short: must have at least 1 character
        email invalid_email: must be an email address, such as ada@example.com
        isValid wrong_type: must be true or false
        password unknown_field: is not a field of this request
    "#]]);
    let anothers = json!({
        "name": "Ada",
        "email": "Bob@example.com",
        "isValid": false,
        "currentPassword": PASSWORD,
    });
    assert_eq!(put(anothers).await.code(), (409, "email_taken".to_owned()));
    let account = harness.get(path, Some(&token)).await.json();
    assert_eq!((&account["email"], &account["isValid"]), (&json!("ada@example.com"), &json!(true)));
}

#[tokio::test]
async fn a_suspended_account_is_out_until_an_operator_enables_it() {
    let harness = Harness::new();
    harness.register("ada").await;
    let tokens = harness.log_in("ada").await;
    let other = harness.log_in("ada").await;
    let path = "/accounts/v1/accounts/10001";
    let body = json!({ "name": "Ada", "email": "ada@example.com", "isValid": false });
    let answer = harness.put(path, Some(&tokens.access), body.clone()).await;
    assert_eq!((answer.status, &answer.json()["isValid"]), (200, &json!(false)));

    for token in [&tokens.access, &other.access] {
        let answer = harness.get(path, Some(token)).await;
        assert_eq!(answer.code(), (401, "invalid_token".to_owned()));
    }
    let refused = harness.refresh(&tokens.refresh).await;
    assert_eq!(refused.code(), (401, "invalid_refresh_token".to_owned()));
    harness.try_log_in("ada", PASSWORD).await.check(&expect![[r#"
        403
        {
          "code": "account_disabled",
          "detail": "A suspended account is enabled again by an operator; a closed one never.",
          "instance": "/accounts/v1/auths",
          "requestId": "",
          "status": 403,
          "title": "The account is suspended or closed",
          "type": "urn:my-pay:problem:account_disabled"
        }
    "#]]);
    let wrong = harness.try_log_in("ada", "wrong horse").await;
    assert_eq!(wrong.code(), (401, "invalid_credentials".to_owned()));
    // The email stays taken.
    let register = json!({ "name": "Eve", "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(harness.post("/accounts/v1/accounts", register).await.status, 409);
}

#[tokio::test]
async fn a_closed_account_is_out_for_good() {
    let harness = Harness::new();
    harness.register("ada").await;
    let token = harness.log_in("ada").await.access;
    let path = "/accounts/v1/accounts/10001";
    let answer = harness.close(10_001, &token).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(harness.get(path, Some(&token)).await.code().1, "invalid_token");
    let login = harness.try_log_in("ada", PASSWORD).await;
    assert_eq!(login.code(), (403, "account_disabled".to_owned()));
    let register = json!({ "name": "Eve", "email": "ada@example.com", "password": PASSWORD });
    let refused = harness.post("/accounts/v1/accounts", register).await;
    assert_eq!(refused.code(), (409, "email_taken".to_owned()));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let harness = Harness::new();
    harness.get("/accounts/v1/nothing", None).await.check(&expect![[r#"
        404
        {
          "code": "not_found",
          "detail": "There is nothing at this path",
          "instance": "/accounts/v1/nothing",
          "requestId": "",
          "status": 404,
          "title": "There is nothing at this path",
          "type": "urn:my-pay:problem:not_found"
        }
    "#]]);
    let answer = harness.call(Method::PATCH, "/accounts/v1/accounts/1", None, None).await;
    assert_eq!(answer.code(), (405, "method_not_allowed".to_owned()));
    let allow = answer.headers["allow"].to_str().unwrap();
    for method in ["GET", "PUT"] {
        assert!(allow.contains(method), "{allow}");
    }
}
