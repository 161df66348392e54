//! Answers as tests compare them: whole, without what no two runs have alike, or in one line.

use std::fmt::Write as _;

use expect_test::Expect;

use super::{apart, client::Response};

/// The headers that belong to what was answered, and not to its transport.
const HEADERS: [&str; 7] = [
    "allow",
    "idempotency-replayed",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
];

impl Response {
    /// Compares status, telling headers and body. UUIDs and tokens are left out, because they are
    /// random; times are not, because the test holds the clock.
    #[track_caller]
    pub fn check(&self, expected: &Expect) {
        let mut text = format!("{}\n", self.status);
        for name in HEADERS {
            if let Some(value) = self.headers.get(name) {
                writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
            }
        }
        if !self.body.is_null() {
            writeln!(text, "{:#}", self.body).unwrap();
        }
        if apart::gateway().is_some() {
            assert_eq!(without_numbers(&redact(&text)), without_numbers(expected.data()));
            return;
        }
        expected.assert_eq(&redact(&text));
    }

    /// `201`, or `422 insufficient_balance`, or `400 invalid_request amount:required`.
    pub fn brief(&self) -> String {
        let mut text = self.status.to_string();
        if self.is_problem() {
            write!(text, " {}", self.code()).unwrap();
        }
        for error in self.body["errors"].as_array().into_iter().flatten() {
            let part = |name: &str| error[name].as_str().unwrap_or_default();
            write!(text, " {}:{}", part("field"), part("code")).unwrap();
        }
        text
    }

    /// The body, without what makes each occurrence of a problem different.
    pub fn body_without_request_id(&self) -> serde_json::Value {
        let mut body = self.body.clone();
        if let Some(body) = body.as_object_mut() {
            body.remove("requestId");
        }
        body
    }
}

const UUID_LENGTH: usize = 36;
/// A prefix, and 256 bits in base64.
const TOKEN_LENGTH: usize = 4 + 43;

fn redact(text: &str) -> String {
    let mut redacted = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = if rest.get(..UUID_LENGTH).is_some_and(is_uuid) {
            redacted.push_str("<uuid>");
            UUID_LENGTH
        } else if rest.starts_with("mpa_") || rest.starts_with("mpr_") {
            write!(redacted, "<{}>", &rest[..3]).unwrap();
            TOKEN_LENGTH
        } else {
            redacted.push(next);
            next.len_utf8()
        };
        rest = &rest[length..];
    }
    redacted
}

/// What is left to compare where others use the same product, by the clock of the day: ids and times
/// are taken out, and so is the indentation of the snapshot in its test.
fn without_numbers(text: &str) -> String {
    text.trim().lines().map(|line| without_number(line.trim()) + "\n").collect()
}

fn without_number(line: &str) -> String {
    let (name, value) = line.split_once(": ").unwrap_or((line, ""));
    let bare = name.trim_matches('"');
    let value_is = |test: fn(char) -> bool| value.trim_end_matches(',').chars().all(test);
    if value.is_empty() {
        return line.to_owned();
    }
    if bare.ends_with("At") && value.starts_with('"') {
        format!("{name}: <time>")
    } else if (bare == "id" || bare.ends_with("Id")) && value_is(|c| c.is_ascii_digit()) {
        format!("{name}: <id>")
    } else if matches!(bare, "location" | "instance") {
        let parts: Vec<_> = value.split('/').map(without_id).collect();
        format!("{name}: {}", parts.join("/"))
    } else {
        line.to_owned()
    }
}

fn without_id(part: &str) -> &str {
    if !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()) { "<id>" } else { part }
}

fn is_uuid(text: &str) -> bool {
    text.char_indices().all(|(place, c)| match place {
        8 | 13 | 18 | 23 => c == '-',
        _ => c.is_ascii_hexdigit(),
    })
}
