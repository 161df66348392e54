//! The demonstration: what `--demo` prints can be pasted, and money moves.

use std::process::Command;

use expect_test::expect;
use serde_json::Value;

use super::refusal;
use crate::support::process::{PATIENCE, Process, Program, my_pay};

/// The running demonstration, with the curl lines that it has printed.
struct Demo {
    program: Program,
    send: String,
    wallets: String,
    transactions: String,
}

impl Demo {
    fn start(folder: &tempfile::TempDir) -> Self {
        let mut program = Program::start(Program::command(folder.path()).arg("--demo"));
        let mut next =
            || program.process.wait_for(|line| line.starts_with("curl ").then(|| line.to_owned()));
        let (send, wallets, transactions) = (next(), next(), next());
        Self { program, send, wallets, transactions }
    }
}

/// Runs a line as if it were pasted into a terminal.
fn paste(line: &str) -> Value {
    let ended = Process::start(Command::new("bash").args(["-c", line])).wait(PATIENCE);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{line}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{line}: {}", ended.stdout))
}

impl Demo {
    fn balance_of_bob(&self) -> Option<i64> {
        paste(&self.wallets)["items"][0]["balance"].as_i64()
    }

    fn stop(self) {
        assert_eq!(self.program.stop().code(), Some(0));
    }
}

#[test]
fn pasted_lines_move_money_once_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    assert_eq!(demo.balance_of_bob(), Some(100_000));
    let sent = paste(&demo.send);
    assert_eq!(
        (sent["status"].as_str(), sent["balance"].as_i64()),
        (Some("completed"), Some(97_000))
    );
    assert_eq!(demo.balance_of_bob(), Some(103_000));
    assert_eq!(paste(&demo.send), sent, "pasted twice, it moves money once");
    assert_eq!(demo.balance_of_bob(), Some(103_000));
    let history = paste(&demo.transactions);
    assert_eq!(history["items"][0]["transferId"], sent["id"]);
    assert_eq!(history["items"][0]["summary"], "lunch");
    demo.stop();

    let demo = Demo::start(&folder);
    assert_eq!(demo.balance_of_bob(), Some(103_000), "the funds are given once");
    assert_eq!(paste(&demo.send)["balance"], 94_000);
    assert_eq!(demo.balance_of_bob(), Some(106_000));
    demo.stop();
}

#[test]
fn the_demonstration_is_refused_where_others_could_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["up", "--demo", "--listen", "0.0.0.0:0", "--data-dir", "data"];
    expect![[r#"
        my-pay: --demo makes accounts with public passwords: it needs a loopback address
    "#]]
    .assert_eq(&refusal(&mut my_pay(folder.path(), &arguments)));
    assert!(!folder.path().join("data").exists());
}
