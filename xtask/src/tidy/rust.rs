//! Rules for Rust source.

use super::{
    Finding, has_extension, is_crate_source, is_test,
    source::{self, numbered},
};

const COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 500;

/// Code that says that it is not finished, or a test that says that it does not run.
const UNFINISHED: &[(&str, &str)] = &[
    ("todo!", "code that is not written yet"),
    ("unimplemented!", "code that is not written yet"),
    ("#[ignore", "a test that never runs proves nothing: gate a slow one by a variable"),
];

/// First words of a statement that takes a second one, and the second word where English, or the
/// name of an HTTP method, could start with the same first one.
const STATEMENTS: &[(&str, &[&str])] = &[
    ("ALTER", &[]),
    ("ATTACH", &[]),
    ("CREATE", &[]),
    ("DELETE", &["FROM"]),
    ("DROP", &[]),
    ("INSERT", &[]),
    ("PRAGMA", &[]),
    ("REPLACE", &["INTO"]),
    ("SELECT", &[]),
    ("SET", &["GLOBAL", "NAMES", "SESSION", "TRANSACTION"]),
    ("START", &["TRANSACTION"]),
    ("UPDATE", &[]),
    ("WITH", &[]),
];

/// Statements that may be one word long.
const LONE_STATEMENTS: &[&str] = &["BEGIN", "COMMIT", "ROLLBACK", "VACUUM"];

/// Each file says what it is for before anything else.
pub(crate) fn module_comment(path: &str, text: &str) -> Vec<Finding> {
    if !has_extension(path, "rs") || text.starts_with("//!") {
        return Vec::new();
    }
    vec![Finding::new(1, "open the file with `//!`: what it is for, and what it must not do")]
}

/// rustfmt leaves comments and strings as long as they are.
pub(crate) fn columns(path: &str, text: &str) -> Vec<Finding> {
    // A snapshot in a test is as wide as what it shows.
    if is_test(path) {
        return Vec::new();
    }
    if !has_extension(path, "rs") {
        return Vec::new();
    }
    let widths = numbered(text).map(|(line, content)| (line, content.chars().count()));
    widths
        .filter(|(_, columns)| *columns > COLUMNS_MAX)
        .map(|(line, columns)| {
            Finding::new(line, format!("{columns} columns, at most {COLUMNS_MAX}"))
        })
        .collect()
}

/// A file of this length does two things.
pub(crate) fn file_length(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    if !is_crate_source(path) || is_test(path) || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![Finding::new(lines, format!("{lines} lines, at most {FILE_LINES_MAX}: split the file"))]
}

/// What is merged is finished, and every test runs.
pub(crate) fn unfinished_code(path: &str, text: &str) -> Vec<Finding> {
    if !has_extension(path, "rs") {
        return Vec::new();
    }
    let code = source::split(text).code;
    let mut findings = Vec::new();
    for (line, content) in numbered(&code) {
        for (sign, reason) in UNFINISHED.iter().filter(|(sign, _)| content.contains(sign)) {
            findings.push(Finding::new(line, format!("`{sign}`: {reason}")));
        }
    }
    findings
}

/// A crate of ours answers an error, or says in an `expect` why there can be none.
pub(crate) fn unwrap_outside_tests(path: &str, text: &str) -> Vec<Finding> {
    if !is_crate_source(path) || is_test(path) {
        return Vec::new();
    }
    let code = source::split(text).code;
    let tests_start = tests_start(&code);
    numbered(&code)
        .take_while(|(line, _)| *line < tests_start)
        .filter(|(_, content)| content.contains(".unwrap()"))
        .map(|(line, _)| Finding::new(line, "`.unwrap()` outside tests: use `?` or `expect`"))
        .collect()
}

/// SQL has one home. This package is exempt, since its tests are full of what they forbid, and so
/// are tests and the servers that they start.
pub(crate) fn sql_outside_store(path: &str, text: &str) -> Vec<Finding> {
    let exempt = path.starts_with("xtask/")
        || path.starts_with("crates/testing/")
        || path.split('/').any(|part| part == "tests");
    let at_home = path.split('/').any(|part| part == "store");
    if !has_extension(path, "rs") || exempt || at_home {
        return Vec::new();
    }
    let strings = source::split(text).strings;
    let statements = strings.iter().filter(|literal| is_statement(&literal.text));
    statements
        .map(|literal| Finding::new(literal.line, "SQL outside a `store/` directory"))
        .collect()
}

/// The first line of the tests in a file. By our layout they come last; a module of tests that
/// lives in a file of its own is only named, and starts nothing here.
pub(super) fn tests_start(code: &str) -> usize {
    let following = code.lines().skip(1).map(str::trim).chain([""]);
    numbered(code)
        .zip(following)
        .find(|((_, content), next)| {
            let names_file = next.contains("mod ") && next.ends_with(';');
            content.trim().starts_with("#[cfg(test)]") && !names_file
        })
        .map_or(usize::MAX, |((line, _), _)| line)
}

pub(super) fn is_statement(text: &str) -> bool {
    // A literal may open with an escaped newline.
    let text = text.replace("\\n", " ").replace('\\', " ");
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    if LONE_STATEMENTS.contains(&first.trim_end_matches(';')) {
        return true;
    }
    let Some(second) = words.next() else { return false };
    STATEMENTS
        .iter()
        .any(|(opens, then)| first == *opens && (then.is_empty() || then.contains(&second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "crates/money/src/engine/mod.rs";

    #[track_caller]
    fn check(rule: super::super::Rule, path: &str, text: &str, lines: &[usize]) {
        let found: Vec<usize> = rule(path, text).iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{path}: {text:?}");
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        check(module_comment, "a.rs", "//! Money.\n", &[]);
        check(module_comment, "a.md", "# Money\n", &[]);
        check(module_comment, "a.rs", "// Money.\n", &[1]);
        check(module_comment, "a.rs", "", &[1]);
    }

    #[test]
    fn lines_are_counted_in_characters() {
        let widest = "\u{e9}".repeat(COLUMNS_MAX);
        check(columns, "a.rs", &format!("{widest}\n"), &[]);
        check(columns, "a.md", &format!("{widest}a\n"), &[]);
        check(columns, "a.rs", &format!("\n{widest}a\n"), &[2]);
    }

    #[test]
    fn long_files_are_refused_unless_they_are_tests() {
        let longest = "\n".repeat(FILE_LINES_MAX);
        let longer = "\n".repeat(FILE_LINES_MAX + 1);
        check(file_length, SOURCE, &longest, &[]);
        check(file_length, "crates/money/src/engine/tests.rs", &longer, &[]);
        check(file_length, "crates/money/tests/api.rs", &longer, &[]);
        check(file_length, SOURCE, &longer, &[501]);
    }

    #[test]
    fn unfinished_code_is_refused() {
        check(unfinished_code, "a.rs", "// no todo!() and no #[ignore]\n\"todo!()\"\n", &[]);
        check(unfinished_code, "a.rs", "todo!()\nunimplemented!(\"later\")\n", &[1, 2]);
        check(unfinished_code, "a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n", &[2]);
    }

    #[test]
    fn unwrap_is_for_tests() {
        let call = "a().unwrap();\n";
        let tests = format!("#[cfg(test)]\nmod tests {{\n{call}}}\n");
        check(unwrap_outside_tests, SOURCE, "/// a.unwrap()\na.unwrap_or(\".unwrap()\");\n", &[]);
        check(unwrap_outside_tests, SOURCE, &tests, &[]);
        check(unwrap_outside_tests, "crates/money/src/tests.rs", call, &[]);
        check(unwrap_outside_tests, "crates/money/tests/api.rs", call, &[]);
        check(unwrap_outside_tests, "bench/src/main.rs", call, &[]);
        check(unwrap_outside_tests, SOURCE, &format!("{call}{tests}"), &[1]);
        check(unwrap_outside_tests, SOURCE, &format!("#[cfg(test)]\nmod tests;\n{call}"), &[3]);
    }

    #[test]
    fn sql_has_one_home() {
        let sql = "//! SELECT id FROM a\nlet all = \"SELECT id FROM a\";\n";
        check(sql_outside_store, "crates/money/src/store/sqlite.rs", sql, &[]);
        check(sql_outside_store, "crates/money/tests/conformance.rs", sql, &[]);
        check(sql_outside_store, "xtask/src/tidy/rust.rs", sql, &[]);
        check(sql_outside_store, "crates/money/src/store/schema.sql", sql, &[]);
        check(sql_outside_store, SOURCE, sql, &[2]);
        check(sql_outside_store, "crates/money/src/bookstore/a.rs", sql, &[2]);
        check(sql_outside_store, "bench/src/main.rs", sql, &[2]);
    }

    #[test]
    fn a_statement_is_told_from_prose() {
        for text in [
            "SELECT id FROM a",
            "\\\n    INSERT INTO a (id) VALUES (?)",
            "\\nUPDATE a SET b = ?",
            "DELETE FROM a",
            "CREATE TABLE a (id)",
            "PRAGMA user_version",
            "BEGIN",
            "BEGIN IMMEDIATE",
            "COMMIT;",
            "START TRANSACTION",
        ] {
            assert!(is_statement(text), "{text}");
        }
        for text in ["", "DELETE", "DELETE /v1/tokens", "SELECT", "Select one", "BEGINNING", "SET"]
        {
            assert!(!is_statement(text), "{text}");
        }
    }
}
