//! What is not an HTTP/1.1 request, or may be read in two ways.

use super::*;

const SECONDS: Duration = Duration::from_secs(30);

/// Sends it and compares the status, the code and the detail of the answer, after which the
/// connection ends.
async fn refuse(sent: &[u8], expected: &str) {
    let running = start(SECONDS).await;
    let mut stream = running.connect().await;
    stream.write_all(sent).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    let (head, body) = answer.split_once("\n\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
    let head = head.to_ascii_lowercase();
    for header in [
        "content-type: application/problem+json",
        "x-request-id: request-id",
        "connection: close",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.lines().any(|line| line == header), "{header} is not in {answer}");
    }
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["requestId"], "REQUEST-ID");
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let found = format!("{} {}: {}", body["status"], text("code"), text("detail"));
    let shown = String::from_utf8_lossy(&sent[..sent.len().min(80)]);
    assert_eq!(found, expected, "{shown}");
    assert!(head.starts_with(&format!("http/1.1 {} ", body["status"])), "{head}");
}

#[tokio::test]
async fn what_cannot_be_parsed_is_a_problem() {
    let header = "400 malformed_request: The head cannot be read: invalid HTTP header parsed.";
    for (sent, expected) in [
        (
            "hello\r\n\r\n",
            "400 malformed_request: The head cannot be read: invalid HTTP method parsed.",
        ),
        (
            "GET / HTTP/9.9\r\n\r\n",
            "400 malformed_request: The head cannot be read: invalid HTTP version parsed.",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", header),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", header),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n folded\r\n\r\n", header),
        ("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", header),
        ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", header),
    ] {
        refuse(sent.as_bytes(), expected).await;
    }
    // The beginning of a TLS connection.
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    refuse(tls, "400 malformed_request: The head cannot be read: invalid HTTP method parsed.")
        .await;
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    refuse(http2, "400 malformed_request: This server speaks HTTP/1.1, not HTTP/2.").await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_problem() {
    let too_large = "431 headers_too_large: The head of a request may have at most 32768 bytes \
                     and 100 headers.";
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "x".repeat(64 * 1024));
    refuse(long.as_bytes(), too_large).await;
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(100));
    refuse(many.as_bytes(), too_large).await;
    let uri = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(64 * 1024));
    let too_long = "414 uri_too_long: The first line of a request may have at most 32768 bytes.";
    refuse(uri.as_bytes(), too_long).await;
}

#[tokio::test]
async fn a_request_that_may_be_read_in_two_ways_is_refused() {
    let host = "400 malformed_request: There is no `Host` header.";
    refuse(b"GET /echo HTTP/1.1\r\n\r\n", host).await;
    refuse(b"GET http://a/echo HTTP/1.1\r\n\r\n", host).await;
    let two = "400 malformed_request: There is more than one `Host` header.";
    refuse(b"GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", two).await;
    let coding = "400 malformed_request: The only `Transfer-Encoding` of a request is `chunked`.";
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\n";
    let gzip = format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    refuse(gzip.as_bytes(), coding).await;
    let unexpected = "400 malformed_request: The head cannot be read: unexpected \
                      transfer-encoding parsed.";
    let old = "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refuse(old.as_bytes(), unexpected).await;
    let length = "400 malformed_request: The head cannot be read: invalid content-length parsed.";
    for lengths in ["1\r\nContent-Length: 2", "1, 1", "+1", "-1", "0x1", "", "1 1"] {
        let sent = format!("{post}Content-Length: {lengths}\r\n\r\nhi");
        refuse(sent.as_bytes(), length).await;
    }
    let invalid = "400 malformed_request: The head cannot be read: invalid transfer-encoding \
                   parsed.";
    for coding in ["chunked, gzip", "identity", "xchunked"] {
        let sent = format!("{post}Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        refuse(sent.as_bytes(), invalid).await;
    }
}

/// What follows such a request is not read as another one.
#[tokio::test]
async fn a_length_beside_chunks_ends_the_connection() {
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let running = start(SECONDS).await;
        let mut stream = running.connect().await;
        let sent =
            format!("POST /echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n2\r\nhi\r\n0\r\n\r\n{ECHO}");
        stream.write_all(sent.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.contains("connection: close") && answer.ends_with("\n\nhi"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_malformed_request_after_a_good_one_is_answered_in_its_turn() {
    let running = start(SECONDS).await;
    let mut stream = running.connect().await;
    stream.write_all(format!("{ECHO}hello\r\n\r\n").as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    let (first, second) = answer.split_once("\n\nhi").unwrap();
    assert!(first.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        second.starts_with("HTTP/1.1 400 ") && second.contains("malformed_request"),
        "{answer}"
    );
    running.until_ended("malformed", 1).await;
}

#[tokio::test]
async fn old_clients_are_served() {
    let running = start(SECONDS).await;
    let mut stream = running.connect().await;
    let old = ECHO.replace("HTTP/1.1\r\nHost: a", "HTTP/1.0");
    stream.write_all(old.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("hi"));
    let mut stream = running.connect().await;
    let kept = old.replace("HTTP/1.0\r\n", "HTTP/1.0\r\nConnection: keep-alive\r\n");
    for _ in 0..2 {
        stream.write_all(kept.as_bytes()).await.unwrap();
        assert!(read_answer(&mut stream).await.ends_with("hi"));
    }
}
