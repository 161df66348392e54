//! What may be sent a second time, and how often. A request that certainly did not arrive may go
//! anywhere. One that may have arrived goes to another address only if that cannot do it twice.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::{HeaderMap, Method, StatusCode};

use crate::request::headers::IDEMPOTENCY_KEY;

/// Whether doing a request twice is the same as doing it once: it reads only, or it is a POST below
/// one of `keyed_paths`, where the service resolves the `Idempotency-Key` that it carries.
pub(super) fn is_repeatable(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    keyed_paths: &[&str],
) -> bool {
    match *method {
        Method::GET | Method::HEAD => true,
        Method::POST => headers.contains_key(IDEMPOTENCY_KEY) && keyed_paths.contains(&path),
        _ => false,
    }
}

/// Whether an answer says that nothing was done and another instance may do it: problem
/// `unavailable`. Not `outcome_unknown`, which the client has to hear about.
pub(super) fn says_unavailable(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE
        && serde_json::from_slice::<serde_json::Value>(body)
            .is_ok_and(|problem| problem["code"] == service::http::problem::UNAVAILABLE.code)
}

/// What repeats cost, in hundredths of one: each request pays in the share that is set.
const REPEAT: u32 = 100;

/// Repeats that may be saved up, so that the requests in flight to an instance that falls silent
/// find another one.
const SAVED_MAX: u32 = 500 * REPEAT;

/// Keeps repeats a share of requests: were all instances failing, each would get little more than
/// without.
#[derive(Debug)]
pub(super) struct Budget {
    share: u32,
    saved: AtomicU32,
}

impl Budget {
    /// `percent` repeats for each hundred requests.
    pub(super) fn new(percent: u32) -> Self {
        Self { share: percent, saved: AtomicU32::new(if percent == 0 { 0 } else { SAVED_MAX }) }
    }

    /// A request came.
    pub(super) fn pay_in(&self) {
        // Full is the usual state, and reading it leaves the cache line shared.
        if self.saved.load(Ordering::Relaxed) < SAVED_MAX {
            self.saved.fetch_add(self.share, Ordering::Relaxed);
        }
    }

    /// Whether one repeat is covered; if so, it is paid.
    pub(super) fn take(&self) -> bool {
        let less = |saved: u32| saved.checked_sub(REPEAT);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PATHS: &[&str] = &["/things/orders"];

    #[track_caller]
    fn check(method: &Method, path: &str, has_key: bool, expected: bool) {
        let mut headers = HeaderMap::new();
        if has_key {
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_static("7"));
        }
        let found = is_repeatable(method, path, &headers, PATHS);
        assert_eq!(found, expected, "{method} {path} {has_key}");
    }

    #[test]
    fn reads_and_keyed_posts_are_repeatable() {
        check(&Method::GET, "/a", false, true);
        check(&Method::HEAD, "/a", false, true);
        check(&Method::POST, "/things/orders", true, true);
        check(&Method::POST, "/things/orders", false, false);
        check(&Method::POST, "/things/orders/7", true, false);
        check(&Method::POST, "/a", true, false);
        for method in [&Method::PUT, &Method::PATCH, &Method::DELETE, &Method::OPTIONS] {
            check(method, "/things/orders", true, false);
        }
    }

    #[test]
    fn only_unavailable_means_that_nothing_was_done() {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        assert!(says_unavailable(unavailable, br#"{"status":503,"code":"unavailable"}"#));
        assert!(!says_unavailable(unavailable, br#"{"code":"outcome_unknown"}"#));
        assert!(!says_unavailable(unavailable, br#"{"detail":"\"code\":\"unavailable\""}"#));
        assert!(!says_unavailable(unavailable, b"code: unavailable"));
        assert!(!says_unavailable(unavailable, b""));
        assert!(!says_unavailable(StatusCode::OK, br#"{"code":"unavailable"}"#));
    }

    #[test]
    fn repeats_are_a_share_of_requests() {
        let budget = Budget::new(20);
        let saved = (0..1000).filter(|_| budget.take()).count();
        assert_eq!(saved, 500);
        for _ in 0..4 {
            budget.pay_in();
        }
        assert!(!budget.take());
        budget.pay_in();
        assert!(budget.take());
        assert!(!budget.take());
        assert!(!Budget::new(0).take());
    }
}
