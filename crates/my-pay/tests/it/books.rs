//! The books: an API key with `books:read` reads all wallets and movements, unless it acts
//! for one account.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Backend, Person, Product, eventually};

/// Ann with 1,000 won less the 30 that she sent Bob, her withdrawal of too much, and the path of
/// what she sent.
async fn two_people(product: &Product) -> (Person, Person, String) {
    let ann = product.person("Ann").await.with_wallet().await;
    let bob = product.person("Bob").await.with_wallet().await;
    ann.deposit(1_000).await;
    let body = json!({"receiverWalletId": bob.wallet_id, "amount": 30});
    let sent = ann.move_money("transfers", "t", &body).await;
    assert_eq!(sent.status, 201, "{}", sent.body);
    let failed = ann.move_money("withdrawals", "w", &json!({"amount": 5_000})).await;
    assert_eq!(failed.brief(), "422 insufficient_balance");
    let path = sent.header("location").to_owned();
    (ann, bob, path)
}

/// All pages of all movements from one time to before another.
async fn read_all(reader: &Backend, [from, to]: [&str; 2], limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = format!("from={from}&to={to}&limit={limit}{cursor}");
        let path = format!("/money/v1/books/transfers?{query}");
        let page = reader.get(&path).send().await;
        assert_eq!(page.status, 200, "{}", page.body);
        let found = page.body["items"].as_array().unwrap();
        assert!(found.len() <= limit);
        items.extend(found.iter().cloned());
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[tokio::test]
async fn every_wallet_and_movement_is_read() {
    let product = Product::start().await;
    let (ann, bob, path) = two_people(&product).await;
    let reader = product.backend(&["books:read"]).await;
    for (person, balance) in [(&ann, 970), (&bob, 30)] {
        let wallet = reader.get(&format!("/money/v1/wallets/{}", person.wallet_id)).send().await;
        let seen = (&wallet.body["accountId"], &wallet.body["balance"]);
        assert_eq!(seen, (&json!(person.account_id), &json!(balance)));
        let history = format!("/money/v1/transactions?walletId={}", person.wallet_id);
        let (seen, own) = (reader.get(&history).send().await, person.get(&history).send().await);
        assert_eq!((seen.status, seen.body), (200, own.body));
    }
    let (seen, own) = (reader.get(&path).send().await, ann.get(&path).send().await);
    assert_eq!((seen.status, &seen.body), (200, &own.body));
    assert_eq!(seen.body["requestedBy"], json!({"type": "account", "id": ann.account_id}));
    for (path, refused) in [
        ("/money/v1/transactions", "400 invalid_request walletId:required"),
        ("/money/v1/wallets/9007199254740991", "404 wallet_not_found"),
        ("/money/v1/transfers/01900000-0000-7000-8000-000000000000", "404 transfer_not_found"),
    ] {
        assert_eq!(reader.get(path).send().await.brief(), refused);
    }
    product.stop().await;
}

#[tokio::test]
async fn who_acts_for_an_account_sees_that_accounts_view() {
    let product = Product::start().await;
    let (ann, bob, path) = two_people(&product).await;
    for scopes in [&["books:read"][..], &["books:read", "wallets:read"]] {
        let reader = product.backend(scopes).await;
        let for_bob = async |path: &str| reader.get(path).on_behalf_of(bob.account_id).send().await;
        let seen = for_bob(&path).await;
        assert_eq!((seen.status, &seen.body), (200, &bob.get(&path).send().await.body));
        assert_eq!(seen.body.get("requestedBy"), None);
        let wallet = |person: &Person| format!("/money/v1/wallets/{}", person.wallet_id);
        assert_eq!(for_bob(&wallet(&bob)).await.status, 200);
        assert_eq!(for_bob(&wallet(&ann)).await.brief(), "404 wallet_not_found");
        let history = format!("/money/v1/transactions?walletId={}", ann.wallet_id);
        assert_eq!(for_bob(&history).await.brief(), "404 wallet_not_found");
        for books in ["/money/v1/books/transfers", "/money/v1/books/balances"] {
            let refused = for_bob(books).await.brief();
            assert_eq!(refused, "400 invalid_request My-Pay-Account:unexpected_account");
        }
    }
    product.stop().await;
}

#[tokio::test]
async fn nothing_is_read_without_the_scope() {
    let product = Product::start().await;
    let (ann, bob, path) = two_people(&product).await;
    let wallet = format!("/money/v1/wallets/{}", ann.wallet_id);
    let every_other = product.backend(&["wallets:read", "wallets:write", "money:send"]).await;
    for path in [&wallet, &path] {
        assert_eq!(every_other.get(path).send().await.brief(), "400 account_required");
        assert_eq!(bob.get(&wallet).send().await.brief(), "404 wallet_not_found");
    }
    for books in ["/money/v1/books/transfers", "/money/v1/books/balances"] {
        for call in [every_other.get(books), ann.get(books)] {
            let refused = call.send().await;
            assert_eq!(refused.brief(), "403 insufficient_scope");
            assert_eq!(refused.body["scope"], "books:read");
        }
        assert_eq!(product.client.get(books).send().await.brief(), "401 missing_token");
    }
    product.stop().await;
}

#[tokio::test]
async fn movements_are_paged_in_the_order_of_their_ids() {
    let product = Product::start().await;
    let (ann, bob, path) = two_people(&product).await;
    let sent = ann.get(&path).send().await.body;
    let deposit = ann.get("/money/v1/transactions").send().await.body["items"][1].clone();
    let reader = product.backend(&["books:read"]).await;
    let from = deposit["createdAt"].as_str().unwrap();
    product.let_pass(Duration::from_secs(1));
    let last = bob.move_money("deposits", "last", &json!({"amount": 1})).await.body;
    let to = last["createdAt"].as_str().unwrap();
    let mut lists = Vec::new();
    for limit in [1, 2, 200] {
        let items = read_all(&reader, [from, to], limit).await;
        let ids: Vec<_> = items.iter().map(|item| item["transfer"]["id"].as_str()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        // Others may use the same product.
        let anns = items.into_iter().filter(|i| i["transfer"]["accountId"] == ann.account_id);
        lists.push(anns.collect::<Vec<_>>());
    }
    assert!(lists.iter().all(|list| *list == lists[0]));
    assert_eq!(lists[0].len(), 3, "{:?}", lists[0]);
    let bobs = read_all(&reader, [to, "2200-01-01T00:00:00Z"], 200).await;
    assert!(bobs.iter().any(|item| item["transfer"] == last), "{bobs:?}");
    // Within a millisecond the order of ids means nothing.
    let of_type = |name: &str| {
        let mut found = lists[0].iter().filter(|item| item["transfer"]["type"] == name);
        found.next().unwrap()
    };
    let [first, second, third] = ["deposit", "transfer", "withdrawal"].map(of_type);
    let sides = |item: &Value| {
        let side =
            |name: &str| (item[name]["walletId"].clone(), item[name]["balanceAfter"].clone());
        [side("debit"), side("credit")]
    };
    assert_eq!(first["transfer"]["id"], deposit["transferId"]);
    let [(system_wallet, owed), credit] = sides(first);
    assert_eq!(credit, (json!(ann.wallet_id), json!(1_000)));
    assert_eq!(second["transfer"], sent);
    let expected = [(json!(ann.wallet_id), json!(970)), (json!(bob.wallet_id), json!(30))];
    assert_eq!(sides(second), expected);
    assert_eq!(third["transfer"]["failureCode"], "insufficient_balance");
    assert_eq!((&third["debit"], &third["credit"]), (&Value::Null, &Value::Null));

    // The system's wallet has a history like any other.
    let wallet = reader.get(&format!("/money/v1/wallets/{system_wallet}")).send().await;
    assert!(wallet.body["accountId"].as_i64().unwrap() < 10_000, "{}", wallet.body);
    assert!(wallet.body["balance"].is_i64() && owed.is_i64(), "{owed} {}", wallet.body);
    let history = format!("/money/v1/transactions?walletId={system_wallet}&from={from}");
    let history = reader.get(&history).send().await;
    assert_eq!(history.status, 200, "{}", history.body);
    for (query, refused) in [
        ("limit=201", "400 invalid_request limit:out_of_range"),
        ("cursor=1", "400 invalid_request cursor:invalid_cursor"),
        ("from=now", "400 invalid_request from:invalid_time"),
        ("to=now", "400 invalid_request to:invalid_time"),
        ("walletId=1", "400 invalid_request walletId:unknown_field"),
    ] {
        let answer = reader.get(&format!("/money/v1/books/transfers?{query}")).send().await;
        assert_eq!(answer.brief(), refused);
    }
    let nothing = format!("/money/v1/books/transfers?from={from}&to={from}");
    assert_eq!(reader.get(&nothing).send().await.body, json!({"items": [], "nextCursor": null}));
    product.stop().await;
}

/// Sums are made every ten seconds.
#[tokio::test]
async fn all_wallets_come_to_zero() {
    const PATIENCE: Duration = Duration::from_mins(2);
    let product = Product::start().await;
    let (ann, bob, _) = two_people(&product).await;
    let reader = product.backend(&["books:read"]).await;
    let held = ann.balance().await + bob.balance().await;
    eventually(PATIENCE, async || {
        let balances = reader.get("/money/v1/books/balances").send().await;
        if balances.brief() == "503 unavailable" {
            return false;
        }
        assert_eq!(balances.status, 200, "{}", balances.body);
        let items = balances.body["items"].as_array().unwrap();
        let Some(won) = items.iter().find(|item| item["currency"] == "KRW") else { return false };
        let [people, system, sum, wallets] =
            ["people", "system", "sum", "peopleWallets"].map(|name| won[name].as_i64().unwrap());
        assert_eq!((people + system, sum), (0, 0), "{won}");
        // These two keep what they hold, and no other person holds less than nothing.
        people >= held && wallets >= 2
    })
    .await;
    product.stop().await;
}
