//! Request ids: one name for a request in the response, the logs, and a support ticket.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Builder;

use crate::clock::Timestamp;

/// The header that carries it, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id accepted from a client, in characters.
pub const REQUEST_ID_LENGTH_MAX: usize = 64;

/// The id of a request: 1 to 64 letters, digits, `-`, `_` or `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's own id if it is well-formed, otherwise a new UUIDv7.
    pub fn accept_or_make(headers: &HeaderMap, now: Timestamp) -> Self {
        match headers.get(X_REQUEST_ID) {
            Some(value) if is_well_formed(value) => Self(value.clone()),
            _ => Self::make(now),
        }
    }

    fn make(now: Timestamp) -> Self {
        let mut random = [0; 10];
        // Without randomness the id is merely less unique, which a request id can bear.
        let _unlikely = getrandom::fill(&mut random);
        let id = Builder::from_unix_timestamp_millis(now.as_millis(), &random).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let value = HeaderValue::from_str(id.hyphenated().encode_lower(&mut text));
        Self(value.expect("a UUID is visible ASCII"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("well-formed ids are visible ASCII")
    }

    /// As a header value.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_well_formed(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=REQUEST_ID_LENGTH_MAX).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(id: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_str(id).unwrap());
        RequestId::accept_or_make(&headers, Timestamp::from_micros(0)).as_str() == id
    }

    #[test]
    fn well_formed_ids_are_kept_and_others_replaced() {
        assert!(accepted("order-7.A_b"));
        assert!(accepted(&"x".repeat(64)));
        assert!(!accepted(&"x".repeat(65)));
        assert!(!accepted("with space"));
        assert!(!accepted(""));
    }
}
