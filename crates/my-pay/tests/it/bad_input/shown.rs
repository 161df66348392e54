//! Text that people are shown: names and summaries that deceive or that cannot be seen.

use hyper::Method;
use serde_json::json;

use super::ann_with_wallet;
use crate::support::Product;

const REFUSED: &[(&str, &str)] = &[
    ("\u{200B}", "invisible"),
    ("\u{AD}", "invisible"),
    ("\u{2060}", "invisible"),
    ("\u{3164}", "invisible"),
    ("\u{2800}", "invisible"),
    ("\u{2800}\u{200B}\u{2800}", "invisible"),
    ("Ann\u{202E}boB", "direction_control"),
    ("Ann\u{200F}", "direction_control"),
    ("\u{200E}Ann", "direction_control"),
    ("A\u{61C}nn", "direction_control"),
    ("Ann\u{FFFF}", "noncharacter"),
    ("Ann\u{FDD0}", "noncharacter"),
    ("\u{200D}Ann", "stray_joiner"),
    ("Ann\u{7}", "control_character"),
];

const ACCEPTED: &[&str] =
    &["می\u{200C}خواهم", "क्\u{200D}ष", "👩\u{200D}👩\u{200D}👧", "עברית", "김지수"];

#[tokio::test]
async fn names_and_summaries_can_be_seen_and_do_not_deceive() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let bad = |field: &str, code: &str| format!("400 invalid_request {field}:{code}");
    for (number, (text, code)) in REFUSED.iter().enumerate() {
        let email = format!("bob{number}@example.com");
        let person = json!({"name": text, "email": email, "password": "correct horse"});
        let made = product.client.post("/accounts/v1/accounts").json(&person).send().await;
        assert_eq!(made.brief(), bad("name", code), "{text:?}");
        let renamed = json!({"name": text, "email": ann.email, "isValid": true});
        let path = format!("/accounts/v1/accounts/{}", ann.account_id);
        let renamed = ann.call(Method::PUT, &path).json(&renamed).send().await;
        assert_eq!(renamed.brief(), bad("name", code), "{text:?}");
        for path in ["deposits", "withdrawals", "transfers"] {
            let body = json!({"amount": 1, "summary": text});
            let moved = ann.move_money(path, &format!("{path} {number}"), &body).await;
            assert!(moved.brief().contains(&format!("summary:{code}")), "{}", moved.brief());
        }
    }
    for (number, text) in ACCEPTED.iter().enumerate() {
        let email = format!("eve{number}@example.com");
        let person = json!({"name": text, "email": email, "password": "correct horse"});
        let made = product.client.post("/accounts/v1/accounts").json(&person).send().await;
        assert_eq!((made.status, &made.body["name"]), (201, &json!(text)));
        let body = json!({"amount": 1, "summary": text});
        let moved = ann.move_money("deposits", &format!("accepted {number}"), &body).await;
        assert_eq!((moved.status, &moved.body["summary"]), (201, &json!(text)));
    }
    product.stop().await;
}
