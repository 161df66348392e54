//! The checks that neither rustfmt nor clippy knows. Every rule is a pure function from a file's
//! path and text to its findings; only this module reads files. A new rule is one more line in
//! [`RULES`].

mod manifest;
mod rust;
mod source;
mod sql;
mod text;

use std::{fs, io::ErrorKind, path::Path, process::Command};

/// What a rule has to say about one line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Counted from 1.
    line: usize,
    message: String,
}

impl Finding {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// Each rule decides by the path, relative to the root, whether a file is its business.
type Rule = fn(path: &str, text: &str) -> Vec<Finding>;

const RULES: &[Rule] = &[
    text::white_space,
    text::unfinished_work,
    rust::module_comment,
    rust::columns,
    rust::file_length,
    rust::unfinished_code,
    rust::unwrap_outside_tests,
    rust::sql_outside_store,
    sql::banned_in_mysql,
    manifest::crate_edges,
];

/// Checks every file that git tracks, or would if it were added, and reports all violations.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let paths = list_files(root)?;
    let mut violations = 0_usize;
    for path in paths.lines() {
        let Some(text) = read(root, path)? else { continue };
        for Finding { line, message } in check(path, &text) {
            eprintln!("{path}:{line}: {message}");
            violations += 1;
        }
    }
    match violations {
        0 => Ok(()),
        1 => Err("tidy found 1 violation".to_owned()),
        _ => Err(format!("tidy found {violations} violations")),
    }
}

fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(path, text)).collect();
    findings.sort_by_key(|finding| finding.line);
    findings
}

fn list_files(root: &Path) -> Result<String, String> {
    let output = Command::new("git")
        // In a container the checkout often belongs to another user, and git would refuse it.
        .arg("-c")
        .arg(format!("safe.directory={}", root.display()))
        .args(["-c", "core.quotePath=false"])
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run git, which lists the files to check: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git cannot list the files to check: {}", reason.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| "a file name is not UTF-8".to_owned())
}

/// The text of a file that some rule may read; `None` for images and the like, and for a file that
/// git still lists although it was deleted.
fn read(root: &Path, path: &str) -> Result<Option<String>, String> {
    if !text::is_text(path) {
        return Ok(None);
    }
    match fs::read_to_string(root.join(path)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {path}: {error}")),
    }
}

/// Whether `path` ends in `.extension`.
fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// Whether a whole file is tests.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

/// Whether a file is what a crate of ours is built from.
fn is_crate_source(path: &str) -> bool {
    path.starts_with("crates/") && path.contains("/src/") && has_extension(path, "rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_all_rules_come_in_the_order_of_lines() {
        let findings = check("crates/money/src/a.rs", "fn a() { b().unwrap(); } \n");
        let lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 1, 1]);
    }

    #[test]
    fn a_path_tells_what_a_file_is() {
        assert!(is_test("crates/money/src/engine/tests.rs"));
        assert!(is_test("crates/my-pay/tests/api/main.rs"));
        assert!(!is_test("crates/money/src/engine/contests.rs"));
        assert!(is_crate_source("crates/money/src/engine/mod.rs"));
        assert!(!is_crate_source("crates/money/Cargo.toml"));
        assert!(!is_crate_source("xtask/src/main.rs"));
    }

    #[test]
    fn this_repository_is_listed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(list_files(root).unwrap().lines().any(|path| path == "xtask/src/tidy/mod.rs"));
    }
}
