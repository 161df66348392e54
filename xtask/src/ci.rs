//! Everything that must hold before a change is merged, cheapest first; the first step that fails
//! ends the run. Continuous integration runs this and nothing else, so a laptop gives the same
//! answer.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::tidy;

const FORMAT: &[&str] = &["fmt", "--all", "--check"];
const CLIPPY: &[&str] =
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
const BUILD: &[&str] = &["build", "--workspace", "--all-targets", "--locked"];
const NEXTEST: &[&str] = &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"];
const TEST: &[&str] = &["test", "--workspace", "--locked"];
const DOC: &[&str] = &["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"];
// Advisories are left out: they need the network, and they change while the code does not.
const DENY: &[&str] = &["deny", "check", "licenses", "bans", "sources"];

/// Runs every step, and names the one that failed.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let start = Instant::now();
    step("format", || cargo(root, FORMAT))?;
    step("tidy", || tidy::run(root))?;
    step("watch", || script(root, "deploy/prometheus/check", &[]))?;
    step("dashboards", || script(root, "deploy/grafana/generate.py", &["--check"]))?;
    step("clippy", || cargo(root, CLIPPY))?;
    step("build", || cargo(root, BUILD))?;
    if has_subcommand("nextest") {
        step("test", || cargo(root, NEXTEST))?;
    } else {
        eprintln!("\n== test: cargo-nextest is not installed, so cargo test runs the tests");
        step("test", || cargo(root, TEST))?;
    }
    step("api", || script(root, "deploy/api-check/check", &[]))?;
    step("load", || script(root, "load/test", &[]))?;
    step("doc", || cargo(root, DOC))?;
    if has_subcommand("deny") {
        step("deny", || cargo(root, DENY))?;
    } else {
        eprintln!("\n== deny: skipped, cargo-deny is not installed");
    }
    eprintln!("\n== ci passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// A check that is a program of the project's own.
fn script(root: &Path, path: &str, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(root.join(path)).args(arguments).current_dir(root).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{path}` failed: {status}")),
        Err(error) => Err(format!("`{path}` cannot be run: {error}")),
    }
}

fn step(name: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    eprintln!("\n== {name}");
    let start = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "passed" } else { "failed" };
    eprintln!("== {name} {verdict} in {:.1} s", start.elapsed().as_secs_f64());
    outcome.map_err(|message| format!("ci stopped at {name}: {message}"))
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let shown = format!("cargo {}", arguments.join(" "));
    eprintln!("   {shown}");
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root);
    if arguments == DOC {
        command.env("RUSTDOCFLAGS", "-D warnings");
    }
    let status = command.status().map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
}

fn has_subcommand(name: &str) -> bool {
    let status = Command::new("cargo")
        .args([name, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
