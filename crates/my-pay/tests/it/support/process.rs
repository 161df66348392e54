//! Programs as processes of their own: started, waited for, signalled and killed, all in bounded
//! time. Whatever is still running when its value is dropped is killed, by its id.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::spawn,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::Client;

/// How long anything may take that has no bound of its own. Generous: machines are slow and shared.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A started program, whose output is read all the time, so that it never waits for us.
pub struct Process {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// What it has written to standard output so far, as far as it was looked at.
    pub lines: Vec<String>,
    /// The same of standard error.
    complaints: Vec<String>,
}

/// What an ended program leaves.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                let program = command.get_program().display();
                panic!("the program `{program}`, which this test needs, cannot be started: {error}")
            });
        let stdout = read_lines(child.stdout.take().unwrap());
        let stderr = read_lines(child.stderr.take().unwrap());
        Self { child, stdout, stderr, lines: Vec::new(), complaints: Vec::new() }
    }

    /// Reads on until a line of standard output is what is looked for.
    pub fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match next_line(&self.stdout, deadline) {
                Ok(line) => {
                    let found = find(&line);
                    self.lines.push(line);
                    if let Some(found) = found {
                        return found;
                    }
                }
                Err(error) => {
                    let stderr: Vec<_> = self.stderr.try_iter().collect();
                    panic!("{error}; standard output {:#?}, error {stderr:#?}", self.lines);
                }
            }
        }
    }

    /// Reads on until a line of standard error contains this.
    pub fn wait_for_complaint(&mut self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = next_line(&self.stderr, deadline)
                .unwrap_or_else(|error| panic!("{error}; standard error {:#?}", self.complaints));
            self.complaints.push(line);
            if self.complaints.last().is_some_and(|line| line.contains(part)) {
                return;
            }
        }
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end, which is when nobody can write to its outputs any more.
    pub fn wait(mut self, patience: Duration) -> Ended {
        let deadline = Instant::now() + patience;
        for (source, lines) in
            [(&self.stdout, &mut self.lines), (&self.stderr, &mut self.complaints)]
        {
            loop {
                match next_line(source, deadline) {
                    Ok(line) => lines.push(line),
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => panic!("no end within {patience:?}"),
                }
            }
        }
        let status = self.child.wait().unwrap();
        let text = |lines: &[String]| lines.iter().fold(String::new(), |text, line| text + line);
        Ended { status, stdout: text(&self.lines), stderr: text(&self.complaints) }
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Ended {
    /// The exit code; none if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// Lines with their ends, as they come.
fn read_lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    spawn(move || {
        let mut source = BufReader::new(source);
        let mut bytes = Vec::new();
        while source.read_until(b'\n', &mut bytes).unwrap() > 0 {
            let line = String::from_utf8_lossy(&bytes).into_owned();
            bytes.clear();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn next_line(source: &Receiver<String>, deadline: Instant) -> Result<String, RecvTimeoutError> {
    source.recv_timeout(deadline.saturating_duration_since(Instant::now()))
}

/// The program with these arguments, in this folder, and with nothing of our environment.
pub fn my_pay(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_my-pay"));
    command.env_clear().current_dir(folder).args(arguments);
    command
}

/// Runs the program with these arguments, in this folder, to its end.
pub fn run_my_pay(folder: &Path, arguments: &[&str]) -> Ended {
    Process::start(&mut my_pay(folder, arguments)).wait(PATIENCE)
}

/// `my-pay up`, answering.
pub struct Program {
    pub process: Process,
    pub address: SocketAddr,
}

impl Program {
    /// On a free port, with its data in `data` of this folder, without rate limits.
    pub fn command(folder: &Path) -> Command {
        let mut command = my_pay(folder, &["up", "--listen", "127.0.0.1:0", "--data-dir", "data"]);
        command.args(["--log-format", "json", "--rate-limit", "off"]);
        command.env("MY_PAY_ACCOUNT_PASSWORD_MEMORY_KIB", "64");
        command.env("MY_PAY_ACCOUNT_PASSWORD_ITERATIONS", "1");
        command.env("MY_PAY_MONEY_SELF_SERVICE_FUNDING", "true");
        command
    }

    /// Starts it and waits until it listens. Its log must be JSON.
    pub fn start(command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let address = process.wait_for(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            line["listen"].as_str()?.parse().ok()
        });
        Self { process, address }
    }

    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Stops it as a service manager does.
    pub fn stop(self) -> Ended {
        self.process.signal(Signal::TERM);
        self.process.wait(PATIENCE)
    }
}
