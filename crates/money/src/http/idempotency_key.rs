//! The `Idempotency-Key` header, as the IETF draft `draft-ietf-httpapi-idempotency-key-header` has
//! it: a structured-field string in quotes. The same characters without quotes are accepted too, as
//! most clients send them, and name the same key.

use axum::{extract::FromRequestParts, http::request::Parts};
use service::http::problem::Problem;

use super::problems::IDEMPOTENCY_KEY_MISSING;

/// Longest key, in characters.
pub(super) const KEY_LENGTH_MAX: usize = 128;

/// The key of a request that moves money.
#[derive(Debug)]
pub(super) struct KeyHeader(pub(super) String);

impl<S: Sync> FromRequestParts<S> for KeyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else {
            return Err(Problem::new(&IDEMPOTENCY_KEY_MISSING).detail(
                "Send an `Idempotency-Key` header of your choice, one for each movement of money.",
            ));
        };
        if values.next().is_some() {
            return Err(invalid("repeated", "must be given once"));
        }
        read_key(value.as_bytes()).map(Self)
    }
}

/// Reads a key from its header: quoted, with `\"` and `\\` escaped (RFC 8941, section 3.3.3), or
/// bare.
fn read_key(value: &[u8]) -> Result<String, Problem> {
    let text = std::str::from_utf8(value)
        .ok()
        .filter(|text| text.bytes().all(|byte| (0x20..0x7f).contains(&byte)))
        .ok_or_else(|| invalid("invalid_character", "must be printable ASCII"))?;
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)
            .ok_or_else(|| invalid("invalid_quoting", "must be a string in double quotes"))?,
        None => text.to_owned(),
    };
    check_key(key)
}

/// A key is 1 to 128 printable characters.
pub(super) fn check_key(key: String) -> Result<String, Problem> {
    if key.is_empty() || key.len() > KEY_LENGTH_MAX {
        return Err(invalid("invalid_length", "must have 1 to 128 characters"));
    }
    Ok(key)
}

fn unquote(quoted: &str) -> Option<String> {
    let mut key = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(key),
            '\\' => key.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            character => key.push(character),
        }
    }
}

fn invalid(code: &'static str, message: &'static str) -> Problem {
    Problem::field("Idempotency-Key", code, message)
}

#[cfg(test)]
mod tests {
    use super::read_key;

    fn check(header: &str, expected: Option<&str>) {
        assert_eq!(read_key(header.as_bytes()).ok().as_deref(), expected, "{header}");
    }

    #[test]
    fn quoted_and_bare_keys_are_the_same() {
        check("abc", Some("abc"));
        check("\"abc\"", Some("abc"));
        check(r#""a\"b\\c""#, Some(r#"a"b\c"#));
        check(&"x".repeat(128), Some(&"x".repeat(128)));
    }

    #[test]
    fn malformed_keys_are_refused() {
        for bad in ["", "\"\"", "\"abc", "\"a\"b", r#""a\b""#, "a\tb", "키", &"x".repeat(129)] {
            check(bad, None);
        }
    }
}
