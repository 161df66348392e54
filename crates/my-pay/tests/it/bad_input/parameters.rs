//! Ids in paths, and parameters in queries.

use expect_test::expect;
use hyper::Method;
use serde_json::json;

use super::ann_with_wallet;
use crate::support::Product;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn every_parameter_has_its_rules() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let bad_ids =
        ["0", "-1", "+1", "1.0", "01x", "abc", "1e3", "%20", "9007199254740992", "%C3%A9"];
    for id in bad_ids.into_iter().chain(["99999999999999999999999999"]) {
        let account = format!("/accounts/v1/accounts/{id}");
        let body = json!({"name": "Ann", "email": ann.email, "isValid": true});
        for call in [
            ann.get(&account),
            ann.call(Method::PUT, &account).json(&body),
            ann.call(Method::DELETE, &account),
            ann.get(&format!("/money/v1/wallets/{id}")),
            ann.get(&format!("/money/v1/transfers/{id}")),
            ann.get("/money/v1/transfers/00000000-0000-0000-0000-00000000000g"),
        ] {
            assert_eq!(call.send().await.brief(), "400 invalid_request id:invalid_id", "{id}");
        }
    }
    let mut text = String::new();
    for query in [
        "transactions?limit=0",
        "transactions?limit=201",
        "transactions?limit=-1",
        "transactions?limit=1.5",
        "transactions?limit=",
        "transactions?limit=99999999999999999999",
        "transactions?walletId=0",
        "transactions?walletId=x",
        "transactions?cursor=",
        "transactions?cursor=x",
        "transactions?cursor=-1",
        "transactions?cursor=111111111111111111111111111111111",
        "transactions?from=yesterday",
        "transactions?from=2027-01-15",
        "transactions?from=2027-01-15T08:00:00",
        "transactions?from=2027-02-30T08:00:00Z",
        "transactions?to=1800000000",
        "transactions?to=",
        "transactions?limit=x&walletId=x&cursor=x&from=x&to=x&page=2",
        "transactions?Limit=1",
        "transactions?limit=1&limit=2",
        "transactions?cursor=%ff",
        "transactions?cursor=%zz",
        "transfers",
        "transfers?idempotencyKey=",
        "transfers?idempotencyKey=a%00b",
        "transfers?idempotencyKey=a&idempotencyKey=b",
        "transfers?idempotencyKey=a&status=failed",
        "transfers?idempotency_key=a",
    ] {
        let refused = ann.get(&format!("/money/v1/{query}")).send().await;
        text += &format!("{query}\n    {}\n", refused.brief());
    }
    let expected = expect![[r#"
        transactions?limit=0
            400 invalid_request limit:out_of_range
        transactions?limit=201
            400 invalid_request limit:out_of_range
        transactions?limit=-1
            400 invalid_request limit:out_of_range
        transactions?limit=1.5
            400 invalid_request limit:not_an_integer
        transactions?limit=
            400 invalid_request limit:not_an_integer
        transactions?limit=99999999999999999999
            400 invalid_request limit:out_of_range
        transactions?walletId=0
            400 invalid_request walletId:out_of_range
        transactions?walletId=x
            400 invalid_request walletId:not_an_integer
        transactions?cursor=
            400 invalid_request cursor:too_short
        transactions?cursor=x
            400 invalid_request cursor:invalid_cursor
        transactions?cursor=-1
            400 invalid_request cursor:invalid_cursor
        transactions?cursor=111111111111111111111111111111111
            400 invalid_request cursor:too_long
        transactions?from=yesterday
            400 invalid_request from:invalid_time
        transactions?from=2027-01-15
            400 invalid_request from:invalid_time
        transactions?from=2027-01-15T08:00:00
            400 invalid_request from:invalid_time
        transactions?from=2027-02-30T08:00:00Z
            400 invalid_request from:invalid_time
        transactions?to=1800000000
            400 invalid_request to:invalid_time
        transactions?to=
            400 invalid_request to:too_short
        transactions?limit=x&walletId=x&cursor=x&from=x&to=x&page=2
            400 invalid_request walletId:not_an_integer limit:not_an_integer from:invalid_time to:invalid_time cursor:invalid_cursor page:unknown_field
        transactions?Limit=1
            400 invalid_request Limit:unknown_field
        transactions?limit=1&limit=2
            400 invalid_request query:repeated_parameter
        transactions?cursor=%ff
            400 invalid_request query:invalid_encoding
        transactions?cursor=%zz
            400 invalid_request query:invalid_encoding
        transfers
            400 invalid_request idempotencyKey:required
        transfers?idempotencyKey=
            400 invalid_request idempotencyKey:too_short
        transfers?idempotencyKey=a%00b
            400 invalid_request idempotencyKey:control_character
        transfers?idempotencyKey=a&idempotencyKey=b
            400 invalid_request query:repeated_parameter
        transfers?idempotencyKey=a&status=failed
            400 invalid_request status:unknown_field
        transfers?idempotency_key=a
            400 invalid_request idempotencyKey:required idempotency_key:unknown_field
    "#]];
    expected.assert_eq(&text);
    let too_long = format!("/money/v1/transfers?idempotencyKey={}", "k".repeat(129));
    let refused = ann.get(&too_long).send().await;
    assert_eq!(refused.brief(), "400 invalid_request idempotencyKey:too_long");
    product.stop().await;
}
