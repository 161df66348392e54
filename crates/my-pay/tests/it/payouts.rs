//! Payouts: an operator moves the money of a closed wallet out, once, and of no other wallet.

use std::time::Duration;

use my_pay::data_dir::account_database;
use serde_json::json;

use crate::support::{Product, eventually, person::unique};

/// How soon money must follow an account.
const MONEY: Duration = Duration::from_secs(2);

/// Closes an account as earlier versions did, whatever its wallets hold.
pub fn closing_with_money(account_id: i64) -> String {
    format!(
        "UPDATE accounts SET is_valid = 0, closed_at = 1 WHERE id = {account_id};
         UPDATE id_blocks SET next_value = next_value + 1 WHERE name = 'account_changes';
         INSERT INTO account_changes (sequence, account_id, standing, created_at)
         SELECT next_value - 1, {account_id}, 'closed', 1 FROM id_blocks
         WHERE name = 'account_changes';"
    )
}

#[tokio::test]
async fn the_money_of_a_closed_wallet_is_paid_out_once() {
    let product = Product::start().await;
    let backend = product.backend(&["operate"]).await;
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(1_000).await;
    let pay_out = async |key: &str, amount: i64, reason: &str| {
        let path = format!("/money/v1/wallets/{}/payouts", ann.wallet_id);
        let body = json!({"amount": amount, "reason": reason});
        backend.post(&path).key(key).json(&body).send().await
    };
    let refused = pay_out("payout", 600, "to her bank").await;
    assert_eq!(refused.brief(), "409 wallet_not_closed");
    let db = rusqlite::Connection::open(account_database(&product.data_dir())).unwrap();
    let closing = closing_with_money(ann.account_id);
    db.execute_batch(&format!("BEGIN IMMEDIATE; {closing} COMMIT")).unwrap();
    // Money follows. What is in the wallet by then is not what it began with.
    bob.deposit(1_000).await;
    let body = json!({"receiverWalletId": ann.wallet_id, "amount": 1});
    let send = async || bob.move_money("transfers", &unique().to_string(), &body).await.brief();
    eventually(MONEY, async || send().await == "422 receiver_wallet_closed").await;
    let paid = pay_out("payout", 600, "to her bank").await;
    assert_eq!(paid.status, 201, "the key was free: {}", paid.body);
    let again = pay_out("payout", 600, "to her bank").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.body, paid.body);
    assert_eq!(pay_out("payout", 400, "to her bank").await.brief(), "422 idempotency_key_reused");
    let left = paid.body["balance"].as_i64().unwrap();
    assert_eq!(pay_out("more", left + 1, "more").await.brief(), "422 insufficient_balance");
    let rest = pay_out("rest", left, "the rest").await;
    assert_eq!((rest.status, &rest.body["balance"]), (201, &json!(0)));
    for (id, expected) in
        [(bob.wallet_id, "409 wallet_not_closed"), (9_007_199_254_740_991, "404 wallet_not_found")]
    {
        let path = format!("/money/v1/wallets/{id}/payouts");
        let body = json!({"amount": 1, "reason": "a try"});
        let refused = backend.post(&path).key("other").json(&body).send().await;
        assert_eq!(refused.brief(), expected);
    }
    product.stop().await;
}
