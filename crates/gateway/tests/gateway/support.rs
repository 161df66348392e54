//! A small service behind a gateway, an account service in miniature, and a way to send requests.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use expect_test::Expect;
use my_pay_gateway::{Config, Gateway, InProcess, RateLimits, Route, Upstream, UpstreamError};
use service::{
    BoxFuture,
    clock::Clock,
    contract::{
        identity::{Asker, Caller, Identity},
        introspection::{Introspection, IntrospectionUnavailable, TokenDigest},
        revocations::{Revocation, Revocations},
        scope::{Scope, Scopes},
    },
    http::{
        finish::finish,
        health::{Check, Readiness},
        request_id::RequestId,
        server::PeerAddress,
    },
};
use tokio::sync::{Semaphore, broadcast};
use tower::ServiceExt;

/// Everything that a test holds.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) clock: Clock,
    pub(crate) behind: Arc<Behind>,
}

/// What a test can say to, and learn from, the service behind the gateway.
pub(crate) struct Behind {
    /// `/things/gate` takes a permit before it answers.
    pub(crate) gate: Semaphore,
    pub(crate) is_ready: AtomicBool,
    pub(crate) checks: AtomicUsize,
}

impl World {
    /// A gateway whose settings are the defaults without rate limits, then changed.
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_with(Vec::new(), change)
    }

    /// The same, with further routes.
    pub(crate) fn start_with(mut further: Vec<Route>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { rate_limits: RateLimits::OFF, ..Config::default() };
        change(&mut config);
        let clock = Clock::held("2026-01-31T09:00:00Z".parse().unwrap());
        let tokens = Arc::new(Tokens {
            valid: Mutex::default(),
            asked: AtomicUsize::new(0),
            is_available: AtomicBool::new(true),
            revocations: broadcast::channel(16).0,
        });
        let behind = Arc::new(Behind {
            gate: Semaphore::new(0),
            is_ready: AtomicBool::new(true),
            checks: AtomicUsize::new(0),
        });
        let readiness = Arc::clone(&behind) as Arc<dyn Readiness>;
        let service = Arc::new(InProcess::new(things(Arc::clone(&behind)), readiness));
        let mut routes = vec![
            Route { prefix: "/things", upstream: service },
            Route { prefix: "/gone", upstream: Arc::new(Broken) },
        ];
        routes.append(&mut further);
        let introspection = Arc::clone(&tokens) as Arc<dyn Introspection>;
        let gateway = Gateway::start(config, routes, introspection, clock.clone()).unwrap();
        Self { gateway, tokens, clock, behind }
    }

    /// A valid token, for an hour.
    pub(crate) fn issue(&self, token: &str, account_id: i64) {
        let expires_at = self.clock.now().plus(Duration::from_hours(1));
        let identity = Identity::person(account_id, account_id * 10, expires_at);
        self.tokens.valid.lock().unwrap().insert(TokenDigest::of(token), identity);
    }

    /// A valid API key, for an hour.
    pub(crate) fn issue_key(&self, secret: &str, id: i64) {
        let expires_at = self.clock.now().plus(Duration::from_hours(1));
        let identity = Identity::api_key(id, Scopes::of(&[Scope::WalletsRead]), expires_at);
        self.tokens.valid.lock().unwrap().insert(TokenDigest::of(secret), identity);
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        let Ok(response) = self.gateway.clone().oneshot(request).await;
        Answer::read(response).await
    }

    /// Sends a request and compares the whole answer.
    pub(crate) async fn check(&self, request: Request, expected: &Expect) {
        expected.assert_eq(&self.send(request).await.to_string());
    }
}

/// A request in a few words: method, URI and headers, as `name: value`.
pub(crate) fn request(method: Method, uri: &str, headers: &[&str]) -> Request {
    let mut request = Request::builder().method(method).uri(uri);
    for line in headers {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(Body::empty()).unwrap()
}

pub(crate) fn get_request(uri: &str, headers: &[&str]) -> Request {
    request(Method::GET, uri, headers)
}

pub(crate) fn from_address(mut request: Request, address: &str) -> Request {
    request.extensions_mut().insert(PeerAddress(address.parse().unwrap()));
    request
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The `code` of a problem, or nothing.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Status, headers in order of their names, body; a request id that was made reads `MADE`.
impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = format!("{}\n", self.status);
        let headers: BTreeMap<_, _> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
        for (name, value) in headers {
            writeln!(text, "{name}: {}", value.to_str().unwrap())?;
        }
        writeln!(text, "\n{}", self.body.trim_end().replace(",\"", ",\n\""))?;
        let id = self.header("x-request-id").filter(|id| id.len() == 36);
        f.write_str(&id.map_or(text.clone(), |id| text.replace(id, "MADE")))
    }
}

/// The account service in miniature.
pub(crate) struct Tokens {
    valid: Mutex<HashMap<TokenDigest, Identity>>,
    asked: AtomicUsize,
    pub(crate) is_available: AtomicBool,
    revocations: broadcast::Sender<Revocation>,
}

impl Tokens {
    pub(crate) fn revoke(&self, token: &str) {
        let token = TokenDigest::of(token);
        self.valid.lock().unwrap().remove(&token);
        self.revocations.send(Revocation(token)).unwrap();
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Introspection for Tokens {
    fn introspect(
        &self,
        token: TokenDigest,
    ) -> BoxFuture<'_, Result<Option<Identity>, IntrospectionUnavailable>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.valid.lock().unwrap().get(&token).copied();
        let is_available = self.is_available.load(Ordering::SeqCst);
        Box::pin(async move {
            if is_available {
                Ok(found)
            } else {
                Err(IntrospectionUnavailable("on purpose".into()))
            }
        })
    }

    fn account_exists(
        &self,
        account_id: i64,
    ) -> BoxFuture<'_, Result<bool, IntrospectionUnavailable>> {
        Box::pin(async move { Ok(account_id < 10_000) })
    }

    fn revocations(&self) -> Revocations {
        Revocations::local(self.revocations.subscribe())
    }
}

impl Readiness for Behind {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        let ok = self.is_ready.load(Ordering::SeqCst);
        Box::pin(async move { vec![Check { name: "things", ok, detail: "as told".to_owned() }] })
    }
}

/// An upstream that is not there, and breaks off when it is asked to.
struct Broken;

impl Upstream for Broken {
    fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, UpstreamError>> {
        Box::pin(async move {
            Err(match request.uri().path() {
                "/gone/failed" => UpstreamError::Failed("reset".into()),
                _ => UpstreamError::Unreachable("refused".into()),
            })
        })
    }
}

impl Readiness for Broken {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

fn things(behind: Arc<Behind>) -> Router {
    let wait = move || async move {
        behind.gate.acquire().await.unwrap().forget();
        "passed\n"
    };
    Router::new()
        .route("/things/echo", any(echo))
        .route("/things/echo/{id}", any(echo))
        .route("/things/private", get(private))
        .route("/things/gate", any(wait))
        .route("/things/never", any(std::future::pending::<()>))
        .route("/things/panic", get(panics))
        .route("/things/connection", get(connection_headers))
        .layer(axum::middleware::from_fn(finish))
}

/// Says what arrived.
async fn echo(
    Extension(caller): Extension<Caller>,
    Extension(request_id): Extension<RequestId>,
    request: Request,
) -> String {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut text = format!("{} {}\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
    }
    writeln!(text, "{} bytes, {caller:?}, {}", body.len(), request_id.as_str()).unwrap();
    text
}

async fn private(identity: Identity) -> String {
    let account_id = identity.account_id.unwrap_or_default();
    match identity.asker {
        Asker::Person { session_id, .. } => format!("account {account_id}, session {session_id}\n"),
        Asker::ApiKey { id } => format!("account {account_id}, key {id}\n"),
    }
}

async fn panics() {
    panic!("on purpose");
}

async fn connection_headers() -> impl IntoResponse {
    let headers = [
        (header::CONNECTION, "x-private, keep-alive"),
        (header::HeaderName::from_static("keep-alive"), "timeout=5"),
        (header::HeaderName::from_static("x-private"), "1"),
        (header::HeaderName::from_static("x-public"), "1"),
        (header::HeaderName::from_static("x-request-id"), "another"),
        (header::CACHE_CONTROL, "max-age=60"),
    ];
    (headers, "")
}
