//! A server as a child process, whatever it serves: started on a free port, waited for, signalled
//! by its process id, and gone when the value is dropped or this process ends in any way.

use std::{
    fs::{self, File},
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::{net::UnixStream, process::ExitStatusExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take until it answers. Generous: the machine may be busy.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// How long the system may take to freeze it.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Ports to try before giving up: another process may take one between the look and the start.
const PORTS_TRIED_MAX: usize = 20;

/// A running server, and how to start it again.
#[derive(Debug)]
pub(crate) struct Server {
    program: &'static str,
    /// Whether the server answers on this fresh connection to its private socket.
    answers: fn(UnixStream) -> bool,
    address: SocketAddr,
    arguments: Vec<String>,
    processes: Option<Processes>,
    folder: TempDir,
}

#[derive(Debug)]
struct Processes {
    server: Child,
    /// Ends the server if this process dies without dropping the value.
    guard: Child,
}

impl Server {
    /// Starts `program` in `folder` on a free port, with the arguments that `arguments` makes of
    /// the address. The arguments must name [`Server::socket`] in the folder.
    pub(crate) fn start(
        program: &'static str,
        folder: TempDir,
        answers: fn(UnixStream) -> bool,
        arguments: impl Fn(SocketAddr) -> Vec<String>,
    ) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server =
            Self { program, answers, address, arguments: Vec::new(), processes: None, folder };
        for _ in 0..PORTS_TRIED_MAX {
            server.address.set_port(free_port());
            server.arguments = arguments(server.address);
            if server.run() {
                return server;
            }
            let log = server.log_tail();
            assert!(log.to_lowercase().contains("in use"), "{program} did not start:\n{log}");
        }
        panic!("{program} found none of {PORTS_TRIED_MAX} ports free");
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The private socket, on which nobody but this server can be listening.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        let Some(mut processes) = self.processes.take() else { return };
        // The guard goes first, so that it can never signal a process id that is in use again.
        for child in [&mut processes.guard, &mut processes.server] {
            // Fails only if it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Freezes it: connections stay open, and nothing answers, once this returns.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        // The signal is sent before it is obeyed, thread by thread.
        let processes = self.processes.as_ref().expect("only a running server can be frozen");
        let tasks = format!("/proc/{}/task", processes.server.id());
        let deadline = Instant::now() + STOP_PATIENCE;
        while !all_stopped(&tasks) {
            assert!(Instant::now() < deadline, "the server is not frozen after {STOP_PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Undoes [`Server::stop`].
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it at once, if it runs, and starts it on the same port and data.
    pub(crate) fn restart(&mut self) {
        self.kill();
        // The port stays its own, except from a process that looks for one at this very moment.
        let started = self.run();
        assert!(started, "{} did not start again:\n{}", self.program, self.log_tail());
    }

    fn signal(&self, signal: Signal) {
        let processes = self.processes.as_ref().expect("only a running server can be signalled");
        kill_process(pid(&processes.server), signal).expect("a child of ours takes signals");
    }

    /// Whether it started. Panics if it neither starts nor ends in time.
    fn run(&mut self) -> bool {
        // A stale socket would look like the new one.
        let _ = fs::remove_file(self.socket());
        let log = File::create(self.log_path()).expect("the log is in our own folder");
        let server = Command::new(self.program)
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be written twice"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} must be installed: {error}", self.program));
        let guard = guard(&server, &self.folder);
        self.processes = Some(Processes { server, guard });

        let give_up_at = Instant::now() + START_TIMEOUT;
        while Instant::now() < give_up_at {
            if UnixStream::connect(self.socket()).is_ok_and(self.answers) {
                return true;
            }
            let processes = self.processes.as_mut().expect("it was spawned above");
            if let Some(status) = processes.server.try_wait().expect("a child can be waited for") {
                assert!(status.signal().is_none(), "{} was ended by {status}", self.program);
                self.kill();
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{} did not answer in time:\n{}", self.program, self.log_tail());
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A shell that reads from a pipe which nobody writes to. When this process ends, however it ends,
/// the pipe closes, and the shell ends the server and removes its folder.
fn guard(server: &Child, folder: &TempDir) -> Child {
    Command::new("sh")
        .args(["-c", r#"read -r _; kill -KILL "$1"; rm -rf "$2""#, "guard"])
        .arg(server.id().to_string())
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("every Unix has a shell")
}

fn pid(child: &Child) -> Pid {
    let id = i32::try_from(child.id()).expect("process ids are positive and small");
    Pid::from_raw(id).expect("a child is not process 0")
}

/// A port, held until the listener is dropped: for a server whose address others must know before
/// it starts.
pub fn reserve_port() -> TcpListener {
    loop {
        let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())) else { continue };
        return listener;
    }
}

/// A port that nobody listens on. From below the range that outgoing connections take theirs from,
/// so that none of them occupies it while the server is down.
fn free_port() -> u16 {
    loop {
        let random = RandomState::new().hash_one(()) % 12_000;
        let port = 20_000 + u16::try_from(random).expect("it is below 12,000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Whether every thread below a process's `task` folder is stopped, as `stat` says behind the name.
fn all_stopped(tasks: &str) -> bool {
    let threads = std::fs::read_dir(tasks).expect("the server runs");
    threads.flatten().all(|thread| {
        // A thread that has ended meanwhile does nothing any more.
        std::fs::read_to_string(thread.path().join("stat")).map_or(true, |stat| {
            stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
        })
    })
}
