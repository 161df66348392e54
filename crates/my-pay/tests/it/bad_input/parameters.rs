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
    let bad_ids = [
        "0",
        "-1",
        "+1",
        "1.0",
        "01x",
        "abc",
        "1e3",
        "%20",
        "9007199254740992",
        "%C3%A9",
        "01",
        "001",
        "%31",
        "1%30",
        "99999999999999999999999999",
    ];
    for id in bad_ids {
        let account = format!("/accounts/v1/accounts/{id}");
        let body = json!({"name": "Ann", "email": ann.email, "isValid": true});
        for call in [
            ann.get(&account),
            ann.call(Method::PUT, &account).json(&body),
            ann.post(&format!("{account}/closure")).json(&json!({"currentPassword": "secret"})),
            ann.get(&format!("/money/v1/wallets/{id}")),
            ann.get(&format!("/money/v1/transfers/{id}")),
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
        "transactions?limit=05",
        "transactions?limit=%2B5",
        "transactions?limit=+5",
        "transactions?walletId=0",
        "transactions?walletId=x",
        "transactions?cursor=",
        "transactions?cursor=x",
        "transactions?cursor=-1",
        "transactions?cursor=01",
        "transactions?cursor=111111111111111111111111111111111",
        "transactions?from=yesterday",
        "transactions?from=2027-01-15",
        "transactions?from=2027-01-15T08:00:00",
        "transactions?from=2027-02-30T08:00:00Z",
        "transactions?to=1800000000",
        "transactions?to=2027-01-15T08:00:00Z+",
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
        transactions?limit=05
            400 invalid_request limit:leading_zeros
        transactions?limit=%2B5
            400 invalid_request limit:not_an_integer
        transactions?limit=+5
            400 invalid_request limit:not_an_integer
        transactions?walletId=0
            400 invalid_request walletId:out_of_range
        transactions?walletId=x
            400 invalid_request walletId:not_an_integer
        transactions?cursor=
            400 invalid_request cursor:invalid_cursor
        transactions?cursor=x
            400 invalid_request cursor:invalid_cursor
        transactions?cursor=-1
            400 invalid_request cursor:invalid_cursor
        transactions?cursor=01
            400 invalid_request cursor:invalid_cursor
        transactions?cursor=111111111111111111111111111111111
            400 invalid_request cursor:invalid_cursor
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
        transactions?to=2027-01-15T08:00:00Z+
            400 invalid_request to:invalid_time
        transactions?to=
            400 invalid_request to:invalid_time
        transactions?limit=x&walletId=x&cursor=x&from=x&to=x&page=2
            400 invalid_request walletId:not_an_integer limit:not_an_integer cursor:invalid_cursor from:invalid_time to:invalid_time page:unknown_field
        transactions?Limit=1
            400 invalid_request Limit:unknown_field
        transactions?limit=1&limit=2
            400 invalid_request limit:repeated_parameter
        transactions?cursor=%ff
            400 invalid_request query:invalid_encoding
        transactions?cursor=%zz
            400 invalid_request query:invalid_encoding
        transfers
            400 invalid_request idempotencyKey:required
        transfers?idempotencyKey=
            400 invalid_request idempotencyKey:invalid_length
        transfers?idempotencyKey=a%00b
            400 invalid_request idempotencyKey:invalid_character
        transfers?idempotencyKey=a&idempotencyKey=b
            400 invalid_request idempotencyKey:repeated_parameter
        transfers?idempotencyKey=a&status=failed
            400 invalid_request status:unknown_field
        transfers?idempotency_key=a
            400 invalid_request idempotencyKey:required idempotency_key:unknown_field
    "#]];
    expected.assert_eq(&text);
    let too_long = format!("/money/v1/transfers?idempotencyKey={}", "k".repeat(129));
    let refused = ann.get(&too_long).send().await;
    assert_eq!(refused.brief(), "400 invalid_request idempotencyKey:invalid_length");
    product.stop().await;
}

/// Every resource has one path, whatever other spellings of its id there are.
#[tokio::test]
async fn an_id_in_a_path_has_one_spelling() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let made = ann.move_money("deposits", "key", &json!({"amount": 1})).await;
    let transfer = made.body["id"].as_str().unwrap();
    let (first, rest) = transfer.split_at(1);
    let spellings = [
        format!("wallets/0{}", ann.wallet_id),
        format!("wallets/+{}", ann.wallet_id),
        format!("wallets/%3{}", ann.wallet_id),
        format!("wallets/{}.0", ann.wallet_id),
        format!("transfers/{}", transfer.to_uppercase()),
        format!("transfers/{}", transfer.replace('-', "")),
        format!("transfers/{}", transfer.replace('-', "%2d")),
        format!("transfers/%3{first}{rest}"),
        format!("transfers/%7B{transfer}%7D"),
        format!("transfers/{{{transfer}}}"),
        format!("transfers/urn:uuid:{transfer}"),
        "transfers/00000000-0000-0000-0000-00000000000g".to_owned(),
    ];
    for spelling in spellings {
        let refused = ann.get(&format!("/money/v1/{spelling}")).send().await;
        assert_eq!(refused.brief(), "400 invalid_request id:invalid_id", "{spelling}");
    }
    let account = ann.get(&format!("/accounts/v1/accounts/0{}", ann.account_id)).send().await;
    assert_eq!(account.brief(), "400 invalid_request id:invalid_id");
    for path in [format!("wallets/{}", ann.wallet_id), format!("transfers/{transfer}")] {
        assert_eq!(ann.get(&format!("/money/v1/{path}")).send().await.status, 200, "{path}");
    }
    product.stop().await;
}

#[tokio::test]
async fn a_plus_that_was_not_escaped_is_told_apart_from_a_bad_time() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let read = async |query: &str| ann.get(&format!("/money/v1/transactions?{query}")).send().await;
    for name in ["from", "to"] {
        let refused = read(&format!("{name}=2026-01-01T00:00:00+09:00")).await;
        assert_eq!(refused.brief(), format!("400 invalid_request {name}:invalid_time"));
        let message = refused.body["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("write the `+` of its offset as `%2B`"), "{message}");
        let escaped = read(&format!("{name}=2026-01-01T00:00:00%2B09:00")).await;
        assert_eq!(escaped.status, 200, "{}", escaped.body);
    }
    product.stop().await;
}
