//! The access log, as a subscriber receives it.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

use crate::support::{World, get_request};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

#[tokio::test]
async fn each_request_is_one_line_without_anything_personal() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .without_time()
        .with_ansi(false)
        .with_level(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
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
        assert_eq!(lines.take(), expected);
    }
}

#[tokio::test]
async fn a_request_whose_client_is_gone_is_logged_too() {
    use tower::ServiceExt;
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .without_time()
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::start(|_| {});
    world.issue("mine", 7);
    let headers = ["authorization: Bearer mine"];
    let answer = world.gateway.clone().oneshot(get_request("/things/never", &headers));
    tokio::select! {
        biased;
        _ = answer => panic!("it never answers"),
        () = tokio::task::yield_now() => {}
    }
    let line = lines.take();
    let expected = "http.route=\"/things\" http.status=499 duration_us=0 account.id=7\n";
    assert!(line.ends_with(expected), "{line}");
}
