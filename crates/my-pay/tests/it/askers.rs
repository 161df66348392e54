//! Who asked for a movement and for whom: what each side is shown, and whose an idempotency key is.

use serde_json::{Value, json};

use crate::support::{Backend, Person, Product, Response};

const SENDING: &[&str] = &["money:send", "wallets:read"];

/// Ann with 1,000 won, and Bob.
async fn two_people(product: &Product) -> (Person, Person) {
    let ann = product.person("Ann").await.with_wallet().await;
    ann.deposit(1_000).await;
    (ann, product.person("Bob").await.with_wallet().await)
}

/// Sends from one's wallet to the other's, by a backend.
async fn send(backend: &Backend, from: &Person, to: &Person, key: &str) -> Response {
    let body = json!({"receiverWalletId": to.wallet_id, "amount": 30});
    let call = backend.post("/money/v1/transfers").on_behalf_of(from.account_id);
    call.key(key).json(&body).send().await
}

/// The id of the API key that a movement names.
fn api_key(transfer: &Value) -> i64 {
    assert_eq!(transfer["requestedBy"]["type"], "api_key", "{transfer}");
    transfer["requestedBy"]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_movement_names_its_asker_and_account_to_the_own_side_alone() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let backend = product.backend(SENDING).await;
    let made = send(&backend, &ann, &bob, "k").await;
    assert_eq!((made.status, &made.body["accountId"]), (201, &json!(ann.account_id)));
    assert!(api_key(&made.body) > 0);
    let path = made.header("location");
    for own in [ann.get(path), backend.get(path).on_behalf_of(ann.account_id)] {
        let seen = own.send().await;
        assert_eq!((seen.status, &seen.body), (200, &made.body));
    }
    let mut expected = made.body.clone();
    expected["balance"] = json!(30);
    for hidden in ["accountId", "requestedBy"] {
        assert!(expected.as_object_mut().unwrap().remove(hidden).is_some(), "{hidden}");
    }
    for receiver in [bob.get(path), backend.get(path).on_behalf_of(bob.account_id)] {
        let seen = receiver.send().await;
        assert_eq!((seen.status, &seen.body), (200, &expected));
    }
    // Another key, and Ann herself.
    let other = send(&product.backend(SENDING).await, &ann, &bob, "k").await;
    assert_ne!(api_key(&other.body), api_key(&made.body));
    let body = json!({"receiverWalletId": bob.wallet_id, "amount": 30});
    let own = ann.move_money("transfers", "k", &body).await;
    assert_eq!(own.body["requestedBy"], json!({"type": "account", "id": ann.account_id}));
    assert_eq!((ann.balance().await, bob.balance().await), (910, 90));
    product.stop().await;
}

/// A declined movement is the asker's too.
#[tokio::test]
async fn a_decline_keeps_who_asked() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let backend = product.backend(SENDING).await;
    let declined = send(&backend, &bob, &ann, "k").await;
    assert_eq!(declined.brief(), "422 insufficient_balance");
    let path = format!("/money/v1/transfers/{}", declined.body["transferId"].as_str().unwrap());
    let seen = bob.get(&path).send().await;
    assert_eq!((seen.status, &seen.body["accountId"]), (200, &json!(bob.account_id)));
    api_key(&seen.body);
    assert_eq!(ann.get(&path).send().await.brief(), "404 transfer_not_found");
    product.stop().await;
}

async fn find(by: &Backend, account_id: Option<i64>, key: &str) -> Response {
    let call = by.get(&format!("/money/v1/transfers?idempotencyKey={key}"));
    match account_id {
        Some(id) => call.on_behalf_of(id).send().await,
        None => call.send().await,
    }
}

#[tokio::test]
async fn keys_belong_to_the_one_who_asks() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let backends = [product.backend(SENDING).await, product.backend(SENDING).await];
    let body = json!({"receiverWalletId": bob.wallet_id, "amount": 30});
    let own = ann.move_money("transfers", "same", &body).await;
    let mut made = vec![own.clone()];
    for backend in &backends {
        assert_eq!(find(backend, None, "same").await.brief(), "404 transfer_not_found");
        made.push(send(backend, &ann, &bob, "same").await);
    }
    for answer in &made {
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, ""));
    }
    assert_eq!((ann.balance().await, bob.balance().await), (910, 90), "three movements");
    // Each finds the own one, and gets it again.
    let again = ann.move_money("transfers", "same", &body).await;
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&own.body, "true"));
    let found = ann.get("/money/v1/transfers?idempotencyKey=same").send().await;
    assert_eq!(found.body, own.body);
    for (backend, first) in backends.iter().zip(&made[1..]) {
        let again = send(backend, &ann, &bob, "same").await;
        assert_eq!((&again.body, again.header("idempotency-replayed")), (&first.body, "true"));
        for account in [None, Some(ann.account_id)] {
            let found = find(backend, account, "same").await;
            assert_eq!((found.status, &found.body), (200, &first.body));
        }
        // An answer for one customer does not hold another's money.
        let found = find(backend, Some(bob.account_id), "same").await;
        assert_eq!((found.status, found.code()), (404, "transfer_not_found"));
    }
    assert_eq!((ann.balance().await, bob.balance().await), (910, 90));
    product.stop().await;
}

#[tokio::test]
async fn an_api_keys_key_is_for_one_account() {
    let product = Product::start().await;
    let (ann, bob) = two_people(&product).await;
    let backend = product.backend(&["money:fund", "wallets:read"]).await;
    // The same words for each account, whose only wallet is meant.
    let deposit = async |account_id: i64| {
        let call = backend.post("/money/v1/deposits").on_behalf_of(account_id);
        call.key("top-up").json(&json!({"amount": 5})).send().await
    };
    let made = deposit(ann.account_id).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let refused = deposit(bob.account_id).await;
    assert_eq!(refused.brief(), "422 idempotency_key_reused");
    assert_eq!(refused.header("idempotency-replayed"), "");
    let again = deposit(ann.account_id).await;
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&made.body, "true"));
    assert_eq!((ann.balance().await, bob.balance().await), (1_005, 0));
    let found = find(&backend, Some(bob.account_id), "top-up").await;
    assert_eq!(found.brief(), "404 transfer_not_found", "nothing of another customer's");
    let found = find(&backend, None, "top-up").await;
    assert_eq!(found.body["accountId"], ann.account_id, "what the key has been used for");
    // A person's key is not in its way, nor the other way round.
    let own = bob.move_money("deposits", "top-up", &json!({"amount": 5})).await;
    assert_eq!((own.status, own.header("idempotency-replayed")), (201, ""));
    product.stop().await;
}
