//! What the head of a request must be before any service sees it: what hyper leaves open of
//! RFC 9112. Two servers that read one request differently can be made to disagree on where it
//! ends, so what is doubtful is refused.

use hyper::{
    HeaderMap, Request, Response, Version,
    header::{
        CACHE_CONTROL, CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
    },
};

use crate::{
    clock::Clock,
    http::{
        finish::problem_response,
        problem::{MALFORMED_REQUEST, Problem},
        request_id::{RequestId, X_REQUEST_ID},
    },
};

/// Checks `Host` (RFC 9112, section 3.2) and `Transfer-Encoding` (section 6.1).
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let detail = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => "There is no `Host` header.",
        (Some(_), Some(_)) => "There is more than one `Host` header.",
        (Some(host), None) if !is_host(host.as_bytes()) => {
            "The `Host` header is not a host, with or without a port."
        }
        _ if !is_plain_or_chunked(headers) => {
            "The only `Transfer-Encoding` of a request is `chunked`."
        }
        _ => return Ok(()),
    };
    Err(Problem::new(&MALFORMED_REQUEST).detail(detail))
}

/// The answer to such a request, which ends its connection.
pub(super) fn refuse<B>(request: &Request<B>, problem: Problem) -> Response<axum::body::Body> {
    let request_id = RequestId::accept_or_make(request.headers(), Clock::system().now());
    let mut response = problem_response(problem, request.uri(), &request_id);
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, request_id.header());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether these are characters of a host and a port (RFC 3986, section 3.2). It may be empty.
fn is_host(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte))
}

fn is_plain_or_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn verdict(version: Version, headers: &[(&str, &str)], detail: Option<&str>) {
        let mut request = Request::builder().version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let found = check(&request.body(()).unwrap()).err().map(|problem| {
            let document: serde_json::Value =
                serde_json::from_slice(&problem.document("/", "r")).unwrap();
            document["detail"].as_str().unwrap().to_owned()
        });
        assert_eq!(found.as_deref(), detail, "{version:?} {headers:?}");
    }

    #[test]
    fn a_request_names_one_host() {
        let (old, new) = (Version::HTTP_10, Version::HTTP_11);
        verdict(new, &[], Some("There is no `Host` header."));
        verdict(old, &[], None);
        let two = Some("There is more than one `Host` header.");
        verdict(new, &[("host", "a"), ("host", "a")], two);
        verdict(old, &[("host", "a"), ("host", "b")], two);
        for host in ["", "a", "a.example:8080", "127.0.0.1", "[::1]:80", "a_b"] {
            verdict(new, &[("host", host)], None);
        }
        let bad = Some("The `Host` header is not a host, with or without a port.");
        for host in ["a/b", "a b", "u@a", "a?b", "a#b", "a\\b", "a, b"] {
            verdict(new, &[("host", host)], bad);
        }
    }

    #[test]
    fn a_body_comes_plain_or_in_chunks() {
        let of = |value| [("host", "a"), ("transfer-encoding", value)];
        verdict(Version::HTTP_11, &of("chunked"), None);
        verdict(Version::HTTP_11, &of("Chunked"), None);
        let bad = Some("The only `Transfer-Encoding` of a request is `chunked`.");
        for coding in ["gzip, chunked", "chunked, chunked", "identity", "", "chunked;a=b"] {
            verdict(Version::HTTP_11, &of(coding), bad);
        }
        let twice =
            [("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "gzip")];
        verdict(Version::HTTP_11, &twice, bad);
    }
}
