//! The commands of the README that start the services apart, pasted as they are but for ports.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use testing::{MariaDb, Redis};

use crate::support::{
    Client, Person, eventually,
    process::{PATIENCE, Process},
};

const README: &str = include_str!("../../../../README.md");

/// The ports that the README names, of which others may have some here.
const PORTS: [&str; 6] = ["8080", "8081", "8082", "8083", "8084", "8085"];

/// What is printed after the last command.
const ALL_RUN: &str = "all commands have run";

/// All blocks marked `sh apart`, one after the other.
fn documented() -> String {
    let mut script = String::new();
    for block in README.split("```sh apart\n").skip(1) {
        script += block.split("```").next().unwrap();
    }
    assert!(script.contains("my-pay gateway"), "the blocks are there");
    script
}

/// Free ports. Taken all at once, so that no two are the same.
fn free_ports() -> Vec<String> {
    let listeners = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port().to_string()).to_vec()
}

/// A program of this name in a folder.
pub(crate) fn write_program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Programs as the README expects them in the PATH. Whatever happens, none outlives the test long.
fn write_programs(folder: &Path, mariadb: &MariaDb) {
    let my_pay = env!("CARGO_BIN_EXE_my-pay");
    write_program(folder, "sudo", "exec \"$@\"");
    let (host, port) = (mariadb.address().ip(), mariadb.address().port());
    let client = format!("/usr/bin/mariadb --no-defaults --user=root --host={host} --port={port}");
    write_program(folder, "mariadb", &format!("exec {client} \"$@\""));
    write_program(folder, "my-pay", &format!("exec timeout --kill-after=5 120 {my_pay} \"$@\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_start_apart_as_the_readme_says() {
    let (mariadb, redis) = (MariaDb::start(), Redis::start());
    let folder = tempfile::tempdir().unwrap();
    write_programs(folder.path(), &mariadb);
    let ports = free_ports();
    let mut script = documented()
        .replace("127.0.0.1:3306", &mariadb.address().to_string())
        .replace("127.0.0.1:6379", &redis.address().to_string())
        .replace("my-pay gateway", "my-pay gateway --listen 127.0.0.1:8080");
    for (documented, free) in PORTS.iter().zip(&ports) {
        script = script.replace(&format!("127.0.0.1:{documented}"), &format!("127.0.0.1:{free}"));
    }
    // An answer has no end of line. And as the terminal does when it is closed.
    let script = format!(
        "set -e\n{script}\necho {ALL_RUN}\ntrap 'kill $(jobs -p)' TERM\nwait || true\nwait\n"
    );
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env_clear().env("PATH", path).current_dir(folder.path());
    let mut terminal = Process::start(&mut command);

    let address: SocketAddr = format!("127.0.0.1:{}", ports[0]).parse().unwrap();
    let client = Client::new(address);
    eventually(Duration::from_secs(30), async || {
        let ready = client.get("/readyz").try_send().await;
        !terminal.is_running() || matches!(ready, Ok(answer) if answer.status == 200)
    })
    .await;
    assert!(terminal.is_running(), "a command failed: {:#?}", terminal.wait(PATIENCE));
    // What the backend and its customer are answered, in this order, perhaps on one line.
    terminal.wait_for(|line| line.contains(ALL_RUN).then_some(()));
    let said = terminal.lines.concat();
    let mut rest = &said[..];
    for answer in [
        r#""email":"ann@example.com""#,
        r#""balance":0"#,
        r#""summary":"card payment","balance":5000"#,
        r#""balance":5000"#,
        r#""scope":"money:fund""#,
        r#""scope":"money:send""#,
    ] {
        let at = rest.find(answer).unwrap_or_else(|| panic!("{answer}: {said}"));
        rest = &rest[at + answer.len()..];
    }
    let bob = Person::register(client, "Bob").await.with_wallet().await;
    assert_eq!(bob.balance().await, 0);
    terminal.signal(Signal::TERM);
    terminal.wait(PATIENCE);
}
