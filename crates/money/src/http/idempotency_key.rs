//! The idempotency key, as the IETF draft `draft-ietf-httpapi-idempotency-key-header` has it: a
//! structured-field string in quotes. The same characters without quotes are accepted too, as most
//! clients send them, and name the same key. A header and a query are read by one function, so that
//! a key is found under every spelling that it can be sent in.

use axum::{extract::FromRequestParts, http::request::Parts};
use service::http::{fields::Fault, problem::Problem};
use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::problems::IDEMPOTENCY_KEY_MISSING;

/// Longest key, in characters.
const KEY_LENGTH_MAX: usize = 128;

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
        let key = match values.next() {
            Some(_) => Err(("repeated", "must be given once".into())),
            // What is not UTF-8 is not ASCII either.
            None => read_key(std::str::from_utf8(value.as_bytes()).unwrap_or("\u{FFFD}")),
        };
        key.map(Self).map_err(|(code, message)| Problem::field("Idempotency-Key", code, message))
    }
}

/// The key of a request that is looked up, for the document.
#[derive(Debug)]
pub(super) struct KeyParameter;

impl IntoParams for KeyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "1 to 128 printable ASCII characters of your choice, one key for each \
            movement. As a string in double quotes, with `\\\"` and `\\\\` for a quote and a \
            backslash, as the Idempotency-Key draft has it, or without quotes; both name the same \
            key. Which answers are recorded under it is said at the top.";
        vec![parameter("Idempotency-Key", ParameterIn::Header, description)]
    }
}

impl IntoParams for KeyParameter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "The key that the request was sent with, in quotes or without. White \
            space around it does not count.";
        vec![parameter("idempotencyKey", ParameterIn::Query, description)]
    }
}

/// What [`read_key`] reads, white space around it left out.
const KEY_PATTERN: &str = r#"^([!#-~]([ -~]{0,126}[!-~])?|"([ !#-\[\]-~]|\\["\\]){1,128}")$"#;
/// Two quotes, and each character escaped.
const KEY_TEXT_LENGTH_MAX: usize = 2 + 2 * KEY_LENGTH_MAX;

fn parameter(name: &str, parameter_in: ParameterIn, description: &str) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(KEY_TEXT_LENGTH_MAX))
        .pattern(Some(KEY_PATTERN));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(parameter_in)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// Reads a key: 1 to 128 printable characters, quoted, with `\"` and `\\` escaped (RFC 8941,
/// section 3.3.3), or bare. White space around it does not count, as around any header.
pub(super) fn read_key(text: &str) -> Result<String, Fault> {
    let text = text.trim_matches([' ', '\t']);
    if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(("invalid_character", "must be printable ASCII".into()));
    }
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted).ok_or_else(|| {
            let message = "must be a whole string in double quotes, or must not begin with one";
            ("invalid_quoting", message.into())
        })?,
        None => text.to_owned(),
    };
    if key.is_empty() || key.len() > KEY_LENGTH_MAX {
        return Err(("invalid_length", "must have 1 to 128 characters".into()));
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

#[cfg(test)]
mod tests {
    use super::read_key;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(read_key(text).ok().as_deref(), expected, "{text}");
    }

    #[test]
    fn quoted_and_bare_keys_are_the_same() {
        check("abc", Some("abc"));
        check("\"abc\"", Some("abc"));
        check(r#""a\"b\\c""#, Some(r#"a"b\c"#));
        check(r#"a"b\c"#, Some(r#"a"b\c"#));
        check("\t \"abc\" ", Some("abc"));
        check(" a b ", Some("a b"));
        check("\" a \"", Some(" a "));
        check(&"x".repeat(128), Some(&"x".repeat(128)));
        check(&format!("\"{}\"", r#"\""#.repeat(128)), Some(&"\"".repeat(128)));
    }

    #[test]
    fn malformed_keys_are_refused() {
        let long = "x".repeat(129);
        for bad in ["", " ", "\"\"", "\"", "\"abc", "\"a\"b", r#""a\b""#, "a\tb", "a\u{7f}", "키"]
        {
            check(bad, None);
        }
        check(&long, None);
        check(&format!("\"{long}\""), None);
        check(r#""k-1";expires=1"#, None);
    }
}
