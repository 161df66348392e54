//! The first five minutes: two people, and money moves.

use serde_json::json;

use crate::support::Product;

#[tokio::test]
async fn two_people_send_money() {
    let product = Product::start().await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(100).await;
    let sent = ann
        .post("/money/v1/transfers")
        .key("first")
        .json(&json!({"receiverWalletId": bob.wallet_id, "amount": 30}))
        .send()
        .await;
    assert_eq!((sent.status, sent.body["balance"].as_i64()), (201, Some(70)));
    assert_eq!(bob.balance().await, 30);
    product.stop().await;
}
