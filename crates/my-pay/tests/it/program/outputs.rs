//! Outputs that are closed, full, or that nothing reads: no panic, no request that waits, no stop
//! that takes longer than it may.

use std::{
    fs::{self, File},
    io::{PipeReader, Read as _, pipe},
    net::SocketAddr,
    os::unix::fs::FileTypeExt as _,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    Client, cluster, eventually,
    metrics::Scrape,
    process::{PATIENCE, Program, my_pay},
};

const DROPPED_FULL: &str = r#"mypay_log_lines_dropped_total{reason="full"}"#;
const DROPPED_FAILED: &str = r#"mypay_log_lines_dropped_total{reason="failed"}"#;

const FULL: &str =
    "my-pay: standard output cannot be written: No space left on device (os error 28)\n";

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that takes nothing more, and its reader, which must outlive it.
fn blocked() -> (Stdio, PipeReader) {
    use std::io::Write as _;
    let (reader, writer) = pipe().unwrap();
    let mut filling = writer.try_clone().unwrap();
    let flags = rustix::fs::OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&filling, flags).unwrap();
    while filling.write(&[b'.'; 4096]).is_ok() {}
    while filling.write(b".").is_ok() {}
    rustix::fs::fcntl_setfl(&filling, rustix::fs::OFlags::empty()).unwrap();
    (writer.into(), reader)
}

/// Two addresses that nothing else on this machine uses, as a program whose log is lost cannot say
/// which port it got: loopback addresses made of this process and a counter.
fn own_addresses() -> [SocketAddr; 2] {
    static COUNTER: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let host = [127, high | 1, low, COUNTER.fetch_add(1, Ordering::Relaxed)];
    [8_080, 8_081].map(|port| SocketAddr::from((host, port)))
}

/// A database with books, and the commands that print something about them.
fn commands() -> (tempfile::TempDir, Vec<Vec<&'static str>>) {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        "config",
        "--help",
        "--version",
        "help up",
        "admin audit --help",
        "migrate money --database-url sqlite:money.db",
        "admin audit --database-url sqlite:money.db",
    ];
    (folder, lines.map(|line| line.split(' ').collect()).to_vec())
}

/// A process that is killed, by its id, if a test fails before it ends.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
    }

    fn wait(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Runs a command with these outputs, and returns its code and what it complained of.
fn run(command: &mut Command, stdout: Stdio) -> (Option<i32>, String) {
    let mut child =
        command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    (child.wait().unwrap().code(), complaint)
}

#[test]
fn a_reader_that_is_gone_is_no_error() {
    let (folder, commands) = commands();
    for arguments in commands {
        let ended = run(&mut my_pay(folder.path(), &arguments), closed());
        assert_eq!(ended, (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn a_full_device_is_an_error_in_one_line() {
    let (folder, commands) = commands();
    for arguments in commands {
        let (code, complaint) = run(&mut my_pay(folder.path(), &arguments), full());
        assert_eq!((code, complaint.as_str()), (Some(1), FULL), "{arguments:?}");
    }
}

#[test]
fn errors_are_told_by_the_code_alone_if_standard_error_is_of_no_use() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in
        [(&["config", "--config", "nowhere"][..], 1), (&["admin", "audit"], 1), (&["nonsense"], 2)]
    {
        for stderr in [closed(), full()] {
            let mut command = my_pay(folder.path(), arguments);
            let status = command.stdout(Stdio::null()).stderr(stderr).status().unwrap();
            assert_eq!(status.code(), Some(code), "{arguments:?}");
        }
    }
    let (stderr, _reader) = blocked();
    let mut command = my_pay(folder.path(), &["config", "--config", "nowhere"]);
    assert_eq!(command.stderr(stderr).status().unwrap().code(), Some(1));
}

#[test]
fn a_command_that_waits_for_its_reader_ends_by_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let (stdout, _reader) = blocked();
    let mut command = my_pay(folder.path(), &["config"]);
    let mut child = Running::start(command.stdout(stdout).stderr(Stdio::null()));
    // It has read its configuration when it is blocked; before, the signal ends it as well.
    child.terminate();
    assert_ne!(child.wait(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_does_its_work_whatever_reads_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&mut Program::command(folder.path()));
    let url = format!("http://{}", program.address);
    for (name, stdout, code) in [("a", closed(), 0), ("b", full(), 1), ("c", closed(), 0)] {
        let mut seed = my_pay(folder.path(), &["seed", "--accounts", "3", "--url", &url]);
        seed.args(["--data-dir", "data", "--output", name]);
        let ended = run(&mut seed, stdout);
        let said = if code == 0 { "" } else { FULL };
        assert_eq!(ended, (Some(code), said.to_owned()));
        let lines = fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(lines.lines().count(), 3, "{lines}");
    }
    assert_eq!(program.stop().code(), Some(0));
}

#[test]
fn a_seed_replaces_no_device() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["seed", "--accounts", "1", "--output", "/dev/full"];
    let (code, complaint) = run(&mut my_pay(folder.path(), &arguments), Stdio::null());
    let refused = "my-pay: --output needs a regular file, but /dev/full is a device\n";
    assert_eq!((code, complaint.as_str()), (Some(1), refused));
    assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
}

/// The commands that serve, one with everything in it and one of those that run apart, with what
/// they need to serve at these addresses.
fn services(
    folder: &tempfile::TempDir,
    listen: SocketAddr,
    operations: SocketAddr,
) -> [Command; 2] {
    let listen = listen.to_string();
    let mut up = my_pay(folder.path(), &["up", "--demo", "--listen", &listen]);
    up.args(["--data-dir", "data", "--rate-limit", "off"]);
    let mut gateway = my_pay(folder.path(), &["gateway", "--listen", &listen]);
    gateway.args(["--account-upstream", "127.0.0.1:1", "--money-upstream", "127.0.0.1:1"]);
    gateway.args(["--rate-limit", "off"]).env("MY_PAY_IDENTITY_KEYS", cluster::IDENTITY_KEY);
    [up, gateway].map(|mut command| {
        command.env("MY_PAY_SERVER_OPERATIONS_LISTEN", operations.to_string());
        command.env("MY_PAY_SERVER_DRAIN_DELAY_MS", "0");
        command.env("MY_PAY_ACCOUNT_PASSWORD_MEMORY_KIB", "64");
        command
    })
}

async fn wait_until_alive(client: &Client) {
    eventually(PATIENCE, async || {
        client.get("/livez").exchange().await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_goes_on_without_a_log_and_says_so_once() {
    for (output, cause) in [
        (full as fn() -> Stdio, "No space left on device (os error 28)"),
        (closed, "Broken pipe (os error 32)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let [listen, operations] = own_addresses();
        for mut command in services(&folder, listen, operations) {
            let mut child = Running::start(command.stdout(output()).stderr(Stdio::piped()));
            let mut stderr = child.0.stderr.take().unwrap();
            let complaint = thread::spawn(move || {
                let mut text = String::new();
                stderr.read_to_string(&mut text).map(|_| text)
            });
            let client = Client::new(listen);
            wait_until_alive(&client).await;
            let refused = client.get("/money/v1/wallets").exchange().await.unwrap();
            assert!(matches!(refused.status, 401 | 503), "{refused:?}");
            eventually(PATIENCE, async || Scrape::of(operations).value(DROPPED_FAILED) > 1.0).await;
            child.terminate();
            assert_eq!(child.wait(), Some(0), "{command:?}");
            let said = format!("my-pay: the log cannot be written: {cause}\n");
            assert_eq!(complaint.join().unwrap().unwrap(), said, "{command:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nothing_reads_holds_no_request_and_no_stop() {
    let folder = tempfile::tempdir().unwrap();
    let [listen, operations] = own_addresses();
    for mut command in services(&folder, listen, operations) {
        let (stdout, stdout_reader) = blocked();
        let (stderr, stderr_reader) = blocked();
        command.args(["--log-format", "json"]).stdout(stdout).stderr(stderr);
        let mut child = Running::start(&mut command);
        // The writers that this process has would keep the pipes open.
        drop(command);
        let client = Client::new(listen);
        wait_until_alive(&client).await;
        // Far more than the pipe and the queue take.
        let callers = (0..16).map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                while Scrape::of(operations).value(DROPPED_FULL) < 100.0 {
                    for _ in 0..100 {
                        let answer = client.get("/money/v1/wallets").exchange().await.unwrap();
                        assert!(matches!(answer.status, 401 | 503));
                    }
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        for caller in callers {
            tokio::time::timeout(2 * PATIENCE, caller).await.expect("no request waits").unwrap();
        }
        assert_eq!(client.get("/livez").send().await.status, 200);
        child.terminate();
        let ended = tokio::task::spawn_blocking(move || child.wait());
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        assert_eq!(ended.expect("the stop is bounded").unwrap(), Some(0));
        drop((stdout_reader, stderr_reader));
    }
}

#[tokio::test]
async fn a_second_signal_ends_a_program_whose_outputs_are_blocked() {
    let folder = tempfile::tempdir().unwrap();
    let [listen, operations] = own_addresses();
    let [mut command, _] = services(&folder, listen, operations);
    let (stdout, _stdout_reader) = blocked();
    let (stderr, _stderr_reader) = blocked();
    command.env("MY_PAY_SERVER_DRAIN_TIMEOUT_MS", "600000").stdout(stdout).stderr(stderr);
    let mut child = Running::start(&mut command);
    wait_until_alive(&Client::new(listen)).await;
    // A request in flight, for which the stop waits: its body never comes.
    let mut pending = TcpStream::connect(listen).await.unwrap();
    let head = "POST /accounts/v1/auths HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                Content-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    pending.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 12];
    pending.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100");
    let mut idle = TcpStream::connect(listen).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    idle.read_exact(&mut interim).await.unwrap();
    child.terminate();
    // The stop has begun when a connection without a request is closed.
    let closed = tokio::time::timeout(PATIENCE, idle.read_to_end(&mut Vec::new())).await;
    closed.expect("it is closed").unwrap();
    assert!(child.0.try_wait().unwrap().is_none(), "it waits for the request");
    child.terminate();
    let ended = tokio::task::spawn_blocking(move || child.wait());
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
    assert_eq!(ended.expect("it ends at once").unwrap(), Some(130));
}
