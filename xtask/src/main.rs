//! The developer commands, run as `cargo xtask <command>`. Standard library only, so that they
//! build in a moment and nothing else has to be installed first.

mod ci;
mod tidy;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

const HELP: &str = "\
Usage: cargo xtask <command>

  ci     what continuous integration runs, in order: format check, tidy, clippy, build, tests,
         documentation, licences
  tidy   the checks of this repository that neither rustfmt nor clippy knows
  help   this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["ci"] => ci::run(&root()),
        ["tidy"] => tidy::run(&root()),
        [] | ["help" | "--help" | "-h"] => {
            eprint!("{HELP}");
            Ok(())
        }
        other => Err(format!("no such command: {}; see `cargo xtask help`", other.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace, wherever the command was called from.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("this package is a directory of the workspace").to_path_buf()
}
