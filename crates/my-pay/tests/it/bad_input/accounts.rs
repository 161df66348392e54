//! The fields of accounts, logins and refreshes.

use expect_test::expect;
use hyper::Method;
use serde_json::json;

use super::{ann_with_wallet, check};
use crate::support::Product;

#[tokio::test]
async fn every_field_of_an_account_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let path = "/accounts/v1/accounts";
    let bodies = [
        "{}",
        r#"{"name": null, "email": null, "password": null}"#,
        r#"{"name": 1, "email": true, "password": {}}"#,
        r#"{"name": "", "email": "", "password": ""}"#,
        r#"{"name": "  ", "email": "a@b.co", "password": "correct horse"}"#,
        r#"{"name": "A\u0000", "email": "a\u0001@b.co", "password": "correct\nhorse"}"#,
        r#"{"name": "A\u202e", "email": "a@b.co", "password": "correct horse"}"#,
        r#"{"name": "A\ud800", "email": "a@b.co", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "a", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "not an email", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "a@localhost", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "A <a@b.co>", "password": "correct horse"}"#,
        r#"{"name": "A", "email": "a@b.co", "password": "7 chars"}"#,
        r#"{"name": "A", "email": "a@b.co", "password": "PassWord"}"#,
        r#"{"name": "A", "email": "ada@b.co", "password": "ADA@b.co"}"#,
        r#"{"name": "Ada Lovelace", "email": "a@b.co", "password": "ada lovelace"}"#,
        r#"{"name": "A", "email": "a@b.co", "password": "correct horse", "id": 1, "isValid": true}"#,
        r#"{"Name": "A", "email": "a@b.co", "password": "correct horse"}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request name:required email:required password:required
        {"name": null, "email": null, "password": null}
            400 invalid_request name:required email:required password:required
        {"name": 1, "email": true, "password": {}}
            400 invalid_request name:wrong_type email:wrong_type password:wrong_type
        {"name": "", "email": "", "password": ""}
            400 invalid_request name:too_short email:too_short password:too_short
        {"name": "  ", "email": "a@b.co", "password": "correct horse"}
            400 invalid_request name:too_short
        {"name": "A\u0000", "email": "a\u0001@b.co", "password": "correct\nhorse"}
            400 invalid_request name:control_character email:control_character password:control_character
        {"name": "A\u202e", "email": "a@b.co", "password": "correct horse"}
            400 invalid_request name:direction_control
        {"name": "A\ud800", "email": "a@b.co", "password": "correct horse"}
            400 invalid_request name:invalid_text
        {"name": "A", "email": "a", "password": "correct horse"}
            400 invalid_request email:too_short
        {"name": "A", "email": "not an email", "password": "correct horse"}
            400 invalid_request email:invalid_email
        {"name": "A", "email": "a@localhost", "password": "correct horse"}
            400 invalid_request email:invalid_email
        {"name": "A", "email": "A <a@b.co>", "password": "correct horse"}
            400 invalid_request email:invalid_email
        {"name": "A", "email": "a@b.co", "password": "7 chars"}
            400 invalid_request password:too_short
        {"name": "A", "email": "a@b.co", "password": "PassWord"}
            400 invalid_request password:too_common
        {"name": "A", "email": "ada@b.co", "password": "ADA@b.co"}
            400 invalid_request password:equals_email
        {"name": "Ada Lovelace", "email": "a@b.co", "password": "ada lovelace"}
            400 invalid_request password:equals_name
        {"name": "A", "email": "a@b.co", "password": "correct horse", "id": 1, "isValid": true}
            400 invalid_request id:unknown_field isValid:unknown_field
        {"Name": "A", "email": "a@b.co", "password": "correct horse"}
            400 invalid_request name:required Name:unknown_field
    "#]];
    check(&Method::POST, &ann, path, &bodies, &expected).await;

    let long = |name: usize, email: usize, password: usize| {
        json!({
            "name": "é".repeat(name),
            "email": format!("{}@b.co", "é".repeat(email - 5)),
            "password": "é".repeat(password),
        })
    };
    let refused = ann.post(path).json(&long(101, 255, 129)).send().await;
    let expected = "400 invalid_request name:too_long email:too_long password:too_long";
    assert_eq!(refused.brief(), expected);

    let path = format!("{path}/{}", ann.account_id);
    let bodies = [
        "{}",
        r#"{"name": 1, "email": 1, "isValid": 1}"#,
        r#"{"name": "", "email": "x", "isValid": "true"}"#,
        r#"{"name": "A\u0007", "email": "a@b", "isValid": null}"#,
        r#"{"name": "A", "email": "a@b.co", "isValid": true, "password": "correct horse"}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request name:required email:required isValid:required
        {"name": 1, "email": 1, "isValid": 1}
            400 invalid_request name:wrong_type email:wrong_type isValid:wrong_type
        {"name": "", "email": "x", "isValid": "true"}
            400 invalid_request name:too_short email:too_short isValid:wrong_type
        {"name": "A\u0007", "email": "a@b", "isValid": null}
            400 invalid_request name:control_character email:invalid_email isValid:required
        {"name": "A", "email": "a@b.co", "isValid": true, "password": "correct horse"}
            400 invalid_request password:unknown_field
    "#]];
    check(&Method::PUT, &ann, &path, &bodies, &expected).await;
    product.stop().await;
}

#[tokio::test]
async fn every_field_of_a_closure_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let path = format!("/accounts/v1/accounts/{}/closure", ann.account_id);
    let bodies = [
        "{}",
        r#"{"currentPassword": null}"#,
        r#"{"currentPassword": 1}"#,
        r#"{"currentPassword": ""}"#,
        r#"{"currentPassword": "\u0000"}"#,
        r#"{"currentPassword": "correct horse", "password": "correct horse"}"#,
        r#"{"currentPassword": "correct horse"}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request currentPassword:required
        {"currentPassword": null}
            400 invalid_request currentPassword:required
        {"currentPassword": 1}
            400 invalid_request currentPassword:wrong_type
        {"currentPassword": ""}
            400 invalid_request currentPassword:too_short
        {"currentPassword": "\u0000"}
            400 invalid_request currentPassword:control_character
        {"currentPassword": "correct horse", "password": "correct horse"}
            400 invalid_request password:unknown_field
        {"currentPassword": "correct horse"}
            403 invalid_current_password
    "#]];
    check(&Method::POST, &ann, &path, &bodies, &expected).await;
    let long = json!({"currentPassword": "é".repeat(129)});
    let refused = ann.post(&path).json(&long).send().await;
    assert_eq!(refused.brief(), "400 invalid_request currentPassword:too_long");
    assert_eq!(ann.balance().await, 0, "it is still open");
    product.stop().await;
}

#[tokio::test]
async fn every_field_of_a_login_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let bodies = [
        "{}",
        r#"{"email": 1, "password": 1}"#,
        r#"{"email": "", "password": ""}"#,
        r#"{"email": "a\u0000", "password": "\u0000"}"#,
        r#"{"email": "a@b.co", "password": "correct horse", "remember": true}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request email:required password:required
        {"email": 1, "password": 1}
            400 invalid_request email:wrong_type password:wrong_type
        {"email": "", "password": ""}
            400 invalid_request email:too_short password:too_short
        {"email": "a\u0000", "password": "\u0000"}
            400 invalid_request email:control_character password:control_character
        {"email": "a@b.co", "password": "correct horse", "remember": true}
            400 invalid_request remember:unknown_field
    "#]];
    check(&Method::POST, &ann, "/accounts/v1/auths", &bodies, &expected).await;
    let bodies = [
        "{}",
        r#"{"refreshToken": null}"#,
        r#"{"refreshToken": 7}"#,
        r#"{"refreshToken": ""}"#,
        r#"{"refreshToken": "mpr_\n"}"#,
        r#"{"refreshToken": "mpr_x", "accessToken": "mpa_x"}"#,
        r#"{"refresh_token": "mpr_x"}"#,
    ];
    let expected = expect![[r#"
        {}
            400 invalid_request refreshToken:required
        {"refreshToken": null}
            400 invalid_request refreshToken:required
        {"refreshToken": 7}
            400 invalid_request refreshToken:wrong_type
        {"refreshToken": ""}
            400 invalid_request refreshToken:too_short
        {"refreshToken": "mpr_\n"}
            400 invalid_request refreshToken:control_character
        {"refreshToken": "mpr_x", "accessToken": "mpa_x"}
            400 invalid_request accessToken:unknown_field
        {"refresh_token": "mpr_x"}
            400 invalid_request refreshToken:required refresh_token:unknown_field
    "#]];
    check(&Method::POST, &ann, "/accounts/v1/auths/refresh", &bodies, &expected).await;
    let long = json!({"email": "é".repeat(255), "password": "é".repeat(129)});
    let refused = ann.post("/accounts/v1/auths").json(&long).send().await;
    assert_eq!(refused.brief(), "400 invalid_request email:too_long password:too_long");
    let long = json!({"refreshToken": "é".repeat(129)});
    let refused = ann.post("/accounts/v1/auths/refresh").json(&long).send().await;
    assert_eq!(refused.brief(), "400 invalid_request refreshToken:too_long");
    product.stop().await;
}
