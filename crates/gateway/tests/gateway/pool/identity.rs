//! Who is calling, as a service behind a pool learns it.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router, routing::any};
use service::{
    clock::Clock,
    contract::identity::{Caller, Keys, Party, Signer, Verifier, guard},
    http::{health, request_id::RequestId},
};
use tokio::net::TcpListener;

use super::support::{Instance, Pooled, Told, quick};
use crate::support::get_request;

/// Keys of 32 equal bytes, in base64.
fn keys(letter: char) -> Keys {
    let bytes: String = std::iter::repeat_n(letter, 42).collect();
    Keys::parse(&[format!("one:{bytes}A=")]).unwrap()
}

async fn guarded(letter: char) -> Instance {
    let told = Arc::new(Told::default());
    let who = |Extension(caller): Extension<Caller>, Extension(id): Extension<RequestId>| async move {
        format!("{caller:?} {}", id.as_str())
    };
    let router = Router::new()
        .route("/pool/who", any(who))
        .merge(health::routes(Arc::clone(&told) as Arc<dyn health::Readiness>));
    let verifier = Verifier::new(keys(letter), Party::Money, Clock::system());
    let router = guard(router, verifier, "/pool");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Instance::serve(listener, address, told, router, Duration::ZERO)
}

async fn pooled(instances: &[&Instance]) -> Pooled {
    let addresses: Vec<_> = instances.iter().map(|instance| instance.address).collect();
    let signer = Signer::new(keys('a'), Party::Gateway, Clock::system());
    Pooled::start_with(&addresses, addresses.len(), quick(), Some(signer), |_| {}).await
}

#[tokio::test]
async fn a_service_learns_who_is_calling() {
    let instance = guarded('a').await;
    let pooled = pooled(&[&instance]).await;
    pooled.world.issue("mine", 7);
    for (token, expected) in [
        (
            "authorization: Bearer mine",
            "Known(Identity { asker: Person { account_id: 7, session_id: 70 }, account_id: Some(7),",
        ),
        ("authorization: Bearer other", "Refused one"),
        ("x-my-pay-identity: forged", "Anonymous one"),
    ] {
        let request = get_request("/pool/who?a=b", &["x-request-id: one", token]);
        let answer = pooled.world.send(request).await;
        assert!(answer.body.starts_with(expected), "{}", answer.body);
        assert!(answer.body.ends_with(" one"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_service_with_other_keys_is_our_problem_and_not_the_clients() {
    let (same, other) = (guarded('a').await, guarded('b').await);
    let only_other = pooled(&[&other]).await;
    let answer = only_other.send(axum::http::Method::POST, "/pool/who", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "unavailable"));
    // It has done nothing, so anything may go to another one.
    let both = pooled(&[&same, &other]).await;
    for _ in 0..20 {
        let answer = both.send(axum::http::Method::POST, "/pool/who", &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert!(both.retries("refused") > 0);
}
