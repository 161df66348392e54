//! Both ends over TCP, with a money service in miniature between them; who may ask; and what old
//! and later versions write.

use std::{net::SocketAddr, sync::Mutex};

use expect_test::expect;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::{
    contract::{
        identity::{Caller, Subject, X_MY_PAY_IDENTITY},
        internal::tests::{Instance, dead_address, keys, start_silent},
    },
    http::problem::UNAVAILABLE,
    installation::Installation,
};

const CLOSING: Closing =
    Closing { account_id: 10_007, attempt: 3, installation: Installation::from_u128(7) };

/// Answers as the test has it, and keeps what it was asked.
struct Money {
    answer: Box<dyn Fn() -> Result<ClosingAnswer, ClosingFailure> + Send + Sync>,
    asked: Mutex<Vec<Closing>>,
}

impl ClosesWallets for Money {
    fn close(&self, closing: Closing) -> BoxFuture<'_, Result<ClosingAnswer, ClosingFailure>> {
        self.asked.lock().unwrap().push(closing);
        Box::pin(std::future::ready((self.answer)()))
    }
}

fn money(answer: ClosingAnswer) -> Arc<Money> {
    Arc::new(Money { answer: Box::new(move || Ok(answer.clone())), asked: Mutex::default() })
}

fn failing(failure: fn() -> ClosingFailure) -> Arc<Money> {
    Arc::new(Money { answer: Box::new(move || Err(failure())), asked: Mutex::default() })
}

fn refused() -> ClosingAnswer {
    let holding = Holding { wallet_id: 5, currency: "KRW".to_owned(), balance: 1 << 53 };
    ClosingAnswer::Refused { holding: vec![holding] }
}

fn router(money: &Arc<Money>) -> Router {
    let verifier = Verifier::new(keys(1), Party::Money, Clock::system());
    money_routes(money.clone(), verifier)
}

fn client(secret: u8, addresses: &[SocketAddr]) -> MoneyClient {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let signer = Signer::new(keys(secret), Party::Account, Clock::system());
    MoneyClient::new(&addresses, signer, Clock::system()).unwrap()
}

#[tokio::test]
async fn an_attempt_and_its_answer_arrive_as_they_are() {
    let empty = ClosingAnswer::Refused { holding: Vec::new() };
    for answer in [ClosingAnswer::Closed, refused(), empty] {
        let money = money(answer.clone());
        let instance = Instance::start(router(&money)).await;
        let answered = client(1, &[instance.address]).close(CLOSING).await;
        assert_eq!(answered.unwrap(), answer);
        assert_eq!(*money.asked.lock().unwrap(), [CLOSING]);
    }
}

/// Whether it is certain that nothing was done decides what becomes of the account.
#[tokio::test]
async fn what_certainly_did_nothing_is_told_from_what_may_have() {
    let not_done = || ClosingFailure::NotDone("busy".into());
    let unknown = || ClosingFailure::OutcomeUnknown("lost".into());
    let put_off = Instance::start(router(&failing(not_done))).await.address;
    let lost = Instance::start(router(&failing(unknown))).await.address;
    // Instances of before answer so: they refuse what is not from the gateway.
    let old = Router::new().fallback(|| async { StatusCode::UNAUTHORIZED });
    let old = Instance::start(old).await.address;
    let busy = Router::new().fallback(|| async { StatusCode::SERVICE_UNAVAILABLE });
    let busy = Instance::start(busy).await.address;
    let dead = dead_address().await;
    for (addresses, is_undone) in [
        (vec![dead], true),
        (vec![old], true),
        (vec![put_off], true),
        (vec![dead, old, put_off], true),
        (vec![lost], false),
        // What stands in front of a service, and says nothing about it.
        (vec![busy], false),
        (vec![lost, dead], false),
        (vec![dead, lost, old], false),
    ] {
        let failure = client(1, &addresses).close(CLOSING).await.unwrap_err();
        let says_so = matches!(failure, ClosingFailure::NotDone(_));
        assert_eq!(says_so, is_undone, "{addresses:?}: {failure:?}");
    }
    let (silent, _silent) = start_silent().await;
    let good = Instance::start(router(&money(ClosingAnswer::Closed))).await.address;
    for addresses in [vec![silent, good], vec![dead, old, good], vec![lost, good]] {
        assert_eq!(client(1, &addresses).close(CLOSING).await.unwrap(), ClosingAnswer::Closed);
    }
}

#[tokio::test]
async fn what_is_no_answer_leaves_the_outcome_unknown() {
    for body in [
        "",
        "{}",
        r#"{"outcome":"later"}"#,
        r#"{"outcome":"refused"}"#,
        r#"{"outcome":"closed","holding":[]}"#,
        r#"{"outcome":"closed","crit":["until"],"until":1}"#,
        r#"{"outcome":"refused","holding":[{"walletId":"5"}]}"#,
    ] {
        let instance = Instance::start(Router::new().fallback(move || async move { body })).await;
        let failure = client(1, &[instance.address]).close(CLOSING).await.unwrap_err();
        assert!(matches!(failure, ClosingFailure::OutcomeUnknown(_)), "{body}: {failure:?}");
    }
}

/// Sends a request to the routes, signed by one party for another, and gives status and code.
async fn send(
    money: &Arc<Money>,
    secret: u8,
    (issuer, audience): (Party, Party),
    subject: Subject,
    body: &'static str,
) -> String {
    let (mut parts, ()) = axum::http::Request::post(CLOSINGS).body(()).unwrap().into_parts();
    parts.headers.insert("x-request-id", "test".parse().unwrap());
    let signer = Signer::new(keys(secret), issuer, Clock::system());
    let identity = signer.sign(subject, audience, &parts, body.as_bytes());
    parts.headers.insert(X_MY_PAY_IDENTITY, identity);
    answer(money, parts, body).await
}

async fn answer(
    money: &Arc<Money>,
    parts: axum::http::request::Parts,
    body: &'static str,
) -> String {
    let request = axum::http::Request::from_parts(parts, axum::body::Body::from(body));
    let (parts, body) = router(money).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let said = value.get("code").or(value.get("outcome")).unwrap().as_str().unwrap().to_owned();
    format!("{} {said}\n", parts.status.as_u16())
}

const BODY: &str =
    r#"{"accountId":10007,"attempt":3,"installation":"00000000000000000000000000000007"}"#;

/// A client that could close other people's wallets here could lock them out of their money.
#[tokio::test]
async fn only_the_account_service_is_answered() {
    let money = money(ClosingAnswer::Closed);
    let ours = (Party::Account, Party::Money);
    let known = Subject::Caller(Caller::Anonymous);
    let mut text = String::new();
    for (secret, parties, subject) in [
        (1, ours, Subject::Service),
        // A client's request, handed on by any service.
        (1, (Party::Gateway, Party::Money), known),
        (1, ours, known),
        // The gateway, for itself, and a money service.
        (1, (Party::Gateway, Party::Money), Subject::Service),
        (1, (Party::Money, Party::Money), Subject::Service),
        // What was meant for the account service.
        (1, (Party::Account, Party::Account), Subject::Service),
        // Another key.
        (2, ours, Subject::Service),
    ] {
        text += &send(&money, secret, parties, subject, BODY).await;
    }
    expect![[r#"
        200 closed
        401 untrusted_identity
        401 untrusted_identity
        401 untrusted_identity
        401 untrusted_identity
        401 untrusted_identity
        401 untrusted_identity
    "#]]
    .assert_eq(&text);
    assert_eq!(*money.asked.lock().unwrap(), [CLOSING], "nothing else got through");
}

/// An identity that was seen on its way is good for the same attempt only, of which the repetition
/// changes nothing, and not for another account.
#[tokio::test]
async fn a_replayed_identity_asks_nothing_new() {
    const OTHER: &str =
        r#"{"accountId":10008,"attempt":3,"installation":"00000000000000000000000000000007"}"#;
    let money = money(ClosingAnswer::Closed);
    let (mut parts, ()) = axum::http::Request::post(CLOSINGS).body(()).unwrap().into_parts();
    let start = crate::clock::Timestamp::from_micros(1_763_888_400_000_000);
    let clock = Clock::held(start);
    let signer = Signer::new(keys(1), Party::Account, clock.clone());
    let identity = signer.sign(Subject::Service, Party::Money, &parts, BODY.as_bytes());
    parts.headers.insert(X_MY_PAY_IDENTITY, identity);
    let replay = async |body: &'static str| {
        let request = axum::http::Request::from_parts(parts.clone(), axum::body::Body::from(body));
        let verifier = Verifier::new(keys(1), Party::Money, clock.clone());
        money_routes(money.clone(), verifier).oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(replay(OTHER).await, 401);
    assert_eq!((replay(BODY).await, replay(BODY).await), (200, 200));
    clock.advance(Duration::from_mins(1));
    assert_eq!(replay(BODY).await, 401, "an identity lasts for seconds");
    assert_eq!(*money.asked.lock().unwrap(), [CLOSING, CLOSING]);
}

#[tokio::test]
async fn questions_are_read_strictly() {
    let money = money(ClosingAnswer::Closed);
    let mut text = String::new();
    for body in [
        "",
        "{}",
        r#"{"accountId":10007,"attempt":3}"#,
        r#"{"accountId":10007,"attempt":3,"installation":"7"}"#,
        r#"{"accountId":"10007","attempt":3,"installation":"00000000000000000000000000000007"}"#,
        r#"{"accountId":0,"attempt":3,"installation":"00000000000000000000000000000007"}"#,
        r#"{"accountId":10007,"attempt":0,"installation":"00000000000000000000000000000007"}"#,
        r#"{"accountId":1,"attempt":1,"installation":"00000000000000000000000000000007",
            "crit":["force"],"force":true}"#,
    ] {
        let parties = (Party::Account, Party::Money);
        text += &send(&money, 1, parties, Subject::Service, body).await;
    }
    assert_eq!(text, "400 invalid_request\n".repeat(8));
    assert_eq!(*money.asked.lock().unwrap(), []);
}

/// Instances of several versions run side by side.
#[test]
fn what_later_versions_write_is_read() {
    for (extra, of_holding) in [("", ""), (r#","later":{"a":[1]}"#, r#","held":0"#)] {
        let text = format!(
            r#"{{"accountId":10007,"attempt":3,
                "installation":"00000000000000000000000000000007"{extra}}}"#
        );
        let question: Question<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(question.closing(), Some(CLOSING), "{text}");
        let text = format!(r#"{{"outcome":"closed"{extra}}}"#);
        let answer: Answer<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(answer.understood(), Some(ClosingAnswer::Closed), "{text}");
        let text = format!(
            r#"{{"outcome":"refused","holding":[{{"walletId":5,"currency":"KRW",
                "balance":9007199254740992{of_holding}}}]{extra}}}"#
        );
        let answer: Answer<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(answer.understood(), Some(refused()), "{text}");
    }
}

/// What later versions will read, to the letter.
#[test]
fn messages_are_written_as_they_always_were() {
    let question = serde_json::to_string(&Question::about(CLOSING)).unwrap();
    assert_eq!(question, BODY);
    let written = |answer| serde_json::to_string(&Answer::new(answer)).unwrap();
    assert_eq!(written(ClosingAnswer::Closed), r#"{"outcome":"closed"}"#);
    let holding = r#"{"walletId":5,"currency":"KRW","balance":9007199254740992}"#;
    let expected = format!(r#"{{"outcome":"refused","holding":[{holding}]}}"#);
    assert_eq!(written(refused()), expected);
    assert_eq!(UNAVAILABLE.code, "unavailable", "the client reads it");
}
