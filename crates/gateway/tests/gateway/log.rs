//! The access log, as a subscriber receives it.
//!
//! The subscriber is the process's, and keeps the lines of each thread apart: a subscriber of one
//! test would lose lines to the others, because what is enabled is decided once for all threads.

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::Once,
};

use crate::support::{World, get_request};

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes to the lines of the thread that logs.
struct OwnLines;

impl Write for OwnLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to keep lines. To be called before the first request.
fn keep_lines() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        tracing_subscriber::fmt()
            .with_writer(|| OwnLines)
            .without_time()
            .with_ansi(false)
            .with_level(false)
            .init();
    });
}

/// What this thread has logged since the last call.
fn take_lines() -> String {
    String::from_utf8(LINES.take()).unwrap()
}

#[tokio::test]
async fn each_request_is_one_line_without_anything_personal() {
    keep_lines();
    let world = World::start(|_| {});
    world.issue("mine", 7);
    for (uri, headers, line) in [
        (
            "/things/private?secret=1",
            &["x-request-id: one", "authorization: Bearer mine"][..],
            "http.route=\"/things/private\" http.status=200 duration_us=0 account.id=7",
        ),
        (
            "/things/echo/secret",
            &["x-request-id: one"],
            "http.route=\"/things/echo/{id}\" http.status=200 duration_us=0",
        ),
        (
            "/secret",
            &["x-request-id: one"],
            "http.route=\"unmatched\" http.status=404 duration_us=0",
        ),
    ] {
        world.send(get_request(uri, headers)).await;
        let expected = format!(
            "my_pay_gateway::access: request request.id=\"one\" http.method=\"GET\" {line}\n"
        );
        assert_eq!(take_lines(), expected);
    }
}

#[tokio::test]
async fn a_request_whose_client_is_gone_is_logged_too() {
    use tower::ServiceExt;
    keep_lines();
    let world = World::start(|_| {});
    world.issue("mine", 7);
    let headers = ["authorization: Bearer mine"];
    let answer = world.gateway.clone().oneshot(get_request("/things/never", &headers));
    tokio::select! {
        biased;
        _ = answer => panic!("it never answers"),
        () = tokio::task::yield_now() => {}
    }
    let line = take_lines();
    let expected = "http.route=\"/things\" http.status=499 duration_us=0 account.id=7\n";
    assert!(line.ends_with(expected), "{line}");
}
