//! Axum extractors over [`Fields`].

use axum::{
    body,
    extract::{FromRequest, FromRequestParts, Request},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{HeaderMap, header::CONTENT_TYPE, http::request::Parts};

use super::{Fields, FromFields};
use crate::http::problem::{CONTENT_TOO_LARGE, MALFORMED_JSON, Problem, UNSUPPORTED_MEDIA_TYPE};

/// Largest body that a service reads, in bytes. The gateway's own limit is configurable below this.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// A JSON body, read strictly.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A query string, read strictly.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: FromFields, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(&UNSUPPORTED_MEDIA_TYPE)
                .detail("Send `Content-Type: application/json`."));
        }
        let bytes = collect(request.into_body()).await?;
        Fields::read_json(&bytes).map(Self)
    }
}

impl<T: FromFields, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Fields::read_query(parts.uri.query()).map(Self)
    }
}

async fn collect(body: body::Body) -> Result<bytes::Bytes, Problem> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::new(&CONTENT_TOO_LARGE)
            .detail(format!("The body may have at most {BODY_BYTES_MAX} bytes."))),
        Err(_) => Err(Problem::new(&MALFORMED_JSON).detail("The body ended too early.")),
    }
}

/// `application/json`, with no parameter but `charset=utf-8` (RFC 8259 defines none).
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    if value.as_bytes() == b"application/json" {
        return true;
    }
    let Ok(value) = value.to_str() else { return false };
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| {
            parameter.eq_ignore_ascii_case("charset=utf-8")
                || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
        })
}
