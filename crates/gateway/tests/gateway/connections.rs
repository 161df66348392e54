//! The gateway behind the real server, over TCP: bodies as they really arrive, or do not.

use std::{net::SocketAddr, time::Duration};

use my_pay_gateway::Config;
use service::{
    http::server::{Limits, ListenerMetrics, serve},
    shutdown::{self, Trigger},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::World;

struct Served {
    address: SocketAddr,
    /// Dropping it ends the server.
    trigger: Trigger,
}

async fn start(change: impl FnOnce(&mut Config)) -> Served {
    start_with(Duration::ZERO, change).await
}

async fn start_with(drain_delay: Duration, change: impl FnOnce(&mut Config)) -> Served {
    let world = World::start(change);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = shutdown::channel();
    let limits = Limits {
        connections_max: 16,
        head_timeout: Duration::from_secs(10),
        drain_delay,
        drain_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    tokio::spawn(serve(listener, world.gateway, limits, ListenerMetrics::default(), shutdown));
    Served { address, trigger }
}

/// Sends the text and reads until the server closes.
async fn talk(served: &Served, sent: &str) -> String {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).await.unwrap();
    received
}

#[track_caller]
fn assert_problem(received: &str, status: u16, code: &str) {
    assert!(received.starts_with(&format!("HTTP/1.1 {status} ")), "{received}");
    assert!(received.contains("\r\ncontent-type: application/problem+json\r\n"), "{received}");
    assert!(received.contains("\r\nconnection: close\r\n"), "{received}");
    assert!(received.contains(&format!("\"code\":\"{code}\"")), "{received}");
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /things/echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn bodies_arrive_whole_declared_or_in_chunks() {
    let served = start(|_| {}).await;
    let close = "Connection: close\r\n";
    let declared = post(&format!("{close}Content-Length: 5\r\n"), "hello");
    assert!(talk(&served, &declared).await.contains("5 bytes, Anonymous"));
    let chunks = "3\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n";
    let chunked = post(&format!("{close}Transfer-Encoding: chunked\r\n"), chunks);
    assert!(talk(&served, &chunked).await.contains("5 bytes, Anonymous"));
}

#[tokio::test]
async fn too_large_a_body_is_refused_unread_if_it_is_declared() {
    let served = start(|config| config.body_bytes_max = 10).await;
    let received = talk(&served, &post("Content-Length: 11\r\n", "")).await;
    assert_problem(&received, 413, "content_too_large");
}

#[tokio::test]
async fn too_large_a_body_is_refused_as_soon_as_it_is() {
    let served = start(|config| config.body_bytes_max = 10).await;
    let endless = post("Transfer-Encoding: chunked\r\n", "6\r\nsix---\r\n6\r\nsix---\r\n");
    assert_problem(&talk(&served, &endless).await, 413, "content_too_large");
}

#[tokio::test]
async fn too_slow_a_body_is_refused() {
    let served = start(|config| config.body_timeout = Duration::from_millis(50)).await;
    let received = talk(&served, &post("Content-Length: 5\r\n", "hel")).await;
    assert_problem(&received, 408, "request_timeout");
    assert!(received.contains("The body did not arrive within 0.05 seconds."), "{received}");
}

#[tokio::test]
async fn malformed_chunks_are_refused() {
    let served = start(|_| {}).await;
    let malformed = post("Transfer-Encoding: chunked\r\n", "five\r\nhello\r\n");
    assert_problem(&talk(&served, &malformed).await, 400, "incomplete_body");
}

#[tokio::test]
async fn a_connection_outlives_a_panic() {
    let served = start(|_| {}).await;
    let two = "GET /things/panic HTTP/1.1\r\nHost: a\r\n\r\n\
               GET /things/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let received = talk(&served, two).await;
    assert!(received.starts_with("HTTP/1.1 500 "), "{received}");
    assert!(received.contains("HTTP/1.1 200 "), "{received}");
}

#[tokio::test]
async fn a_gateway_that_drains_serves_and_says_that_it_is_not_ready() {
    let served = start_with(Duration::from_mins(1), |_| {}).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let close = "Connection: close\r\n\r\n";
    let ready = talk(&served, &get("/readyz").replace("\r\n\r\n", &format!("\r\n{close}"))).await;
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    served.trigger.shut_down();
    // Each answer ends its connection, unasked.
    let ready = talk(&served, &get("/readyz")).await;
    assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    assert!(ready.ends_with(r#"{"status":"not ready"}"#), "{ready}");
    let answer = talk(&served, &get("/things/echo")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    let alive = talk(&served, &get("/livez")).await;
    assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");
}
