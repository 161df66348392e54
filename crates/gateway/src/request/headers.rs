//! Which headers cross the gateway. Headers about one connection end here (RFC 9110, section
//! 7.6.1), and so does everything by which a client could say who it is, where it comes from, which
//! path or method it really means, or which trace it belongs to: services believe the request
//! itself and its extensions, nothing else.

use axum::http::{
    HeaderMap,
    header::{CACHE_CONTROL, CONNECTION, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};
use service::http::request_id::{RequestId, X_REQUEST_ID};

/// By which a service knows a request that it has seen.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// About one connection, whether or not `Connection` names them. `Expect` is not, by the letter,
/// but what it expects has happened once the body has been read here.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Identity, origin and overrides by prefix. Names are compared with `_` read as `-`, because some
/// servers take the two for the same.
const DISTRUSTED_PREFIXES: [&str; 10] = [
    "x-my-pay-",
    "my-pay-",
    "x-authenticated-",
    "x-auth-request-",
    "x-forwarded-",
    "x-remote-",
    "x-envoy-",
    "x-original-",
    "x-rewrite-",
    "x-http-method",
];

/// Identity, origin, overrides and traces by name.
const DISTRUSTED_NAMES: [&str; 20] = [
    "x-account-id",
    "x-account",
    "x-user-id",
    "x-user",
    "x-username",
    "x-session-id",
    "x-identity",
    "x-principal",
    "x-scopes",
    "x-roles",
    "remote-user",
    "forwarded",
    "forwarded-user",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "x-method-override",
    "traceparent",
    "tracestate",
    "baggage",
];

/// Removes from a request what no service may see. The access token goes with authentication.
pub(crate) fn clean_request(headers: &mut HeaderMap, request_id: &RequestId) {
    remove_hop_by_hop(headers);
    // One pass over the names that are there, instead of one look-up for each that might be.
    let distrusted: Vec<HeaderName> =
        headers.keys().filter(|n| is_distrusted(n)).cloned().collect();
    for name in distrusted {
        headers.remove(name);
    }
    headers.insert(X_REQUEST_ID, request_id.header());
}

/// Removes from a service's response what was meant for its connection with the gateway.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// Adds what every response has.
pub(crate) fn mark_response(headers: &mut HeaderMap, request_id: &RequestId) {
    headers.insert(X_REQUEST_ID, request_id.header());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(const { HeaderValue::from_static("no-store") });
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| HOP_BY_HOP.contains(&name.as_str())) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn is_distrusted(name: &HeaderName) -> bool {
    let name = name.as_str();
    if name.contains('_') {
        return is_distrusted_name(&name.replace('_', "-"));
    }
    is_distrusted_name(name)
}

fn is_distrusted_name(name: &str) -> bool {
    // Nearly every name is done after its first letter.
    matches!(name.as_bytes(), [b'b' | b'f' | b'm' | b'r' | b't' | b'x', ..])
        && (DISTRUSTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || DISTRUSTED_NAMES.contains(&name))
}

#[cfg(test)]
mod tests {
    use service::clock::Timestamp;

    use super::*;

    fn request_id() -> RequestId {
        RequestId::accept_or_make(&HeaderMap::new(), Timestamp::from_micros(0))
    }

    /// Sends each header, `name: value`, and compares the names that arrive.
    #[track_caller]
    fn check(sent: &[&str], arrived: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in sent {
            let (name, value) = line.split_once(": ").unwrap();
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        clean_request(&mut headers, &request_id());
        headers.remove(X_REQUEST_ID);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, arrived, "{sent:?}");
    }

    #[test]
    fn headers_of_a_request_to_a_service_pass() {
        let sent =
            ["host: a", "content-type: application/json", "idempotency-key: 7", "x-trace: 1"];
        check(&sent, &["content-type", "host", "idempotency-key", "x-trace"]);
    }

    #[test]
    fn headers_about_the_connection_do_not_pass() {
        for name in HOP_BY_HOP {
            check(&[&format!("{name}: x"), "host: a"], &["host"]);
        }
        check(&["connection: close, X-Trace ,", "x-trace: 1", "host: a"], &["host"]);
        check(&["connection: a", "connection: b", "a: 1", "b: 2", "c: 3"], &["c"]);
        check(&["connection: not a name, ok", "ok: 1", "c: 3"], &["c"]);
    }

    #[test]
    fn identity_headers_do_not_pass_however_they_are_written() {
        for name in DISTRUSTED_NAMES {
            check(&[&format!("{name}: 7")], &[]);
            check(&[&format!("{}: 7", name.replace('-', "_"))], &[]);
            check(&[&format!("{}: 7", name.to_ascii_uppercase())], &[]);
        }
        for prefix in DISTRUSTED_PREFIXES {
            check(&[&format!("{prefix}anything: 7")], &[]);
        }
        check(&["x-account-id: 1", "x-account-id: 2"], &[]);
    }

    #[test]
    fn every_distrusted_name_has_a_first_letter_that_is_looked_at() {
        for name in DISTRUSTED_NAMES {
            assert!(is_distrusted_name(name), "{name}");
        }
        for prefix in DISTRUSTED_PREFIXES {
            assert!(is_distrusted_name(prefix), "{prefix}");
        }
    }

    #[test]
    fn a_service_sees_the_request_id_that_counts() {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("not well formed"));
        let request_id = request_id();
        clean_request(&mut headers, &request_id);
        assert_eq!(headers.get(X_REQUEST_ID), Some(&request_id.header()));
    }

    #[test]
    fn a_response_keeps_its_own_caching() {
        let mut headers = HeaderMap::new();
        mark_response(&mut headers, &request_id());
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        mark_response(&mut headers, &request_id());
        assert_eq!(headers[CACHE_CONTROL], "max-age=60");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}
