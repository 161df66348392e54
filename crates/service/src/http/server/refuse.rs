//! Answers that are written past hyper, to requests that it does not hand out: those whose head
//! comes too slowly or cannot be parsed, and connections that are not served at all.

use std::time::Duration;

use hyper::{HeaderMap, StatusCode};
use tokio::net::TcpStream;

use crate::{
    clock::Clock,
    http::{
        finish::PROBLEM_JSON,
        problem::{
            HEADERS_TOO_LARGE, MALFORMED_REQUEST, Problem, RATE_LIMITED, REQUEST_TIMEOUT,
            URI_TOO_LONG,
        },
        request_id::RequestId,
    },
};

/// When a client without a share may try again.
const SHARE_RETRY_SECONDS: u64 = 1;

/// Answers a client whose request began but did not get past its head in time.
pub(super) fn slow_head(stream: &TcpStream) {
    let detail = "The head of the request did not arrive in time.";
    write(stream, &Problem::new(&REQUEST_TIMEOUT).detail(detail), "");
}

/// Answers a client whose request gave way to others before its head was there.
pub(super) fn gave_way(stream: &TcpStream) {
    let detail = "The head of the request was not there yet when others needed the connection.";
    write(stream, &Problem::new(&REQUEST_TIMEOUT).detail(detail), "");
}

/// Answers a client whose address has its share of connections.
pub(super) fn address_share(stream: &TcpStream) {
    write(stream, &over_share(), &format!("Retry-After: {SHARE_RETRY_SECONDS}\r\n"));
}

/// What a client is told whose address has its share of connections.
pub(super) fn over_share() -> Problem {
    Problem::new(&RATE_LIMITED)
        .detail("Too many connections from this address, all of them at work.")
        .retry_after(Duration::from_secs(SHARE_RETRY_SECONDS))
}

/// Answers a client that sent something else than the head of an HTTP/1.1 request. `status` is what
/// hyper would have answered, `received` the beginning of it.
pub(super) fn malformed(
    stream: &TcpStream,
    status: Option<StatusCode>,
    error: &hyper::Error,
    received: &[u8],
    head_bytes_max: usize,
) {
    let problem = if error.is_parse_version_h2() {
        Problem::new(&MALFORMED_REQUEST).detail("This server speaks HTTP/1.1, not HTTP/2.")
    } else if status == Some(StatusCode::URI_TOO_LONG)
        || (error.is_parse_too_large() && !received.contains(&b'\n'))
    {
        Problem::new(&URI_TOO_LONG)
            .detail(format!("The first line of a request may have at most {head_bytes_max} bytes."))
    } else if error.is_parse_too_large() {
        Problem::new(&HEADERS_TOO_LARGE).detail(format!(
            "The head of a request may have at most {head_bytes_max} bytes and {HEADERS_MAX} \
             headers."
        ))
    } else {
        Problem::new(&MALFORMED_REQUEST).detail(format!("The head cannot be read: {error}."))
    };
    write(stream, &problem, "");
}

/// Most headers of a request, which is hyper's own limit.
const HEADERS_MAX: usize = 100;

fn write(stream: &TcpStream, problem: &Problem, further_headers: &str) {
    let request_id = RequestId::accept_or_make(&HeaderMap::new(), Clock::system().now());
    let document = problem.document("", request_id.as_str());
    let status = problem.status();
    let head = format!(
        "HTTP/1.1 {} {}\r\n\
         Content-Type: {PROBLEM_JSON}\r\n\
         Content-Length: {}\r\n\
         Cache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n\
         X-Request-Id: {}\r\n\
         {further_headers}\
         Connection: close\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        document.len(),
        request_id.as_str(),
    );
    // One attempt, without waiting: it fails if an earlier answer is still stuck in the socket,
    // which must not be continued with this one.
    let written = stream.try_write(&[head.as_bytes(), &document].concat());
    tracing::debug!(
        request.id = request_id.as_str(),
        code = problem.kind.code,
        ?written,
        "a request was refused before it was read"
    );
}
