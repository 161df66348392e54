//! SIGTERM and SIGINT: what is in flight is finished, within a bound, and a second signal exits at
//! once.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Books,
    load::{Memory, People},
};
use crate::support::{
    process::{PATIENCE, Program},
    random::Random,
};

/// A request whose body is still to come, on a connection of its own.
struct Held(TcpStream);

const BODY: &str = r#"{"email": "nobody@example.com", "password": "nobody's secret"}"#;

impl Held {
    /// Returns when the program is reading the body: it says so by `100 Continue`.
    async fn open(program: &Program) -> Self {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        let head = format!(
            "POST /accounts/v1/auths HTTP/1.1\r\nHost: my-pay\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            BODY.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, expected);
        Self(stream)
    }

    /// Sends the body, and reads until the program closes.
    async fn finish(mut self) -> String {
        self.0.write_all(BODY.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// The program, and a request that it has to wait for, having been told to stop.
async fn start_and_stop(
    folder: &tempfile::TempDir,
    signal: Signal,
    drain_timeout_ms: &str,
) -> (Program, Held) {
    let mut command = Program::command(folder.path());
    command.env("MY_PAY_SERVER_DRAIN_TIMEOUT_MS", drain_timeout_ms);
    let mut program = Program::start(&mut command);
    let held = Held::open(&program).await;
    program.process.signal(signal);
    program.process.wait_for(|line| line.contains("my-pay is stopping").then_some(()));
    (program, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_finishes_what_is_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new();
    let program = Program::start(&mut Program::command(folder.path()));
    let (people, funding) = People::register(&program.client()).await;
    let load = people.start_load(64, &mut random);
    load.wait_for_answers(500).await;
    let signalled = Instant::now();
    let ended = program.stop();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(signalled.elapsed() < Duration::from_secs(30), "{:?}", signalled.elapsed());
    assert!(!ended.stdout.contains("were cut off"), "the drain was in vain");
    let Memory { answered, .. } = load.join().await;
    let mut books = Books::default();
    for (asked, outcome) in funding.answered.into_iter().chain(answered) {
        books.enter(asked, outcome);
    }
    // Whoever was not answered was refused before anything was done: nothing more is in the books.
    books.audit(&folder, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_answered_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut program, held) = start_and_stop(&folder, Signal::INT, "60000").await;
    let refused = TcpStream::connect(program.address).await;
    assert!(program.process.is_running());
    let answer = held.finish().await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(program.process.wait(PATIENCE).code(), Some(0));
    // The listener is closed soon after the line in the log: a late connection may still get
    // through to the kernel, but never to the program.
    if let Ok(mut connection) = refused {
        connection.write_all(b"GET /livez HTTP/1.1\r\nHost: my-pay\r\n\r\n").await.ok();
        assert_eq!(connection.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_a_request_in_flight_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (program, held) = start_and_stop(&folder, Signal::TERM, "200").await;
    let ended = program.process.wait(PATIENCE);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("were cut off"), "{}", ended.stdout);
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_exits_at_once() {
    for (first, second) in [
        (Signal::TERM, Signal::TERM),
        (Signal::INT, Signal::INT),
        (Signal::TERM, Signal::INT),
        (Signal::INT, Signal::TERM),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (mut program, held) = start_and_stop(&folder, first, "600000").await;
        assert!(program.process.is_running(), "it waits for the request");
        program.process.signal(second);
        let ended = program.process.wait(PATIENCE);
        assert_eq!(ended.code(), Some(130));
        assert_eq!(ended.stderr, "my-pay: a second signal; exiting at once\n");
        drop(held);
    }
}
