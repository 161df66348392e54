//! The span of one try.

use std::net::SocketAddr;

use axum::http::Method;
use service::{http::route::known_method, trace::Span};

use super::attempt::Outcome;

/// A try that has not ended yet.
pub(super) struct Try {
    pub(super) span: Span,
    has_ended: bool,
}

/// A try at the last of these addresses begins.
pub(super) fn begin_try(method: &Method, tried: &[SocketAddr]) -> Try {
    let span = Span::call(known_method(method));
    if let ([before @ .., address], true) = (tried, span.is_recorded()) {
        span.set("server.address", address.ip().to_string());
        span.set("server.port", i64::from(address.port()));
        if !before.is_empty() {
            let resent = i64::try_from(before.len()).unwrap_or(i64::MAX);
            span.set("http.request.resend_count", resent);
        }
    }
    Try { span, has_ended: false }
}

impl Try {
    /// It ends.
    pub(super) fn end(mut self, outcome: &Outcome) {
        self.has_ended = true;
        if let Outcome::Answered(response) | Outcome::Unavailable(response) = outcome {
            self.span.set("http.response.status_code", i64::from(response.status().as_u16()));
        }
        if !matches!(outcome, Outcome::Answered(_)) {
            self.span.fail(outcome.reason());
        }
    }
}

impl Drop for Try {
    /// Nobody waits for its end any more.
    fn drop(&mut self) {
        if !self.has_ended {
            self.span.fail("given_up");
        }
    }
}
