//! Cross-origin calls from browsers, off unless origins are configured. Tokens travel in a header
//! that pages set themselves, so no cookie and no credentials mode is involved.

use std::time::Duration;

use axum::http::{
    HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use service::http::request_id::X_REQUEST_ID;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::request::rate_limit::{RATELIMIT, RATELIMIT_POLICY};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What libraries for tracing in pages send (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// How long a browser may remember the answer to a preflight. Chromium's own limit is two hours.
const PREFLIGHT_LIFE: Duration = Duration::from_hours(1);

/// The layer for these origins, which `Config::validate` has checked; `None` if there are none.
pub(crate) fn layer(origins: &[String]) -> Option<CorsLayer> {
    let allowed = match origins {
        [] => return None,
        [any] if any == "*" => AllowOrigin::any(),
        origins => {
            let values = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
            AllowOrigin::list(values)
        }
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            IDEMPOTENCY_KEY,
            TRACEPARENT,
            TRACESTATE,
            X_REQUEST_ID,
        ])
        .expose_headers([
            IDEMPOTENCY_REPLAYED,
            RETRY_AFTER,
            RATELIMIT,
            RATELIMIT_POLICY,
            X_REQUEST_ID,
            LOCATION,
            WWW_AUTHENTICATE,
        ])
        .max_age(PREFLIGHT_LIFE);
    Some(layer)
}
