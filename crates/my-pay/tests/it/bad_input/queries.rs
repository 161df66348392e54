//! Query parameters that a call does not have.

use hyper::Method;
use serde_json::json;
use service::contract::scope::Scope;

use super::ann_with_wallet;
use crate::support::{Product, specification};

/// The calls are those of the specification, so that a new one is among them.
#[tokio::test]
async fn every_call_refuses_parameters_that_it_does_not_have() {
    let product = Product::start().await;
    let ann = ann_with_wallet(&product).await;
    let body = json!({"amount": 1, "currency": "USD", "name": "Ann"});
    let backend = product.backend(&scopes()).await;
    let calls = specification::calls();
    assert!(calls.len() >= 19, "the documents are read");
    for (method, template) in calls {
        let transfer = "018f3b9a-5c2d-7e10-8a4b-0123456789ab";
        let id = if template.contains("transfers") { transfer } else { "1" };
        let path = template.replace("{id}", id);
        for (query, codes) in [
            ("dryRun=true", "dryRun:unknown_field"),
            ("=", ":unknown_field"),
            (
                "utm_source=mail&utm_source=mail",
                "utm_source:unknown_field utm_source:repeated_parameter",
            ),
            ("%ff=1", "query:invalid_encoding"),
        ] {
            let path_and_query = format!("{path}?{query}");
            let call = ann.call(method.clone(), &path_and_query).key("key").json(&body);
            let mut refused = call.send().await.brief();
            if refused == "403 insufficient_scope" {
                // The call is for API keys.
                let call = backend.call(method.clone(), &path_and_query).key("key").json(&body);
                refused = call.send().await.brief();
            }
            // What the call does have is missing as well, where something is.
            let (kind, found) = refused.split_at("400 invalid_request ".len());
            let found = found.replace("idempotencyKey:required ", "");
            let seen = format!("{method} {path}?{query}: {refused}");
            assert_eq!((kind, found.as_str()), ("400 invalid_request ", codes), "{seen}");
        }
        // An empty query is none.
        if method == Method::GET {
            let bare = ann.get(&path).send().await;
            for query in ["?", "?&", "?&&"] {
                let same = ann.get(&format!("{path}{query}")).send().await;
                assert_eq!(same.brief(), bare.brief(), "{path}{query}");
            }
        }
    }
    assert_eq!(ann.balance().await, 0);
    product.stop().await;
}

/// Every scope.
fn scopes() -> Vec<&'static str> {
    Scope::ALL.iter().copied().map(Scope::as_str).collect()
}

#[tokio::test]
async fn a_caller_without_a_token_learns_that_first() {
    let product = Product::start().await;
    for path in ["/money/v1/wallets?x=1", "/money/v1/transactions?x=1", "/accounts/v1/auths?x=1"] {
        let call = || product.client.get(path);
        assert_eq!(call().send().await.brief(), "401 missing_token", "{path}");
        assert_eq!(call().token("mpa_x").send().await.brief(), "401 invalid_token", "{path}");
    }
    product.stop().await;
}

/// Probes add what they like, such as a number against caches.
#[tokio::test]
async fn pages_bear_parameters() {
    let product = Product::start().await;
    for path in ["/livez?t=1", "/readyz?t=1", "/money/docs/openapi.json?t=1"] {
        assert_eq!(product.client.get(path).send().await.status, 200, "{path}");
    }
    product.stop().await;
}
