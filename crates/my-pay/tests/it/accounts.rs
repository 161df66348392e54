//! Registering, and looking after an account. Others' accounts are in security.rs, suspended and
//! closed ones in suspension.rs, bad input in `bad_input`.

use std::time::Duration;

use expect_test::expect;
use hyper::Method;
use serde_json::json;

use crate::support::{Client, Product, Response};

async fn register(client: &Client, name: &str, email: &str, password: &str) -> Response {
    let body = json!({"name": name, "email": email, "password": password});
    client.post("/accounts/v1/accounts").json(&body).send().await
}

async fn log_in(client: &Client, email: &str, password: &str) -> Response {
    let body = json!({"email": email, "password": password});
    client.post("/accounts/v1/auths").json(&body).send().await
}

#[tokio::test]
async fn a_person_registers_and_reads_the_account() {
    let product = Product::start().await;
    let client = &product.client;
    let made = register(client, " Ada Lovelace ", "Ada@example.com", "correct horse").await;
    made.check(&expect![[r#"
        201
        location: /accounts/v1/accounts/10001
        {
          "createdAt": "2027-01-15T08:00:00.000000Z",
          "email": "Ada@example.com",
          "id": 10001,
          "isValid": true,
          "name": "Ada Lovelace",
          "updatedAt": "2027-01-15T08:00:00.000000Z"
        }
    "#]]);
    let login = log_in(client, "ada@example.com", "correct horse").await;
    let token = login.body["accessToken"].as_str().unwrap();
    let read = client.get(made.header("location")).token(token).send().await;
    assert_eq!((read.status, &read.body), (200, &made.body));
    product.stop().await;
}

#[tokio::test]
async fn an_email_has_one_account() {
    let product = Product::start().await;
    let client = &product.client;
    let made = register(client, "Ada", "ada@example.com", "correct horse").await;
    assert_eq!(made.status, 201);
    register(client, "Eve", "ADA@Example.com", "battery staple").await.check(&expect![[r#"
        409
        {
          "code": "email_taken",
          "detail": "An account with this email exists. Emails of closed accounts stay taken.",
          "instance": "/accounts/v1/accounts",
          "requestId": "<uuid>",
          "status": 409,
          "title": "The email belongs to an account",
          "type": "urn:my-pay:problem:email_taken"
        }
    "#]]);
    // The second registration changed nothing.
    assert_eq!(log_in(client, "ada@example.com", "battery staple").await.status, 401);
    assert_eq!(log_in(client, "ada@example.com", "correct horse").await.body["account"], made.body);
    product.stop().await;
}

#[tokio::test]
async fn spellings_of_one_email_are_one_account() {
    let product = Product::start().await;
    let client = &product.client;
    let spellings: [&[&str]; 3] = [
        &[
            "라마바@예시.한국",
            "\u{1105}\u{1161}\u{1106}\u{1161}\u{1107}\u{1161}@예시.한국",
            "라마바@xn--vv4b11d.xn--3e0b707e",
        ],
        &["हिन्दी@उदाहरण.भारत", "हिन्दी@xn--p1b6ci4b4b3a.xn--h2brj9c"],
        &["rené@example.com", "rene\u{301}@example.com", "\"RENÉ\"@Example.COM"],
    ];
    for same in spellings {
        let made = register(client, "Ada", same[0], "correct horse").await;
        assert_eq!(made.status, 201, "{}", same[0]);
        for other in same {
            let taken = register(client, "Eve", other, "battery staple").await;
            assert_eq!(taken.brief(), "409 email_taken", "{other}");
            let login = log_in(client, other, "correct horse").await;
            assert_eq!(login.body["account"], made.body, "{other}");
        }
    }
    product.stop().await;
}

#[tokio::test]
async fn names_emails_and_passwords_may_be_in_any_script() {
    let product = Product::start().await;
    let (email, password) = ("가나다@예시.한국", "비밀번호는 비밀이다 🔑");
    let made = register(&product.client, "김철수", email, password).await;
    assert_eq!((made.status, &made.body["name"]), (201, &json!("김철수")));
    assert_eq!(made.body["email"], json!(email));
    assert_eq!(log_in(&product.client, email, password).await.status, 201);
    product.stop().await;
}

/// The longest and shortest that are accepted. What is beyond them is in `bad_input`.
#[tokio::test]
async fn limits_count_characters() {
    let product = Product::start().await;
    let client = &product.client;
    let email = format!("a@{}.com", ["b"; 124].join("."));
    assert_eq!(email.len(), 253);
    let long = register(client, &"é".repeat(100), &email, &"é".repeat(128)).await;
    assert_eq!(long.status, 201, "{}", long.body);
    assert_eq!(log_in(client, &email, &"é".repeat(128)).await.status, 201);
    assert_eq!(register(client, "é", "a@b.co", "éééééééé").await.status, 201);
    product.stop().await;
}

#[tokio::test]
async fn an_owner_changes_name_and_email() {
    let product = Product::start().await;
    let ann = product.person("Ann").await;
    let path = format!("/accounts/v1/accounts/{}", ann.account_id);
    let change = |name: &str, email: &str| {
        let password = &ann.password;
        let body = json!({
            "name": name, "email": email, "isValid": true, "currentPassword": password,
        });
        ann.call(Method::PUT, &path).json(&body).send()
    };
    product.let_pass(Duration::from_mins(1));
    let changed = change("Ann King", "ann.king@example.com").await;
    changed.check(&expect![[r#"
        200
        {
          "createdAt": "2027-01-15T08:00:00.000000Z",
          "email": "ann.king@example.com",
          "id": 10001,
          "isValid": true,
          "name": "Ann King",
          "updatedAt": "2027-01-15T08:01:00.000000Z"
        }
    "#]]);
    assert_eq!(ann.get(&path).send().await.body, changed.body);
    assert_eq!(log_in(&product.client, &ann.email, &ann.password).await.status, 401);
    let login = log_in(&product.client, "Ann.King@example.com", &ann.password).await;
    assert_eq!(login.body["account"], changed.body);

    // The old email is free again; the new one is not; one's own is, however it is written.
    let bob = register(&product.client, "Bob", &ann.email, "correct horse").await;
    assert_eq!(bob.status, 201);
    assert_eq!(change("Ann", &ann.email).await.brief(), "409 email_taken");
    assert_eq!(change("Ann", "ANN.KING@example.com").await.status, 200);
    product.stop().await;
}
