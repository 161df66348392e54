//! Errors as clients see them: RFC 9457 problem details with a stable `code`. A handler returns a
//! [`Problem`]; [`super::finish`] writes the document, because only it knows the path and request
//! id.

use std::{borrow::Cow, time::Duration};

use axum::response::{IntoResponse, Response};
use hyper::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::contract::scope::Scope;

/// One kind of problem: what a client can rely on. Each service lists its own in one catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// HTTP status.
    pub status: u16,
    /// Stable, machine-readable name, `snake_case`.
    pub code: &'static str,
    /// The same for every occurrence.
    pub title: &'static str,
}

/// Declares a [`Kind`].
pub const fn kind(status: u16, code: &'static str, title: &'static str) -> Kind {
    Kind { status, code, title }
}

/// The head of the request is not that of an HTTP/1.1 request.
pub const MALFORMED_REQUEST: Kind =
    kind(400, "malformed_request", "The request is not valid HTTP/1.1");
/// The body is not JSON at all.
pub const MALFORMED_JSON: Kind = kind(400, "malformed_json", "The body is not valid JSON");
/// The body is JSON, but an array, a string, a number, a boolean or null.
pub const NOT_AN_OBJECT: Kind = kind(400, "not_an_object", "The body is not a JSON object");
/// The body broke off, or its chunks are malformed.
pub const INCOMPLETE_BODY: Kind = kind(400, "incomplete_body", "The body did not arrive whole");
/// The body or query has bad fields; all of them are listed in `errors`.
pub const INVALID_REQUEST: Kind = kind(400, "invalid_request", "The request has invalid fields");
/// An API key acts for no account on a call that needs one.
pub const ACCOUNT_REQUIRED: Kind =
    kind(400, "account_required", "The API key does not name the account that it acts for");
/// No access token where one is needed.
pub const MISSING_TOKEN: Kind =
    kind(401, "missing_token", "An access token or an API key is required");
/// The access token or API key is malformed, unknown, expired or revoked.
pub const INVALID_TOKEN: Kind =
    kind(401, "invalid_token", "The access token or API key is not valid");
/// The access token or API key may not be used for this; `scope` names what is missing.
pub const INSUFFICIENT_SCOPE: Kind =
    kind(403, "insufficient_scope", "The access token or API key lacks the scope of this call");
/// A person names another account than the own one.
pub const ACCOUNT_FORBIDDEN: Kind =
    kind(403, "account_forbidden", "A person acts for the own account only");
/// There is no such account, or it is not the caller's.
pub const ACCOUNT_NOT_FOUND: Kind =
    kind(404, "account_not_found", "The account is not yours or does not exist");
/// A service was reached without the gateway's signature. Clients of the gateway never see it.
pub const UNTRUSTED_IDENTITY: Kind =
    kind(401, "untrusted_identity", "The request does not come from the gateway");
/// No such path.
pub const NOT_FOUND: Kind = kind(404, "not_found", "There is nothing at this path");
/// The path exists, with other methods: see the `Allow` header.
pub const METHOD_NOT_ALLOWED: Kind =
    kind(405, "method_not_allowed", "The method is not allowed at this path");
/// The request took too long to arrive.
pub const REQUEST_TIMEOUT: Kind = kind(408, "request_timeout", "The request arrived too slowly");
/// The body is larger than the limit.
pub const CONTENT_TOO_LARGE: Kind = kind(413, "content_too_large", "The body is too large");
/// The path and query are longer than the limit.
pub const URI_TOO_LONG: Kind = kind(414, "uri_too_long", "The path and query are too long");
/// The body is not declared as `application/json`.
pub const UNSUPPORTED_MEDIA_TYPE: Kind =
    kind(415, "unsupported_media_type", "The body must be application/json");
/// The body is compressed or otherwise encoded.
pub const UNSUPPORTED_CONTENT_ENCODING: Kind =
    kind(415, "unsupported_content_encoding", "The body must not be compressed");
/// Too many requests from this address or with this token; nothing was done. `Retry-After` says
/// when to try again.
pub const RATE_LIMITED: Kind = kind(429, "rate_limited", "Too many requests");
/// The head of the request is larger than the limit.
pub const HEADERS_TOO_LARGE: Kind = kind(431, "headers_too_large", "The headers are too large");
/// A defect on our side. The cause is in the log, under the request id.
pub const INTERNAL_ERROR: Kind = kind(500, "internal_error", "Something went wrong on our side");
/// A service broke off after it was given the request: the outcome is unknown.
pub const UPSTREAM_FAILED: Kind =
    kind(502, "upstream_failed", "A service behind the gateway failed");
/// Too busy or not ready; nothing was done. `Retry-After` says when to try again.
pub const UNAVAILABLE: Kind = kind(503, "unavailable", "The service cannot answer now");

/// A service did not answer in time: the outcome is unknown.
pub const UPSTREAM_TIMEOUT: Kind =
    kind(504, "upstream_timeout", "A service behind the gateway did not answer in time");

/// What any call may answer, of itself or by the gateway in front of it. Each refuses parameters
/// that it does not have, so each may find the request invalid.
pub const ANY_CALL: &[&Kind] = &[
    &MALFORMED_REQUEST,
    &INVALID_REQUEST,
    &REQUEST_TIMEOUT,
    &URI_TOO_LONG,
    &RATE_LIMITED,
    &HEADERS_TOO_LARGE,
    &INTERNAL_ERROR,
    &UPSTREAM_FAILED,
    &UNAVAILABLE,
    &UPSTREAM_TIMEOUT,
];
/// What a call that needs an access token or an API key may answer besides.
pub const WITH_TOKEN: &[&Kind] = &[
    &ACCOUNT_REQUIRED,
    &MISSING_TOKEN,
    &INVALID_TOKEN,
    &INSUFFICIENT_SCOPE,
    &ACCOUNT_FORBIDDEN,
    &ACCOUNT_NOT_FOUND,
];
/// What a call with a body may answer besides.
pub const WITH_BODY: &[&Kind] = &[
    &MALFORMED_JSON,
    &NOT_AN_OBJECT,
    &INCOMPLETE_BODY,
    &CONTENT_TOO_LARGE,
    &UNSUPPORTED_MEDIA_TYPE,
    &UNSUPPORTED_CONTENT_ENCODING,
];

/// One bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Name of the field, parameter or header.
    #[schema(example = "amount")]
    pub field: Cow<'static, str>,
    /// Stable, machine-readable reason.
    #[schema(example = "out_of_range")]
    pub code: &'static str,
    /// The reason for a person.
    #[schema(example = "must be from 1 to 9007199254740991")]
    pub message: Cow<'static, str>,
}

/// A wallet that holds money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// The wallet.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    pub wallet_id: i64,
    /// The currency's code (ISO 4217).
    #[schema(min_length = 3, max_length = 3, example = "KRW")]
    pub currency: String,
    /// In minor units.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 15_000)]
    pub balance: i64,
}

/// One occurrence of a problem.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Its kind.
    pub kind: &'static Kind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    transfer_id: Option<String>,
    scope: Option<Scope>,
    balances: Box<[Balance]>,
}

/// The document, as RFC 9457 defines it, with our extensions `balances`, `code`, `errors`,
/// `requestId`, `scope`, `transferId`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// Identifies the kind: a URN that ends in `code`.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "urn:my-pay:problem:invalid_request")]
    pub kind: String,
    /// The kind in words, the same for every occurrence.
    pub title: &'a str,
    /// The HTTP status, again.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time.
    pub detail: &'a str,
    /// The path of the request.
    #[schema(example = "/money/v1/transfers")]
    pub instance: &'a str,
    /// Stable, machine-readable name of the kind.
    #[schema(example = "invalid_request")]
    pub code: &'a str,
    /// The id of the request, as in the `X-Request-Id` header and in the logs.
    pub request_id: &'a str,
    /// The failed transfer that records this rejection, where one was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub transfer_id: Option<&'a str>,
    /// The scope that is missing; with `insufficient_scope` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "money:fund")]
    pub scope: Option<&'a str>,
    /// The wallets that hold money; absent for problems that are not about them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    pub balances: &'a [Balance],
    /// All bad fields at once; absent for problems that are not about fields.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    pub errors: &'a [FieldError],
}

impl Problem {
    /// An occurrence whose detail is, until [`Problem::detail`] says more, its title.
    pub fn new(kind: &'static Kind) -> Self {
        Self {
            kind,
            detail: Cow::Borrowed(kind.title),
            errors: Vec::new(),
            retry_after: None,
            transfer_id: None,
            scope: None,
            balances: Box::default(),
        }
    }

    /// Says what happened this time. For the client: no inside causes.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Lists the bad fields.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Tells the client when to try again, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Names the failed transfer that records this rejection.
    #[must_use]
    pub fn transfer_id(mut self, transfer_id: String) -> Self {
        self.transfer_id = Some(transfer_id);
        self
    }

    /// The call needs this scope, which the caller does not have.
    pub fn insufficient_scope(scope: Scope) -> Self {
        Self {
            scope: Some(scope),
            ..Self::new(&INSUFFICIENT_SCOPE).detail(format!("This call needs the scope `{scope}`."))
        }
    }

    /// Names the wallets that hold money.
    #[must_use]
    pub fn balances(mut self, balances: Vec<Balance>) -> Self {
        self.balances = balances.into();
        self
    }

    /// One bad field.
    pub fn field(
        field: impl Into<Cow<'static, str>>,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let error = FieldError { field: field.into(), code, message: message.into() };
        Self::new(&INVALID_REQUEST)
            .detail("One field is invalid: see `errors`.")
            .errors(vec![error])
    }

    /// A defect on our side: logs the cause with its sources, once, and tells the client nothing of
    /// it.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %chain(cause), "a request failed for a reason of our own");
        Self::new(&INTERNAL_ERROR)
    }

    /// Too busy or not ready: logs the cause, once, and asks the client to come back.
    pub fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::warn!(error = %chain(cause), "a request was put off");
        Self::new(&UNAVAILABLE).retry_after(Duration::from_secs(1))
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Writes the document for a request to `instance`.
    pub fn document(&self, instance: &str, request_id: &str) -> Vec<u8> {
        let document = ProblemDocument {
            kind: format!("urn:my-pay:problem:{}", self.kind.code),
            title: self.kind.title,
            status: self.kind.status,
            detail: &self.detail,
            instance,
            code: self.kind.code,
            request_id,
            transfer_id: self.transfer_id.as_deref(),
            scope: self.scope.map(Scope::as_str),
            balances: &self.balances,
            errors: &self.errors,
        };
        serde_json::to_vec(&document).expect("strings and integers always serialise")
    }
}

/// An error and its sources, for one log line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl IntoResponse for Problem {
    /// Status and headers only: the body is written by [`super::finish`].
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
        }
        if *self.kind == UNSUPPORTED_CONTENT_ENCODING {
            let identity = header::HeaderValue::from_static("identity");
            headers.insert(header::ACCEPT_ENCODING, identity);
        }
        if self.kind.status == 401 {
            // RFC 6750, section 3: the error attribute only if a token was sent.
            let challenge = if self.kind.code == INVALID_TOKEN.code {
                r#"Bearer realm="my-pay", error="invalid_token""#
            } else {
                r#"Bearer realm="my-pay""#
            };
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(challenge));
        }
        if let Some(scope) = self.scope {
            let challenge =
                format!(r#"Bearer realm="my-pay", error="insufficient_scope", scope="{scope}""#);
            let challenge = header::HeaderValue::try_from(challenge);
            let challenge = challenge.expect("names of scopes are visible ASCII");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}
