//! Health as orchestrators and people ask for it: `/livez`, `/readyz`, and a ping.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;

use super::server;
use crate::BoxFuture;

/// Where orchestrators ask, every few seconds, whether a process is alive.
pub const LIVEZ: &str = "/livez";
/// Where they ask whether it is ready for requests.
pub const READYZ: &str = "/readyz";

/// The route of a path that is one of these.
pub fn route_of(path: &str) -> Option<&'static str> {
    [LIVEZ, READYZ].into_iter().find(|route| *route == path)
}

/// One thing that a service needs in order to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is, e.g. `database`.
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// In a few words, without secrets.
    pub detail: String,
}

/// Whoever can say whether a service is ready.
pub trait Readiness: Send + Sync {
    /// Tries each thing the service needs, in bounded time.
    fn check(&self) -> BoxFuture<'_, Vec<Check>>;
}

#[derive(Serialize)]
struct Report<'a> {
    status: &'a str,
    checks: &'a [Check],
}

#[derive(Serialize)]
struct Verdict<'a> {
    status: &'a str,
}

/// `/livez`: the process answers. `/readyz`: it can do its work, 503 otherwise.
pub fn routes<S: Clone + Send + Sync + 'static>(readiness: Arc<dyn Readiness>) -> Router<S> {
    Router::new()
        .route(LIVEZ, get(|| async { "ok\n" }))
        .route(READYZ, get(move |draining| ready(readiness, draining)))
}

async fn ready(
    readiness: Arc<dyn Readiness>,
    draining: Option<Extension<server::Draining>>,
) -> Response {
    if draining.is_some() {
        return report(&[draining_check()]);
    }
    report(&readiness.check().await)
}

/// What a server that is about to stop says in place of its checks.
pub fn draining_check() -> Check {
    Check { name: "server", ok: false, detail: "is about to stop".to_owned() }
}

/// The answer of `/readyz`: 200 if every check passes, 503 otherwise, and the checks either way.
pub fn report(checks: &[Check]) -> Response {
    let (status, text) = outcome(checks);
    json(status, &Report { status: text, checks })
}

/// The same without the checks, for clients, who are told nothing of what is inside.
pub fn verdict(checks: &[Check]) -> Response {
    let (status, text) = outcome(checks);
    json(status, &Verdict { status: text })
}

fn outcome(checks: &[Check]) -> (StatusCode, &'static str) {
    if checks.iter().all(|check| check.ok) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    }
}

/// A JSON response.
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let body = serde_json::to_vec(body).expect("responses are plain structs, which serialise");
    let content_type = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [content_type], Body::from(body)).into_response()
}

/// The text of a ping. It says nothing of versions, processes or load, as anybody may ask.
pub const PONG: &str = "ok\n";
