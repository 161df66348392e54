//! What a body says of itself: that it is JSON, as RFC 9110 allows that to be written, and that it
//! is not compressed.

use hyper::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

/// Whether the body is declared as `application/json` (RFC 9110, section 8.3.1). JSON has no
/// parameters (RFC 8259, section 11), so they mean nothing, except that a `charset` that is not
/// UTF-8 contradicts the body.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    if value.as_bytes() == b"application/json" {
        return true;
    }
    let Ok(value) = value.to_str() else { return false };
    let (media_type, parameters) = value.split_at(value.find(';').unwrap_or(value.len()));
    media_type.trim_matches(WHITE_SPACE).eq_ignore_ascii_case("application/json")
        && are_parameters_of_json(parameters)
}

/// Whether the body is not encoded (RFC 9110, section 8.4).
pub(super) fn is_identity(headers: &HeaderMap) -> bool {
    let is_identity = |coding: &[u8]| {
        let coding = coding.trim_ascii();
        coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
    };
    let values = headers.get_all(CONTENT_ENCODING).iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).all(is_identity)
}

const WHITE_SPACE: [char; 2] = [' ', '\t'];

/// `*( OWS ";" OWS [ parameter ] )`, where a parameter is a token, `=`, and a token or a quoted
/// string (RFC 9110, section 5.6.6).
fn are_parameters_of_json(mut rest: &str) -> bool {
    loop {
        rest = rest.trim_start_matches(WHITE_SPACE);
        if rest.is_empty() {
            return true;
        }
        let Some(after) = rest.strip_prefix(';') else { return false };
        rest = after.trim_start_matches(WHITE_SPACE);
        let name = token(rest);
        if name.is_empty() {
            continue;
        }
        let Some(value) = rest[name.len()..].strip_prefix('=') else { return false };
        let Some((value, after)) = parameter_value(value) else { return false };
        if name.eq_ignore_ascii_case("charset") && !is_utf8(&value) {
            return false;
        }
        rest = after;
    }
}

/// The value at the start, without quotes and backslashes, and what follows it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let value = token(text);
        return (!value.is_empty()).then(|| (value.to_owned(), &text[value.len()..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// The token at the start, which may be empty (RFC 9110, section 5.6.2).
fn token(text: &str) -> &str {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    &text[..text.find(|c| !is_token(c)).unwrap_or(text.len())]
}

/// Its registered name, and how it is often written instead.
fn is_utf8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn json_is_recognised_however_it_may_be_written() {
        for value in [
            "application/json",
            "Application/JSON",
            "application/json;",
            "application/json ;",
            "application/json; ",
            "application/json;;",
            "application/json;charset=utf-8",
            "application/json; charset=utf8",
            "application/json;;charset=utf-8",
            "application/json ; charset=\"UTF-8\" ; ",
            "application/json; charset=\"ut\\f-8\"",
            "application/json\t;\tcharset=Utf-8",
            "application/json; CHARSET=utf-8",
            "application/json; charset=utf-8; charset=utf-8",
            "application/json; profile=\"a;b\\\"c, d\"; v=1",
            "application/json; a=\"\"",
            " application/json",
        ] {
            assert!(is_json(&headers(&CONTENT_TYPE, &[value])), "{value}");
        }
    }

    #[test]
    fn everything_else_is_not_json() {
        for value in [
            "",
            ";",
            "text/plain",
            "application/jsonp",
            "application/json5",
            "application /json",
            "application/problem+json",
            "application/json, application/json",
            "application/json charset=utf-8",
            "application/json; charset=latin1",
            "application/json; charset=utf-16",
            "application/json; charset",
            "application/json; charset=",
            "application/json; charset =utf-8",
            "application/json; charset= utf-8",
            "application/json; charset=utf-8 x",
            "application/json; charset=\"utf-8",
            "application/json; charset=\"utf-8\"x",
            "application/json; charset=utf-8, text/plain",
            "application/json; =a",
        ] {
            assert!(!is_json(&headers(&CONTENT_TYPE, &[value])), "{value}");
        }
        assert!(!is_json(&headers(&CONTENT_TYPE, &[])));
        assert!(!is_json(&headers(&CONTENT_TYPE, &["application/json", "application/json"])));
    }

    #[test]
    fn a_body_is_not_encoded_unless_it_says_so() {
        for values in [&[][..], &["identity"], &["Identity"], &[""], &["identity, identity"]] {
            assert!(is_identity(&headers(&CONTENT_ENCODING, values)), "{values:?}");
        }
        for values in [
            &["gzip"][..],
            &["GZIP"],
            &["br"],
            &["identity, gzip"],
            &["identity", "deflate"],
            &["nonsense"],
            &["identity;q=1"],
        ] {
            assert!(!is_identity(&headers(&CONTENT_ENCODING, values)), "{values:?}");
        }
    }
}
