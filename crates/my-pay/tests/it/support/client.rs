//! A client: pooled keep-alive connections, and requests that read well in tests.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request,
    header::{HeaderName, HeaderValue},
};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use super::specification::{self, Sent};

/// Without its first letter, which may be written large, and its end.
const DOMAIN: &str = "xample";

/// Sends requests to one address; clones share its connections.
#[derive(Clone)]
pub struct Client {
    http: Arc<legacy::Client<HttpConnector, Full<Bytes>>>,
    pub address: SocketAddr,
    /// What stands for `example.com` on the way, if something does.
    domain: Option<Arc<str>>,
}

/// A request under construction.
pub struct Call {
    client: Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body as JSON, or as a JSON string if it is not JSON, or null if it is empty.
    pub body: Value,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { http: Arc::new(http), address, domain: None }
    }

    /// The same client with a name space for emails: `example.com` in a body is another domain at
    /// the product, and `example.com` again in its answer.
    pub fn with_emails_below(mut self, number: u64) -> Self {
        self.domain = Some(format!("{DOMAIN}-{number}").into());
        self
    }

    pub fn call(&self, method: Method, path: &str) -> Call {
        Call {
            client: self.clone(),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }
}

impl Call {
    /// Adds a header; its value need not be ASCII.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Names the account that an API key acts for.
    pub fn on_behalf_of(self, account_id: i64) -> Self {
        self.header("my-pay-account", &account_id.to_string())
    }

    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it, and panics if there is no answer.
    pub async fn send(self) -> Response {
        self.try_send().await.expect("the product answers")
    }

    /// Sends it, and holds the answer against the specification. An error means that no answer
    /// came.
    pub async fn try_send(self) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        let response = self.exchange().await?;
        let sent = Sent { method: &self.method, path: &self.path, body: &self.body };
        specification::check(&sent, &response);
        Ok(response)
    }

    /// Sends it to whom the specification does not bind: a service behind the gateway.
    pub async fn exchange(&self) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        let uri = format!("http://{}{}", self.client.address, self.path);
        let domain = self.client.domain.as_deref();
        let sent = domain.map_or(self.body.clone(), |to| replace(&self.body, DOMAIN, to));
        let body = Full::new(sent);
        let mut request = Request::builder().method(self.method.clone()).uri(uri).body(body)?;
        request.headers_mut().clone_from(&self.headers);
        let response = self.client.http.request(request).await?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let bytes = domain.map_or(bytes.clone(), |from| replace(&bytes, from, DOMAIN));
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = match bytes.as_ref() {
            b"" => Value::Null,
            bytes => serde_json::from_slice(bytes).unwrap_or_else(|_| text()),
        };
        Ok(Response { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

/// Replaces in text; what is no text stays as it is.
fn replace(bytes: &Bytes, from: &str, to: &str) -> Bytes {
    match str::from_utf8(bytes) {
        Ok(text) if text.contains(from) => Bytes::from(text.replace(from, to)),
        _ => bytes.clone(),
    }
}

impl Response {
    /// Whether the body is a problem, by its type.
    pub fn is_problem(&self) -> bool {
        self.header("content-type") == "application/problem+json"
    }

    /// The `code` of a problem, or an empty string.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A header as text, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
