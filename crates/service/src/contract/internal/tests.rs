//! Both ends, over TCP, with an account service in miniature between them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::Router;
use expect_test::expect;
use http_body_util::BodyExt as _;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, broadcast, watch},
    task::JoinHandle,
};
use tower::ServiceExt as _;

use super::*;
use crate::{
    BoxFuture,
    clock::{Clock, Timestamp},
    contract::{
        account_feed::{AccountChange, AccountFeed, FeedAnswer, FeedUnavailable, Standing},
        identity::{Identity, Keys, Party, Signer, Subject, Verifier, X_MY_PAY_IDENTITY},
        introspection::{Introspection, IntrospectionUnavailable, TokenDigest},
        revocations::Revocations,
        scope::Scopes,
    },
    installation::Installation,
};

/// Tokens and changes, which a test may set.
struct Accounts {
    valid: Mutex<HashMap<TokenDigest, Identity>>,
    changes: watch::Sender<Vec<AccountChange>>,
    asked: AtomicUsize,
    /// What its feed tells besides.
    installation: Option<Installation>,
    /// Each answer about a token takes one.
    permits: Semaphore,
}

impl Introspection for Accounts {
    fn introspect(
        &self,
        token: TokenDigest,
    ) -> BoxFuture<'_, Result<Option<Identity>, IntrospectionUnavailable>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.valid.lock().unwrap().get(&token).copied();
        Box::pin(async move {
            self.permits.acquire().await.unwrap().forget();
            Ok(found)
        })
    }

    fn account_exists(
        &self,
        account_id: i64,
    ) -> BoxFuture<'_, Result<bool, IntrospectionUnavailable>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Ok(account_id == 10_007) })
    }

    fn revocations(&self) -> Revocations {
        Revocations::local(broadcast::channel(1).1)
    }
}

impl AccountFeed for Accounts {
    fn changes_after(
        &self,
        sequence: i64,
        limit: u32,
        wait: Duration,
    ) -> BoxFuture<'_, Result<FeedAnswer, FeedUnavailable>> {
        Box::pin(async move {
            let installation = self.installation;
            let mut changes = self.changes.subscribe();
            let some = changes.wait_for(|all| all.iter().any(|change| change.sequence > sequence));
            let Ok(Ok(all)) = tokio::time::timeout(wait, some).await else {
                return Ok(FeedAnswer { installation, changes: Vec::new() });
            };
            let new = all.iter().filter(|change| change.sequence > sequence);
            let changes = new.copied().take(limit as usize).collect();
            Ok(FeedAnswer { installation, changes })
        })
    }
}

/// One instance of the account service.
pub(super) struct Instance {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Instance {
    pub(super) async fn start(router: Router) -> Self {
        Self::start_at(router, "127.0.0.1:0".parse().unwrap()).await
    }

    async fn start_at(router: Router, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = crate::http::server::Limits {
            connections_max: 100,
            head_timeout: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(1),
            ..crate::http::server::Limits::default()
        };
        let task = tokio::spawn(async move {
            let (_stop, signal) = crate::shutdown::channel();
            crate::http::server::serve(
                listener,
                router,
                limits,
                crate::http::server::ListenerMetrics::default(),
                signal,
            )
            .await;
        });
        Self { address, task }
    }

    /// Ends it at once, as a crash does: nothing is accepted any more.
    async fn end(self) -> SocketAddr {
        self.task.abort();
        let _cancelled = self.task.await;
        self.address
    }
}

/// Accepts connections, and says nothing.
pub(super) async fn start_silent() -> (SocketAddr, JoinHandle<Vec<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
        held
    });
    (address, task)
}

/// A port that nothing listens on.
pub(super) async fn dead_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub(super) fn keys(secret: u8) -> Keys {
    let secret = <base64ct::Base64 as base64ct::Encoding>::encode_string(&[secret; 32]);
    format!("a:{secret}").parse().unwrap()
}

/// How long a call may take that waits for one silent address, with a busy machine's share.
const BUSY: Duration = Duration::from_secs(5);

const INSTALLATION: Installation = Installation::from_u128(7);

fn accounts() -> Arc<Accounts> {
    Arc::new(Accounts {
        valid: Mutex::default(),
        changes: watch::channel(Vec::new()).0,
        asked: AtomicUsize::new(0),
        installation: Some(INSTALLATION),
        permits: Semaphore::new(1_000),
    })
}

fn router(accounts: &Arc<Accounts>) -> Router {
    let verifier = Verifier::new(keys(1), Party::Account, Clock::system());
    routes(accounts.clone(), accounts.clone(), verifier)
}

fn client_with(keys: Keys, addresses: &[SocketAddr]) -> AccountClient {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let signer = Signer::new(keys, Party::Gateway, Clock::system());
    AccountClient::new(&addresses, signer, None, Clock::system()).unwrap()
}

fn client(addresses: &[SocketAddr]) -> AccountClient {
    client_with(keys(1), addresses)
}

fn change(sequence: i64) -> AccountChange {
    let created_at = Timestamp::from_micros(1_763_888_400_000_001 + sequence);
    AccountChange { sequence, account_id: 7, standing: Standing::Suspended, created_at }
}

const IDENTITY: Identity =
    Identity::person(10_007, 8, Timestamp::from_micros(1_763_888_400_000_001));

#[tokio::test]
async fn introspection_arrives_as_it_was_answered() {
    let accounts = accounts();
    let instance = Instance::start(router(&accounts)).await;
    let client = client(&[instance.address]);
    let token = TokenDigest::of("a");
    assert_eq!(client.introspect(token).await.unwrap(), None);
    accounts.valid.lock().unwrap().insert(token, IDENTITY);
    assert_eq!(client.introspect(token).await.unwrap(), Some(IDENTITY));
    assert!(!client.revocations().is_listening(), "nobody tells it");
    let key = Identity::api_key(3, Scopes::ALL, Identity::NEVER);
    accounts.valid.lock().unwrap().insert(token, key);
    assert_eq!(client.introspect(token).await.unwrap(), Some(key));
}

#[tokio::test]
async fn it_is_told_whether_an_account_exists() {
    let instance = Instance::start(router(&accounts())).await;
    let client = client(&[instance.address]);
    assert!(client.account_exists(10_007).await.unwrap());
    assert!(!client.account_exists(10_008).await.unwrap());
}

#[tokio::test]
async fn the_feed_arrives_as_it_was_answered() {
    let accounts = accounts();
    let instance = Instance::start(router(&accounts)).await;
    let client = client(&[instance.address]);
    let all: Vec<_> = [Standing::Suspended, Standing::Active, Standing::Closed]
        .into_iter()
        .zip(1..)
        .map(|(standing, sequence)| AccountChange { standing, ..change(sequence) })
        .collect();
    accounts.changes.send_replace(all.clone());
    let wait = Duration::from_secs(20);
    assert_eq!(client.changes_after(0, 10, wait).await.unwrap().changes, all);
    assert_eq!(client.changes_after(0, 2, wait).await.unwrap().changes, all[..2]);
    assert_eq!(client.changes_after(2, u32::MAX, wait).await.unwrap().changes, all[2..]);
    assert_eq!(client.changes_after(3, 10, Duration::ZERO).await.unwrap().changes, []);
}

/// Versions are mixed while services are restarted one after the other.
#[tokio::test]
async fn the_installation_is_told_beside_an_answer_that_earlier_readers_accept() {
    let accounts = accounts();
    let instance = Instance::start(router(&accounts)).await;
    let answer = client(&[instance.address]).changes_after(0, 10, Duration::ZERO).await.unwrap();
    assert_eq!(answer, FeedAnswer { installation: Some(INSTALLATION), changes: Vec::new() });

    // What an earlier account service answers.
    let earlier = Router::new().fallback(|| async { r#"{"changes":[]}"# });
    let earlier = Instance::start(earlier).await;
    let answer = client(&[earlier.address]).changes_after(0, 10, Duration::ZERO).await.unwrap();
    assert_eq!(answer, FeedAnswer::default());

    let damaged = Router::new()
        .fallback(|| async { ([("x-my-pay-installation", "7")], r#"{"changes":[]}"#) });
    let damaged = Instance::start(damaged).await;
    assert!(client(&[damaged.address]).changes_after(0, 10, Duration::ZERO).await.is_err());
}

#[tokio::test]
async fn a_reader_of_the_feed_hears_of_a_change_at_once() {
    let accounts = accounts();
    let instance = Instance::start(router(&accounts)).await;
    let client = client(&[instance.address]);
    let reading = client.changes_after(0, 10, Duration::from_secs(20));
    let changing = async {
        // The server waits already.
        while accounts.changes.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        accounts.changes.send_replace(vec![change(1)]);
    };
    let (read, ()) = tokio::join!(reading, changing);
    assert_eq!(read.unwrap().changes, [change(1)]);
}

/// However long a reader is willing to wait: one address must not keep it from asking another.
#[tokio::test]
async fn a_long_poll_over_http_is_not_long() {
    let instance = Instance::start(router(&accounts())).await;
    let client = client(&[instance.address]);
    let began = Instant::now();
    let read = client.changes_after(0, 10, Duration::from_mins(1)).await.unwrap().changes;
    assert_eq!(read, []);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_dead_address_costs_one_attempt_and_is_remembered() {
    let accounts = accounts();
    let instance = Instance::start(router(&accounts)).await;
    let (silent, _silent) = start_silent().await;
    let client = client(&[dead_address().await, silent, instance.address]);
    let token = TokenDigest::of("a");
    accounts.valid.lock().unwrap().insert(token, IDENTITY);
    let began = Instant::now();
    assert_eq!(client.introspect(token).await.unwrap(), Some(IDENTITY));
    assert!(began.elapsed() >= Duration::from_millis(700), "the silent one had its time");
    assert!(began.elapsed() < BUSY, "it had no time for a second try: {:?}", began.elapsed());
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(client.introspect(token).await.unwrap(), Some(IDENTITY));
    }
    // Ten times the silent one's time would be seven seconds.
    assert!(began.elapsed() < BUSY, "the others are not tried again");
}

/// The account service falls silent in the middle of a long poll, a suspension is committed through
/// another instance, and must take effect within two seconds.
#[tokio::test]
async fn a_late_answer_counts_although_others_were_asked_meanwhile() {
    let accounts = accounts();
    let slow = Instance::start(router(&accounts)).await;
    let (silent, _silent) = start_silent().await;
    let client = client(&[slow.address, silent]);
    let token = TokenDigest::of("a");
    accounts.valid.lock().unwrap().insert(token, IDENTITY);
    accounts.permits.forget_permits(1_000);
    let began = Instant::now();
    let asking = tokio::spawn(async move { client.introspect(token).await });
    // Once more: the silent one has been asked in between.
    while accounts.asked.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    assert!(began.elapsed() >= Duration::from_millis(1400), "each had its time");
    // For the first, which has waited the longest.
    accounts.permits.add_permits(1);
    assert_eq!(asking.await.unwrap().unwrap(), Some(IDENTITY));
}

#[tokio::test]
async fn a_suspension_arrives_in_time_although_an_instance_falls_silent() {
    let accounts = accounts();
    let other = Instance::start(router(&accounts)).await;
    let (silent, _silent) = start_silent().await;
    let client = client(&[silent, other.address]);
    let began = Instant::now();
    let reading = client.changes_after(0, 10, Duration::from_secs(20));
    accounts.changes.send_replace(vec![change(1)]);
    assert_eq!(reading.await.unwrap().changes, [change(1)]);
    assert!(began.elapsed() < BUSY, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_restart_of_the_account_service_is_survived() {
    let accounts = accounts();
    let mut instance = Instance::start(router(&accounts)).await;
    let client = client(&[instance.address]);
    for sequence in 1..=5 {
        let address = instance.end().await;
        assert!(client.changes_after(sequence - 1, 10, Duration::ZERO).await.is_err());
        assert!(client.introspect(TokenDigest::of("a")).await.is_err());
        accounts.changes.send_modify(|changes| changes.push(change(sequence)));
        instance = Instance::start_at(router(&accounts), address).await;
        let read = client.changes_after(sequence - 1, 10, Duration::ZERO).await.unwrap().changes;
        assert_eq!(read, [change(sequence)]);
    }
}

/// What is not an answer is an error, and never "not valid" or "nothing changed".
#[tokio::test]
async fn nonsense_is_an_error() {
    for body in [
        "",
        "[]",
        "{}",
        r#"{"active":true}"#,
        r#"{"active":false,"sub":"7"}"#,
        r#"{"active":true,"sub":"x","sid":"8","exp_us":1}"#,
        r#"{"active":true,"sub":"7","sid":"8","exp_us":1,"crit":["scope"],"scope":"all"}"#,
        r#"{"changes":[{"sequence":0,"accountId":7,"standing":"active","createdAtUs":1}]}"#,
        r#"{"changes":[{"sequence":1,"accountId":7,"standing":"banned","createdAtUs":1}]}"#,
        r#"{"changes":[{"sequence":1,"accountId":7,"standing":"active"}]}"#,
    ] {
        let instance = Instance::start(Router::new().fallback(move || async move { body })).await;
        let client = client(&[instance.address]);
        assert!(client.introspect(TokenDigest::of("a")).await.is_err(), "{body}");
        assert!(client.changes_after(0, 10, Duration::ZERO).await.is_err(), "{body}");
    }
    let endless = Instance::start(Router::new().fallback(|| async { " ".repeat(300_000) })).await;
    assert!(client(&[endless.address]).introspect(TokenDigest::of("a")).await.is_err());
}

#[tokio::test]
async fn only_a_service_with_a_key_is_answered() {
    let accounts = accounts();
    let instance = Instance::start(router(&accounts)).await;
    let stranger = client_with(keys(2), &[instance.address]);
    assert!(stranger.introspect(TokenDigest::of("a")).await.is_err());
    assert!(stranger.changes_after(0, 10, Duration::ZERO).await.is_err());
    assert_eq!(accounts.asked.load(Ordering::SeqCst), 0);
}

/// Sends a request to the routes, signed for what it is, and gives status and body.
async fn send(subject: Option<Subject>, method: &str, path: &str, body: &'static str) -> String {
    let request = axum::http::Request::builder().method(method).uri(path);
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    if let Some(subject) = subject {
        let signer = Signer::new(keys(1), Party::Gateway, Clock::system());
        let identity = signer.sign(subject, Party::Account, &parts, body.as_bytes());
        parts.headers.insert(X_MY_PAY_IDENTITY, identity);
    }
    parts.headers.insert("x-request-id", "test".parse().unwrap());
    let request = axum::http::Request::from_parts(parts, axum::body::Body::from(body));
    let (parts, body) = router(&accounts()).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shown = value.get("code").map_or(text.clone(), |code| code.as_str().unwrap().to_owned());
    format!("{} {shown}\n", parts.status.as_u16())
}

#[tokio::test]
async fn requests_are_read_strictly() {
    let service = Some(Subject::Service);
    let digest = r#"{"tokenSha256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let mut text = send(service, "POST", INTROSPECT, digest).await;
    for body in [
        "",
        "{}",
        r#"{"token":"mpa_secret"}"#,
        r#"{"tokenSha256":"AAAA"}"#,
        r#"{"tokenSha256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","more":1}"#,
    ] {
        text += &send(service, "POST", INTROSPECT, body).await;
    }
    for query in [
        "?after=0&limit=1&waitMs=0",
        "?after=-1&limit=1&waitMs=0",
        "?after=0&limit=0&waitMs=0",
        "?after=0&limit=1001&waitMs=0",
        "?after=0&limit=1&waitMs=20001",
        "?after=0&limit=1&waitMs=0&more=1",
        "?after=0&limit=1",
        "",
    ] {
        text += &send(service, "GET", &format!("{ACCOUNT_CHANGES}{query}"), "").await;
    }
    // Only for services, and nothing else is here.
    let caller = Subject::Caller(crate::contract::identity::Caller::Known(IDENTITY));
    text += &send(Some(caller), "POST", INTROSPECT, digest).await;
    text += &send(None, "POST", INTROSPECT, digest).await;
    text += &send(None, "GET", "/internal/v1/other", "").await;
    text += &send(service, "GET", "/internal/v1/other", "").await;
    expect![[r#"
        200 {"active":false}
        400 invalid_request
        400 invalid_request
        400 invalid_request
        400 invalid_request
        200 {"active":false}
        200 {"changes":[]}
        400 invalid_request
        400 invalid_request
        400 invalid_request
        400 invalid_request
        200 {"changes":[]}
        400 invalid_request
        400 invalid_request
        401 untrusted_identity
        401 untrusted_identity
        401 untrusted_identity
        404 not_found
    "#]]
    .assert_eq(&text);
}

#[test]
fn addresses_are_checked() {
    let check = |addresses: &[&str]| {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let signer = Signer::new(keys(1), Party::Money, Clock::system());
        AccountClient::new(&addresses, signer, None, Clock::system()).map(drop)
    };
    assert_eq!(check(&["account:8081", "10.0.0.1:80", "[::1]:8081"]), Ok(()));
    assert_eq!(check(&[]), Err(InvalidAddress::None));
    for bad in ["", "account", "http://account:8081", "account:8081/", "a b:80", "u:p@account:80"] {
        let expected = InvalidAddress::Form(bad.to_owned());
        assert_eq!(check(&["account:8081", bad]), Err(expected));
    }
}
