//! Axum extractors over [`Fields`].

use axum::{
    body,
    extract::{FromRequest, FromRequestParts, Request},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::http::request::Parts;

use super::{
    Fields, FromFields,
    media_type::{is_identity, is_json},
};
use crate::http::problem::{
    CONTENT_TOO_LARGE, MALFORMED_JSON, Problem, UNSUPPORTED_CONTENT_ENCODING,
    UNSUPPORTED_MEDIA_TYPE,
};

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
        if !is_identity(request.headers()) {
            return Err(Problem::new(&UNSUPPORTED_CONTENT_ENCODING)
                .detail("Send the body as it is, without `Content-Encoding`."));
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
