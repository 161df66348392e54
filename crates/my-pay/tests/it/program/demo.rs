//! The demonstration: what `--demo` prints can be pasted, and money moves; its passwords are drawn
//! once and kept; its data directory is served on loopback addresses only.

mod marked;
mod people;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::{PATIENCE, Process, Program, run_my_pay};

/// The running demonstration, with what it has printed.
struct Demo {
    program: Program,
    /// From its first line to its last.
    said: Vec<String>,
}

impl Demo {
    fn start(folder: &TempDir) -> Self {
        let mut program = Program::start(&mut Self::command(folder));
        program.process.wait_for(|line| line.starts_with(FIRST_WORDS).then_some(()));
        let begin = program.process.lines.len() - 1;
        program.process.wait_for(|line| line.contains(LAST_WORDS).then_some(()));
        let said = program.process.lines[begin..].to_vec();
        Self { program, said }
    }

    fn command(folder: &TempDir) -> Command {
        let mut command = Program::command(folder.path());
        command.arg("--demo");
        // The demonstration switches it on itself.
        command.env_remove("MY_PAY_MONEY_SELF_SERVICE_FUNDING");
        command
    }

    /// The lines to paste that contain this: people's, or the backend's.
    fn lines_of(&self, is_backend: bool, part: &str) -> Vec<&str> {
        let curls = self.said.iter().filter(|line| line.starts_with("curl "));
        let curls = curls.filter(|line| line.contains("Bearer mpk_") == is_backend);
        curls.filter(|line| line.contains(part)).map(|line| line.trim_end()).collect()
    }

    fn curls(&self, part: &str) -> Vec<&str> {
        self.lines_of(false, part)
    }

    fn backend(&self, part: &str) -> &str {
        let found = self.lines_of(true, part);
        assert_eq!(found.len(), 1, "{part}: {:#?}", self.said);
        found[0]
    }

    fn curl(&self, part: &str) -> &str {
        let found = self.curls(part);
        assert_eq!(found.len(), 1, "{part}: {:#?}", self.said);
        found[0]
    }

    /// What is said of a person, on one line.
    fn of(&self, name: &str) -> String {
        let begin = self.said.iter().position(|line| line.starts_with(&format!("{name}: ")));
        let begin = begin.unwrap_or_else(|| panic!("{name} is not there: {:#?}", self.said));
        let more = self.said[begin + 1..].iter().take_while(|line| line.starts_with("    "));
        let lines = [&self.said[begin]].into_iter().chain(more);
        lines.map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    /// The word after this one in what is said of a person.
    fn word(&self, name: &str, before: &str) -> String {
        let text = self.of(name);
        let (_, after) = text.split_once(before).unwrap_or_else(|| panic!("{before}: {text}"));
        after.trim_start().split([' ', ',']).next().unwrap().to_owned()
    }

    fn passwords(&self) -> [String; 2] {
        ["Ann", "Bob"].map(|name| self.word(name, "password"))
    }

    fn balance_of_bob(&self) -> Option<i64> {
        paste(self.curl("/money/v1/wallets"))["items"][0]["balance"].as_i64()
    }

    fn send(&self) -> Value {
        paste(self.curl("/money/v1/transfers"))
    }

    fn stop(self) {
        assert_eq!(self.program.stop().code(), Some(0));
    }
}

const FIRST_WORDS: &str = "The demonstration";
const LAST_WORDS: &str = "/accounts/docs/index.html";

/// Runs a line as if it were pasted into a terminal.
fn paste(line: &str) -> Value {
    let ended = Process::start(Command::new("bash").args(["-c", line])).wait(PATIENCE);
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{line}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{line}: {}", ended.stdout))
}

fn file(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("data/demonstration.json")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn pasted_lines_move_money_once_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    assert_eq!(demo.balance_of_bob(), Some(100_000));
    let sent = demo.send();
    assert_eq!(
        (sent["status"].as_str(), sent["balance"].as_i64()),
        (Some("completed"), Some(97_000))
    );
    assert_eq!(demo.balance_of_bob(), Some(103_000));
    assert_eq!(demo.send(), sent, "pasted twice, it moves money once");
    assert_eq!(demo.balance_of_bob(), Some(103_000));
    let history = paste(demo.curl("/money/v1/transactions"));
    assert_eq!(history["items"][0]["transferId"], sent["id"]);
    assert_eq!(history["items"][0]["summary"], "lunch");
    assert_eq!(paste(demo.curl("/money/v1/deposits"))["balance"], 103_500);
    assert!(demo.said.concat().contains("switched on money.self_service_funding"));
    demo.stop();

    let demo = Demo::start(&folder);
    assert_eq!(demo.balance_of_bob(), Some(103_500), "the funds are given once");
    assert_eq!(demo.send()["balance"], 94_000);
    assert_eq!(demo.balance_of_bob(), Some(106_500));
    demo.stop();
}

#[test]
fn passwords_are_drawn_once_and_kept_for_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    let drawn = demo.passwords();
    assert_ne!(drawn[0], drawn[1]);
    for (name, password) in ["ann", "bob"].into_iter().zip(&drawn) {
        assert_eq!(password.len(), 19, "{password}");
        let address = demo.program.address;
        let line = format!(
            "curl -s http://{address}/accounts/v1/auths -H 'Content-Type: application/json' \
             -d '{{\"email\": \"{name}@example.com\", \"password\": \"{password}\"}}'"
        );
        assert!(paste(&line)["accessToken"].is_string(), "{name} can log in");
    }
    assert_eq!(mode(&file(&folder)), 0o600);
    demo.stop();
    fs::set_permissions(file(&folder), fs::Permissions::from_mode(0o644)).unwrap();
    let again = Demo::start(&folder);
    assert_eq!(again.passwords(), drawn);
    assert_eq!(mode(&file(&folder)), 0o600);
    again.stop();

    let other = tempfile::tempdir().unwrap();
    let demo = Demo::start(&other);
    assert!(demo.passwords().iter().all(|password| !drawn.contains(password)));
    demo.stop();
}

#[test]
fn a_start_after_a_crash_at_any_line_works() {
    for count in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start(&mut Demo::command(&folder));
        let mut last = String::new();
        for _ in 0..count {
            last = process.wait_for(|line| Some(line.to_owned()));
        }
        process.kill();
        drop(process);
        let kept = fs::read_to_string(file(&folder)).ok();
        let demo = Demo::start(&folder);
        if let Some(kept) = kept {
            let kept: Value = serde_json::from_str(&kept).unwrap();
            assert_eq!(demo.passwords(), ["ann", "bob"].map(|name| text_of(&kept, name)));
        }
        assert_eq!(demo.send()["balance"], 97_000, "after {last}");
        assert_eq!(demo.balance_of_bob(), Some(103_000), "after {last}");
        demo.stop();
        if last.starts_with(FIRST_WORDS) {
            assert!(count > 5, "it says what it does before it is ready");
            return;
        }
    }
}

#[test]
fn a_backend_acts_for_bob_within_its_scopes() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    let secret = demo.word("A company's backend", "API key 1, ");
    assert!(demo.of("A company's backend").ends_with(
        "scopes accounts:read wallets:read wallets:write money:send money:fund books:read"
    ));
    let topped_up = paste(demo.backend("/money/v1/deposits"));
    assert_eq!(topped_up["balance"], 105_000);
    assert_eq!(paste(demo.backend("/money/v1/deposits")), topped_up, "once");
    let history = paste(demo.backend("/money/v1/transactions"));
    assert_eq!(history["items"][0]["summary"], "paid by card");
    let refused = paste(demo.backend("/operations"));
    assert_eq!((&refused["status"], &refused["code"]), (&403.into(), &"insufficient_scope".into()));
    assert_eq!(refused["scope"], "operate");
    demo.stop();

    let demo = Demo::start(&folder);
    assert_eq!(demo.word("A company's backend", "API key 1, "), secret);
    assert_eq!(paste(demo.backend("/money/v1/deposits"))["balance"], 110_000);
    demo.stop();

    let revoke = ["admin", "api-key", "revoke", "1", "--data-dir", "data"];
    assert_eq!(run_my_pay(folder.path(), &revoke).code(), Some(0));
    let demo = Demo::start(&folder);
    assert!(demo.of("A company's backend").contains("API key 1 is revoked"), "{:?}", demo.said);
    assert_eq!(demo.lines_of(true, ""), Vec::<&str>::new());
    demo.stop();

    // As a crash before the key was kept leaves it: there is one that can be used, and no other.
    let kept: Value = serde_json::from_str(&fs::read_to_string(file(&folder)).unwrap()).unwrap();
    let mut without_key = kept.clone();
    without_key.as_object_mut().unwrap().remove("apiKey");
    for expected in [2, 3] {
        fs::write(file(&folder), without_key.to_string()).unwrap();
        let demo = Demo::start(&folder);
        let of = demo.of("A company's backend");
        assert!(of.contains(": API key "), "{of}");
        assert_eq!(paste(demo.backend("/money/v1/deposits"))["status"], "completed");
        let list = ["admin", "api-key", "list", "--data-dir", "data"];
        let listed = run_my_pay(folder.path(), &list).stdout;
        assert_eq!(listed.matches("active").count(), 1, "{listed}");
        assert_eq!(listed.matches("revoked").count(), expected - 1, "{listed}");
        demo.stop();
    }
}

fn text_of(kept: &Value, name: &str) -> String {
    kept[format!("{name}Password")].as_str().unwrap().to_owned()
}

/// What a crash between steps leaves that no line of the log stands between.
#[test]
fn a_start_after_a_crash_between_two_steps_works() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&folder);
    let drawn = demo.passwords();
    demo.stop();
    let database = || rusqlite::Connection::open(folder.path().join("data/account.db")).unwrap();
    let forget = "DELETE FROM auth_tokens; DELETE FROM accounts";
    let kept = fs::read_to_string(file(&folder)).unwrap();
    let unset = kept.replace("\"areSet\": true", "\"areSet\": false");
    assert_ne!(kept, unset);
    for (what, accounts, content, keeps) in [
        ("Ann is registered", format!("{forget} WHERE name = 'Bob'"), Some(&unset), true),
        ("the file is written", forget.to_owned(), Some(&unset), true),
        ("the directory is marked", forget.to_owned(), None, false),
    ] {
        database().execute_batch(&accounts).unwrap();
        match content {
            Some(content) => fs::write(file(&folder), content).unwrap(),
            None => fs::remove_file(file(&folder)).unwrap(),
        }
        let demo = Demo::start(&folder);
        assert_eq!(demo.passwords() == drawn, keeps, "{what}");
        assert_eq!(demo.send()["status"], "completed", "{what}");
        demo.stop();
    }
}
