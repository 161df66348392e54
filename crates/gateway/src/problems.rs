//! The kinds of problem that the gateway adds to those of the services behind it. Any call may
//! answer them, besides the common ones of [`service::http::problem`].

use service::http::problem::{Kind, kind};

/// The body broke off, or its chunks are malformed.
pub const INCOMPLETE_BODY: Kind = kind(400, "incomplete_body", "The body did not arrive whole");
/// Too many requests from this address or with this token; nothing was done. `Retry-After` says
/// when to try again.
pub const RATE_LIMITED: Kind = kind(429, "rate_limited", "Too many requests");
/// A service broke off after it was given the request: the outcome is unknown.
pub const UPSTREAM_FAILED: Kind =
    kind(502, "upstream_failed", "A service behind the gateway failed");
/// A service did not answer in time: the outcome is unknown.
pub const UPSTREAM_TIMEOUT: Kind =
    kind(504, "upstream_timeout", "A service behind the gateway did not answer in time");

/// All of them, for documentation.
pub const ALL: &[&Kind] = &[&INCOMPLETE_BODY, &RATE_LIMITED, &UPSTREAM_FAILED, &UPSTREAM_TIMEOUT];
