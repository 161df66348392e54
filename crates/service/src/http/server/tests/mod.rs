//! The server over real connections: slow and idle clients, answers before the request is complete,
//! and the drain at shutdown.

mod crowds;
mod early_answers;
mod malformed;
mod unread_answers;

use axum::{Router, routing::post};
use expect_test::{Expect, expect};
use hyper::StatusCode;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::shutdown::{self, Trigger};

struct Running {
    address: SocketAddr,
    trigger: Trigger,
    ended: tokio::task::JoinHandle<()>,
    metrics: ListenerMetrics,
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What the metric with these labels shows.
    fn count(&self, series: &str) -> u64 {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} is not in {text}")).parse().unwrap()
    }

    fn ended(&self, reason: &str) -> u64 {
        self.count(&format!("mypay_http_connections_ended_total{{reason=\"{reason}\"}}"))
    }

    /// Waits until as many connections have ended for this reason.
    async fn until_ended(&self, reason: &str, count: u64) {
        let ended = async {
            while self.ended(reason) < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_mins(1), ended).await;
        assert!(in_time.is_ok(), "{} of {count} ended: {reason}", self.ended(reason));
    }
}

async fn start(head_timeout: Duration) -> Running {
    start_with(head_timeout, Duration::ZERO).await
}

async fn start_with(head_timeout: Duration, drain_delay: Duration) -> Running {
    start_within(Limits { connections_max: 16, head_timeout, drain_delay, ..Limits::default() })
        .await
}

async fn start_within(limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = shutdown::channel();
    let router = Router::new()
        .route("/echo", post(|body: String| async { body }))
        .route("/slow", post(answer_slowly))
        .route("/large", post(|| async { vec![b'x'; LARGE] }))
        .route("/busy", post(|| async { StatusCode::TOO_MANY_REQUESTS }))
        .route("/refuse", post(|| async { StatusCode::PAYLOAD_TOO_LARGE }));
    let metrics = ListenerMetrics::default();
    let ended = tokio::spawn(serve(listener, router, limits, metrics.clone(), shutdown));
    Running { address, trigger, ended, metrics }
}

/// More than the buffers of a socket hold, at both ends.
const LARGE: usize = 32 << 20;

const ECHO: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// Reads one answer, whose length is declared, and nothing after it.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// Answers once the server drains, and says whether it knew that at the beginning.
async fn answer_slowly(request: Request<Body>) -> &'static str {
    let knew = request.extensions().get::<Draining>().is_some();
    tokio::time::sleep(Duration::from_millis(300)).await;
    if knew { "knew" } else { "did not know" }
}

/// What comes back until the server closes, with the ids and the date taken out.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let id_at = text.to_ascii_lowercase().find("x-request-id: ").map(|at| at + 14);
    if let Some(id) = id_at.map(|at| text[at..at + 36].to_owned()) {
        text = text.replace(&id, "REQUEST-ID");
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("date: ")).collect();
    lines.join("\n").replace(",\"", ",\n\"")
}

async fn check(head_timeout: Duration, sent: &str, expected: &Expect) {
    let running = start(head_timeout).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    expected.assert_eq(&read_to_end(&mut stream).await);
}

#[tokio::test]
async fn a_head_that_stops_half_way_is_answered() {
    let expected = expect![[r#"
        HTTP/1.1 408 Request Timeout
        Content-Type: application/problem+json
        Content-Length: 248
        Cache-Control: no-store
        X-Content-Type-Options: nosniff
        X-Request-Id: REQUEST-ID
        Connection: close

        {"type":"urn:my-pay:problem:request_timeout",
        "title":"The request arrived too slowly",
        "status":408,
        "detail":"The head of the request did not arrive in time.",
        "instance":"",
        "code":"request_timeout",
        "requestId":"REQUEST-ID"}"#]];
    check(Duration::from_millis(50), "POST /echo HTTP/1.1\r\nHost: a\r\n", &expected).await;
}

#[tokio::test]
async fn a_second_head_that_stops_half_way_is_answered_after_the_first_answer() {
    let sent = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiPOST /e";
    let expected = expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/plain; charset=utf-8
        content-length: 2

        hiHTTP/1.1 408 Request Timeout
        Content-Type: application/problem+json
        Content-Length: 248
        Cache-Control: no-store
        X-Content-Type-Options: nosniff
        X-Request-Id: REQUEST-ID
        Connection: close

        {"type":"urn:my-pay:problem:request_timeout",
        "title":"The request arrived too slowly",
        "status":408,
        "detail":"The head of the request did not arrive in time.",
        "instance":"",
        "code":"request_timeout",
        "requestId":"REQUEST-ID"}"#]];
    check(Duration::from_millis(50), sent, &expected).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    check(Duration::from_millis(50), "", &expect![[""]]).await;
}

#[tokio::test]
async fn a_client_that_sends_more_than_it_may_still_reads_the_answer() {
    let running = start(Duration::from_secs(5)).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut receiving, mut sending) = stream.into_split();
    let head = "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n";
    let sender = tokio::spawn(async move {
        sending.write_all(head.as_bytes()).await?;
        sending.write_all(&vec![b'x'; 8 << 20]).await
    });
    let mut answer = String::new();
    receiving.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    sender.await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_ends() {
    let running = start(Duration::from_mins(1)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 17];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK\r\n");
    running.trigger.shut_down();
    running.ended.await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("hi"));
}

#[tokio::test]
async fn a_server_that_drains_accepts_and_ends_each_connection_with_its_answer() {
    let running = start_with(Duration::from_mins(1), Duration::from_mins(1)).await;
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let slow = "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let mut old = TcpStream::connect(running.address).await.unwrap();
    old.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 17];
    old.read_exact(&mut first).await.unwrap();
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(slow.as_bytes()).await.unwrap();
    // Answered, so the busy connection, which came before, has been accepted too.
    let mut other = TcpStream::connect(running.address).await.unwrap();
    other.write_all(request.as_bytes()).await.unwrap();
    other.read_exact(&mut first).await.unwrap();
    running.trigger.shut_down();
    let mut new = TcpStream::connect(running.address).await.unwrap();
    new.write_all(request.as_bytes()).await.unwrap();
    old.write_all(request.as_bytes()).await.unwrap();
    for stream in [&mut old, &mut new] {
        let text = read_to_end(stream).await;
        assert!(text.contains("connection: close\n") && text.ends_with("hi"), "{text}");
    }
    // The signal came while this one was answered: it is the last on its connection as well.
    let text = read_to_end(&mut busy).await;
    assert!(text.contains("connection: close\n"), "{text}");
    assert!(!running.ended.is_finished());
}

#[tokio::test]
async fn after_the_drain_delay_nothing_is_accepted_and_requests_in_flight_are_finished() {
    let running = start_with(Duration::from_mins(1), Duration::from_millis(50)).await;
    running.trigger.shut_down();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let slow = "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(slow.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("knew"));
    running.ended.await.unwrap();
    TcpStream::connect(running.address).await.unwrap_err();
}
