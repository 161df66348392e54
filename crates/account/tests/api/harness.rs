//! A service over a database of its own, and calls on it as the gateway would make them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body};
use expect_test::Expect;
use http::{HeaderMap, Method, Request, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;
use my_pay_account::{AccountService, Closings, Config, SqliteStore};
use serde_json::{Value, json};
use service::{
    BoxFuture,
    clock::{Clock, Timestamp},
    contract::{
        closing::{ClosesWallets, Closing, ClosingAnswer, ClosingFailure, Holding},
        identity::Caller,
        introspection::{Introspection as _, TokenDigest},
    },
    http::docs::Docs,
};
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) const PASSWORD: &str = "correct horse";

/// The service under test.
pub(crate) struct Harness {
    pub(crate) service: AccountService,
    pub(crate) clock: Clock,
    pub(crate) database: PathBuf,
    pub(crate) wallets: Arc<Wallets>,
    // Settles closings until it is dropped.
    _closings: Closings,
    router: Router,
    _folder: TempDir,
}

/// The money service in miniature, as far as closing goes.
#[derive(Default)]
pub(crate) struct Wallets {
    pub(crate) state: Mutex<WalletsState>,
}

/// What it does next, and what it was asked.
#[derive(Default)]
pub(crate) struct WalletsState {
    /// What all wallets hold, whosever.
    pub(crate) holding: Vec<Holding>,
    /// Whether it cannot be reached, or its answers are lost on the way.
    pub(crate) fault: Option<Fault>,
    pub(crate) asked: Vec<Closing>,
    closed: Vec<i64>,
    refused: i64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Unreachable,
    AnswerLost,
}

impl ClosesWallets for Wallets {
    fn close(&self, closing: Closing) -> BoxFuture<'_, Result<ClosingAnswer, ClosingFailure>> {
        let mut state = self.state.lock().expect("no test panics in here");
        state.asked.push(closing);
        if let Some(Fault::Unreachable) = state.fault {
            let failure = ClosingFailure::NotDone("no connection".into());
            return Box::pin(std::future::ready(Err(failure)));
        }
        let is_closed = state.closed.contains(&closing.account_id);
        let may_close = state.holding.is_empty() && closing.attempt > state.refused;
        let answer = if is_closed || may_close {
            state.closed.push(closing.account_id);
            ClosingAnswer::Closed
        } else {
            state.refused = state.refused.max(closing.attempt);
            ClosingAnswer::Refused { holding: state.holding.clone() }
        };
        let lost = || ClosingFailure::OutcomeUnknown("the connection broke".into());
        let answered = if state.fault.is_some() { Err(lost()) } else { Ok(answer) };
        Box::pin(std::future::ready(answered))
    }
}

/// A response, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// The tokens of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenPair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(|_config| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = folder.path().join("account.db");
        let store = SqliteStore::open(&database, &service::fatal::Reporter::default())
            .expect("a new database");
        let mut config = Config::default();
        // As cheap as Argon2id gets: these tests are about who may do what.
        config.password.memory_kib = 8;
        config.password.iterations = 1;
        change(&mut config);
        let clock = Clock::held(Timestamp::from_micros(1_763_888_400_000_000));
        let service = AccountService::new(Arc::new(store), config, clock.clone())
            .expect("a valid configuration");
        let wallets = Arc::<Wallets>::default();
        let closings = service.close_through(wallets.clone());
        let router = service.router(Docs::Served);
        Self { service, clock, database, wallets, _closings: closings, router, _folder: folder }
    }

    /// Calls as somebody with this token, or without one.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let caller = match token {
            None => Caller::Anonymous,
            Some(token) => {
                let found = self.service.introspect(TokenDigest::of(token)).await;
                found.expect("the database works").map_or(Caller::Refused, Caller::Known)
            }
        };
        self.call_as(caller, method, path, body).await
    }

    /// Calls as this caller, whom the gateway knows.
    pub(crate) async fn call_as(
        &self,
        caller: Caller,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).extension(caller);
        let body = match body {
            Some(json) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).expect("a valid request")).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("routers cannot fail");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, None, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.call(Method::PUT, path, token, Some(body)).await
    }

    /// Closes an account for its owner, who has this token.
    pub(crate) async fn close(&self, account_id: i64, token: &str) -> Answer {
        let path = format!("/accounts/v1/accounts/{account_id}/closure");
        let body = json!({ "currentPassword": PASSWORD });
        self.call(Method::POST, &path, Some(token), Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str, token: Option<&str>) -> Answer {
        self.call(Method::DELETE, path, token, None).await
    }

    /// Registers somebody; returns the id.
    pub(crate) async fn register(&self, name: &str) -> i64 {
        let body = json!({
            "name": name,
            "email": format!("{name}@example.com"),
            "password": PASSWORD,
        });
        let answer = self.post("/accounts/v1/accounts", body).await;
        answer.json()["id"].as_i64().expect("a registered account")
    }

    pub(crate) async fn try_log_in(&self, name: &str, password: &str) -> Answer {
        let body = json!({ "email": format!("{name}@example.com"), "password": password });
        self.post("/accounts/v1/auths", body).await
    }

    pub(crate) async fn log_in(&self, name: &str) -> TokenPair {
        self.try_log_in(name, PASSWORD).await.tokens()
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/accounts/v1/auths/refresh", json!({ "refreshToken": refresh_token })).await
    }

    /// Whether the gateway would let this access token through.
    pub(crate) async fn is_valid(&self, access_token: &str) -> bool {
        let found = self.service.introspect(TokenDigest::of(access_token)).await;
        found.expect("the database works").is_some()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("a JSON body")
    }

    pub(crate) fn tokens(&self) -> TokenPair {
        let json = self.json();
        let text = |name: &str| json[name].as_str().expect("a token").to_owned();
        TokenPair { access: text("accessToken"), refresh: text("refreshToken") }
    }

    /// The status, and the problem's code if it is one.
    pub(crate) fn code(&self) -> (u16, String) {
        let json = if self.text.is_empty() { Value::Null } else { self.json() };
        (self.status, json["code"].as_str().unwrap_or_default().to_owned())
    }

    /// Compares status and body with a snapshot, in which tokens are shortened to their prefix.
    pub(crate) fn check(&self, expected: &Expect) {
        let body = if self.text.is_empty() {
            String::new()
        } else {
            let mut json = self.json();
            for name in ["accessToken", "refreshToken"] {
                if let Some(Value::String(token)) = json.get_mut(name) {
                    assert_eq!(token.len(), 47);
                    token.truncate(4);
                }
            }
            serde_json::to_string_pretty(&json).expect("a JSON value")
        };
        expected.assert_eq(&format!("{}\n{body}\n", self.status));
    }

    /// The bad fields, one a line: name, code, message.
    pub(crate) fn check_errors(&self, expected: &Expect) {
        assert_eq!(self.code(), (400, "invalid_request".to_owned()));
        let json = self.json();
        let errors = json["errors"].as_array().expect("bad fields");
        let line = |error: &Value| {
            let text = |name: &str| error[name].as_str().expect("text").to_owned();
            format!("{} {}: {}\n", text("field"), text("code"), text("message"))
        };
        expected.assert_eq(&errors.iter().map(line).collect::<String>());
    }
}
