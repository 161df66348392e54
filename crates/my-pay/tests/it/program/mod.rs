//! The program as its operator meets it: flags, variables and files, refusals in one clear line,
//! the demonstration, the operator's commands, and the log.

mod admin;
mod api_keys;
mod backup;
mod calls;
mod config;
mod demo;
mod evidence;
mod files;
mod interrupted;
mod log;
mod metrics;
mod operator;
mod outputs;
mod owner;
mod requirements;
mod start;
mod traces;

use std::process::Command;

use crate::support::process::{PATIENCE, Process};

/// What a refused command says: one line on standard error, nothing else. Folded, to be read here.
fn refusal(command: &mut Command) -> String {
    let ended = Process::start(command).wait(PATIENCE);
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""), "{command:?}");
    assert_eq!(ended.stderr.matches('\n').count(), 1, "{}", ended.stderr);
    folded(&ended.stderr)
}

/// The words of a line, on as many lines as they need here.
fn folded(line: &str) -> String {
    const COLUMNS_MAX: usize = 80;
    let (mut text, mut columns) = (String::new(), 0);
    for word in line.split_whitespace() {
        if columns > 0 && columns + word.len() >= COLUMNS_MAX {
            text.push_str("\n    ");
            columns = 4;
        } else if columns > 0 {
            text.push(' ');
            columns += 1;
        }
        text.push_str(word);
        columns += word.len();
    }
    text + "\n"
}
