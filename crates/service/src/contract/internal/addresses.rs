//! Several addresses of one service. Where one does not answer soon, the next is asked beside it,
//! and the first answer counts: a slow one is better than none. The one that answered is asked
//! first next time.

use std::{
    borrow::Cow,
    error::Error,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
    http::uri::Authority,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::resolver::Resolver;
use crate::{
    clock::Clock,
    contract::identity::{Party, Signer, Subject, X_MY_PAY_IDENTITY},
    http::{
        problem::{UNAVAILABLE, chain},
        request_id::{RequestId, X_REQUEST_ID},
        route::known_method,
    },
    trace::Span,
};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long an idle connection is kept: for less than the server keeps it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections kept to one address.
const IDLE_MAX: usize = 32;
/// Questions at once that are asked beside another that has no answer yet. A slow service does not
/// get a multiple of the load for being slow.
const BESIDE_MAX: usize = 32;
/// How many times a question is asked at least, where there are fewer addresses: a name may stand
/// for several.
const TRIES_MIN: usize = 3;
/// Largest answer: a thousand changes have some 110,000 bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What went wrong, whatever it was: it is logged, and for people only.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// Why a question has no answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    cause: Cause,
    /// Whether it is certain that nothing was done, or will be: no address was reached, or each one
    /// said so.
    pub(super) is_undone: bool,
}

impl Unanswered {
    fn unknown(cause: impl Into<Cause>) -> Self {
        Self { cause: cause.into(), is_undone: false }
    }

    /// The same, where `before` came of the addresses that were asked before.
    fn after(self, before: &Self) -> Self {
        Self { is_undone: self.is_undone && before.is_undone, ..self }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Unanswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

/// What is read of a problem document.
#[derive(Deserialize)]
struct ProblemCode<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

/// An address is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// There is none.
    #[error("at least one address is needed")]
    None,
    /// It is not a host and a port.
    #[error("`{0}` is not an address such as `account:8081`")]
    Form(String),
}

/// The addresses, and how they are asked.
pub(super) struct Addresses {
    all: Vec<String>,
    /// The index of the one that answered last.
    good: AtomicUsize,
    client: Client<HttpConnector<Resolver>, Full<Bytes>>,
    beside: Semaphore,
    signer: Signer,
    audience: Party,
    clock: Clock,
}

/// One question, for whichever address.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) path_and_query: &'a str,
    /// JSON, or nothing.
    pub(super) body: Bytes,
    /// How long one address may take before the next is asked as well.
    pub(super) patience: Duration,
    /// How long all of it may take.
    pub(super) limit: Duration,
}

impl Addresses {
    pub(super) fn new(
        addresses: &[String],
        signer: Signer,
        audience: Party,
        clock: Clock,
    ) -> Result<Self, InvalidAddress> {
        if addresses.is_empty() {
            return Err(InvalidAddress::None);
        }
        for address in addresses {
            let authority: Option<Authority> = address.parse().ok();
            let is_host_and_port = authority.is_some_and(|authority| {
                !authority.host().is_empty()
                    && authority.port_u16().is_some()
                    && !address.contains('@')
            });
            if !is_host_and_port {
                return Err(InvalidAddress::Form(address.clone()));
            }
        }
        let mut connector = HttpConnector::new_with_resolver(Resolver::default());
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        let good = AtomicUsize::new(0);
        let beside = Semaphore::new(BESIDE_MAX);
        Ok(Self { all: addresses.to_vec(), good, client, beside, signer, audience, clock })
    }

    /// The first answer with status 200. Asking twice must not matter.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Response<Bytes>, Unanswered> {
        let limit = question.limit;
        let asked = tokio::time::timeout(limit, self.ask_all(question)).await;
        let late = |_| Err(Unanswered::unknown(format!("there was no answer in {limit:?}")));
        asked.unwrap_or_else(late)
    }

    async fn ask_all(&self, question: &Question<'_>) -> Result<Response<Bytes>, Unanswered> {
        let first = self.good.load(Ordering::Relaxed);
        let places = (first..first + self.all.len().max(TRIES_MIN)).map(|n| n % self.all.len());
        let mut asking = FuturesUnordered::new();
        let mut last = Unanswered { cause: "no address was asked".into(), is_undone: true };
        let mut besides = Vec::new();
        for index in places {
            if !asking.is_empty() {
                let Ok(beside) = self.beside.try_acquire() else { break };
                besides.push(beside);
            }
            asking.push(async move { (index, self.ask_one(&self.all[index], question).await) });
            match tokio::time::timeout(question.patience, asking.next()).await {
                Ok(Some((index, Ok(answer)))) => return Ok(self.answered(index, answer)),
                Ok(Some((index, Err(error)))) => last = self.failed(index, error).after(&last),
                // The next is asked beside those that were asked before: they may still answer.
                Ok(None) | Err(_) => {}
            }
            // Whoever comes next need not try this one first.
            let next = (index + 1) % self.all.len();
            let _moved_already =
                self.good.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        while let Some((index, answer)) = asking.next().await {
            match answer {
                Ok(answer) => return Ok(self.answered(index, answer)),
                Err(error) => last = self.failed(index, error).after(&last),
            }
        }
        Err(last)
    }

    fn answered(&self, index: usize, answer: Response<Bytes>) -> Response<Bytes> {
        if self.good.load(Ordering::Relaxed) != index {
            self.good.store(index, Ordering::Relaxed);
        }
        answer
    }

    fn failed(&self, index: usize, error: Unanswered) -> Unanswered {
        let address = &self.all[index];
        tracing::debug!(address, error = %chain(&error), "an address has no answer");
        error
    }

    async fn ask_one(
        &self,
        address: &str,
        question: &Question<'_>,
    ) -> Result<Response<Bytes>, Unanswered> {
        let uri = format!("http://{address}{}", question.path_and_query);
        let request_id = RequestId::accept_or_make(&HeaderMap::new(), self.clock.now());
        let mut request = Request::builder().method(question.method.clone()).uri(uri);
        request = request.header(X_REQUEST_ID, request_id.header());
        if !question.body.is_empty() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = request
            .body(())
            .map_err(|error| Unanswered { cause: error.into(), is_undone: true })?;
        let (mut parts, ()) = request.into_parts();
        // Signed for each attempt: an identity lasts for seconds only.
        let identity = self.signer.sign(Subject::Service, self.audience, &parts, &question.body);
        parts.headers.insert(X_MY_PAY_IDENTITY, identity);
        let span = Span::call(known_method(&question.method));
        if span.is_recorded() {
            span.set("server.address", address.to_owned());
        }
        span.inject(&mut parts.headers);
        let request = Request::from_parts(parts, Full::new(question.body.clone()));
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| {
                // Nothing was sent without a connection.
                let is_undone = error.is_connect();
                Unanswered { cause: error.into(), is_undone }
            })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(Unanswered::unknown)?.to_bytes();
            if head.status == StatusCode::OK {
                return Ok(Response::from_parts(head, body));
            }
            let cause = format!("{address} answered {}", head.status).into();
            Err(Unanswered { cause, is_undone: is_undone(head.status, &body) })
        };
        let answer = answer.await;
        if answer.is_err() {
            span.fail("no_answer");
        }
        answer
    }
}

/// Whether an answer says that nothing was done: the request was not accepted, or put off.
fn is_undone(status: StatusCode, body: &[u8]) -> bool {
    let is_put_off = || {
        let problem: Result<ProblemCode<'_>, _> = serde_json::from_slice(body);
        problem.is_ok_and(|problem| problem.code == UNAVAILABLE.code)
    };
    status.is_client_error() || (status == StatusCode::SERVICE_UNAVAILABLE && is_put_off())
}
