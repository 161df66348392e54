//! Rules that hold for text of every kind.

use super::{
    Finding, has_extension,
    source::{self, numbered},
};

const EXTENSIONS: &[&str] = &["md", "rs", "sh", "sql", "toml", "yaml", "yml"];

/// Words by which people mark what they mean to do later.
const MARKS: &[&str] = &["FIXME", "TODO", "XXX"];

/// Whether a file is text that people write and rules read.
pub(crate) fn is_text(path: &str) -> bool {
    EXTENSIONS.iter().any(|extension| has_extension(path, extension))
}

/// One newline ends a file, and nothing invisible ends a line.
pub(crate) fn white_space(path: &str, text: &str) -> Vec<Finding> {
    if !is_text(path) || text.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, content) in (1..).zip(text.split('\n')) {
        if content.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::new(line, "white space at the end of the line"));
        }
    }
    if !text.ends_with('\n') || text.ends_with("\n\n") || text == "\n" {
        findings.push(Finding::new(text.lines().count(), "a file ends with one newline"));
    }
    findings
}

/// What is left to do is done, or written down where everyone looks, and not in the file. In Rust a
/// mark counts in comments alone; in backquotes it is a word that is spoken about.
pub(crate) fn unfinished_work(path: &str, text: &str) -> Vec<Finding> {
    if !is_text(path) {
        return Vec::new();
    }
    let is_rust = has_extension(path, "rs");
    let text = if is_rust { source::split(text).comments } else { text.to_owned() };
    let mut findings = Vec::new();
    for (line, content) in numbered(&text) {
        for mark in MARKS.iter().filter(|mark| has_mark(content, mark)) {
            findings.push(Finding::new(line, format!("{mark}: finish it, or drop the mark")));
        }
    }
    findings
}

fn has_mark(line: &str, mark: &str) -> bool {
    let is_word = |char: char| char == '_' || char.is_alphanumeric();
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + mark.len()..].chars().next();
        !before.is_some_and(|char| char == '`' || is_word(char)) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: super::super::Rule, path: &str, text: &str, lines: &[usize]) {
        let found: Vec<usize> = rule(path, text).iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{path}: {text:?}");
    }

    #[test]
    fn white_space_at_ends_is_refused() {
        check(white_space, "a.md", "a\n\nb\n", &[]);
        check(white_space, "a.md", "", &[]);
        check(white_space, "a.svg", "a \n\n", &[]);
        check(white_space, "a.md", "a \nb\t\nc\r\n", &[1, 2, 3]);
        check(white_space, "a.sql", "a\nb", &[2]);
        check(white_space, "a.yml", "a\n\n", &[2]);
        check(white_space, "a.toml", "\n", &[1]);
    }

    #[test]
    fn marks_of_unfinished_work_are_refused() {
        check(unfinished_work, "a.md", "Say when.\nTODO say where.\n", &[2]);
        check(unfinished_work, "a.sh", "# (FIXME) wrong\n# XXX\n", &[1, 2]);
        check(unfinished_work, "a.rs", "a(); // TODO: b\n/* XXX */\n", &[1, 2]);
    }

    #[test]
    fn a_mark_that_is_only_mentioned_is_none() {
        check(unfinished_work, "a.md", "No `FIXME` here.\n", &[]);
        check(unfinished_work, "a.sh", "mktemp XXXXXX\nMY_TODO=1\n", &[]);
        check(
            unfinished_work,
            "a.rs",
            "//! `XXX` is no currency\nconst NONE: &str = \"XXX\";\n",
            &[],
        );
        check(unfinished_work, "a.svg", "TODO\n", &[]);
    }
}
