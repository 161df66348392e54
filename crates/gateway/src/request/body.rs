//! Reads the body before a service sees the request, within bounds of size and time. A slow or
//! endless client then holds a connection of the gateway, and nothing of a service.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    extract::Request,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use service::{
    counted::counted,
    http::problem::{CONTENT_TOO_LARGE, INCOMPLETE_BODY, Kind, Problem, REQUEST_TIMEOUT},
};

/// The bounds of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Largest size.
    pub(crate) bytes_max: usize,
    /// Longest time from the head to the last byte.
    pub(crate) timeout: Duration,
}

/// The request with its whole body in memory. One without a body passes as it is.
pub(crate) async fn read(request: Request, bounds: Bounds) -> Result<Request, Problem> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    // The lower bound is the declared length, if there is one: too much is refused unread.
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > bounds.bytes_max {
        return Err(too_large(bounds));
    }
    let collected = Limited::new(body, bounds.bytes_max).collect();
    let bytes = match tokio::time::timeout(bounds.timeout, collected).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large(bounds)),
        Ok(Err(_)) => {
            let detail = "The body broke off, or its chunks are malformed.";
            return Err(Problem::new(&INCOMPLETE_BODY).detail(detail));
        }
        Err(_) => {
            let seconds = bounds.timeout.as_secs_f64();
            let limit = counted(seconds, "second", "seconds");
            let detail = format!("The body did not arrive within {limit}.");
            return Err(Problem::new(&REQUEST_TIMEOUT).detail(detail));
        }
    };
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// Whether the rest of the request may still be on its way, so that nothing can follow it.
pub(crate) fn ends_connection(kind: &Kind) -> bool {
    [&REQUEST_TIMEOUT, &CONTENT_TOO_LARGE, &INCOMPLETE_BODY].contains(&kind)
}

fn too_large(bounds: Bounds) -> Problem {
    let limit = counted(bounds.bytes_max, "byte", "bytes");
    let detail = format!("The body may have at most {limit}.");
    Problem::new(&CONTENT_TOO_LARGE).detail(detail)
}
