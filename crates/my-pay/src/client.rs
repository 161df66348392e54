//! A small HTTP client, for commands that call a running service.

use std::time::Duration;

use anyhow::Context;
use axum::http::{Method, Request, StatusCode, Uri, header::RETRY_AFTER, request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use service::waiting::waiting_for;
use tokio::time::timeout;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Idle connections that are kept for the next calls.
const IDLE_MAX: usize = 64;

/// What a service answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long the service asks to wait before the next try.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// Calls services; clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    inner: legacy::Client<HttpConnector, Full<Bytes>>,
    /// For a call as a whole.
    limit: Duration,
}

impl Client {
    pub(crate) fn new(limit: Duration) -> Self {
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .build_http();
        Self { inner, limit }
    }

    /// Asks for a document.
    pub(crate) async fn get(&self, url: &Uri) -> anyhow::Result<Answer> {
        self.send(Request::get(url.clone()), Bytes::new()).await
    }

    /// Sends a JSON document, with further headers that `head` has.
    pub(crate) async fn send(&self, head: request::Builder, body: Bytes) -> anyhow::Result<Answer> {
        let request = head.body(Full::new(body))?;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let _waiting = waiting_for(format!("an answer to {}", describe(&method, &uri)));
        timeout(self.limit, self.exchange(request))
            .await
            .with_context(|| format!("no answer after {:?}", self.limit))
            .flatten()
            .with_context(|| describe(&method, &uri))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let response = self.inner.request(request).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
        let retry_after = parts.headers.get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        Ok(Answer {
            status: parts.status,
            retry_after: retry_after.map(Duration::from_secs),
            body: body.to_bytes(),
        })
    }
}

fn describe(method: &Method, uri: &Uri) -> String {
    format!("{method} {uri}")
}
