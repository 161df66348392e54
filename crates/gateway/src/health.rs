//! `/livez` and `/readyz` of the gateway itself. Clients are told whether it is ready and nothing
//! else; what is wrong is told on the operations port. They are answered before any rate limit, so
//! that an orchestrator is never turned away; instead, readiness is looked into at most once a
//! second.

use std::time::Duration;

use axum::{
    http::{
        Method, Uri,
        header::{ALLOW, HeaderValue},
    },
    response::{IntoResponse, Response},
};
use service::{
    clock::Clock,
    http::{
        finish::write_problem,
        health::{Check, READYZ, draining_check, verdict},
        problem::{METHOD_NOT_ALLOWED, Problem},
        request_id::RequestId,
    },
};
use tokio::sync::Mutex;

use crate::routes::Routes;

/// How long an answer is given again without looking.
const REPORT_LIFE: Duration = Duration::from_secs(1);

/// How long an upstream may take to say whether it is ready.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// The last look into readiness, by the monotonic clock. The lock is held while looking: whoever
/// else asks meanwhile waits for the same answer.
#[derive(Default)]
pub(crate) struct Health(Mutex<Option<(Duration, Vec<Check>)>>);

impl Health {
    /// The answer at a path of health. A gateway that drains is not ready.
    pub(crate) async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        is_draining: bool,
        request_id: &RequestId,
        routes: &Routes,
        clock: &Clock,
    ) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = Problem::new(&METHOD_NOT_ALLOWED).into_response();
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
            return write_problem(response, uri, Some(request_id));
        }
        match (uri.path() == READYZ, is_draining) {
            (false, _) => "ok\n".into_response(),
            (true, true) => verdict(&[draining_check()]),
            (true, false) => verdict(&self.checks(routes, clock).await),
        }
    }

    /// The checks of every upstream, at most so old.
    pub(crate) async fn checks(&self, routes: &Routes, clock: &Clock) -> Vec<Check> {
        let mut last = self.0.lock().await;
        match &*last {
            Some((at, checks)) if clock.monotonic() < *at + REPORT_LIFE => checks.clone(),
            _ => {
                let checks = check_all(routes).await;
                *last = Some((clock.monotonic(), checks.clone()));
                checks
            }
        }
    }
}

async fn check_all(routes: &Routes) -> Vec<Check> {
    let mut checks = Vec::new();
    for upstream in routes.upstreams() {
        match tokio::time::timeout(CHECK_TIMEOUT, upstream.check()).await {
            Ok(found) => checks.extend(found),
            Err(_) => checks.push(Check {
                name: "upstream",
                ok: false,
                detail: format!("did not answer within {} seconds", CHECK_TIMEOUT.as_secs()),
            }),
        }
    }
    checks
}
