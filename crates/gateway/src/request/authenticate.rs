//! Reads the access token or API key from a request. What it is worth is for introspection to say,
//! and whether a path needs one is for its service.

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use service::contract::introspection::TokenDigest;

/// Longest token that is looked at, in characters. Ours have less than a hundred.
const TOKEN_LENGTH_MAX: usize = 512;

/// What a request carries to authenticate itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// Nothing.
    None,
    /// Something that is not one bearer token (RFC 6750, section 2.1).
    Malformed,
    /// A bearer token, a person's or a backend's, of which only the digest goes on.
    Token(TokenDigest),
}

/// Takes the credentials out of the request: no service ever sees them.
pub(crate) fn take_credentials(headers: &mut HeaderMap) -> Credentials {
    let credentials = read_credentials(headers);
    headers.remove(AUTHORIZATION);
    credentials
}

fn read_credentials(headers: &HeaderMap) -> Credentials {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Credentials::None,
        (Some(value), None) => read(value),
        (Some(_), Some(_)) => Credentials::Malformed,
    }
}

fn read(value: &HeaderValue) -> Credentials {
    const SCHEME: &str = "bearer";
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        let token = token.trim_start_matches(' ');
        (scheme.eq_ignore_ascii_case(SCHEME) && is_token68(token)).then_some(token)
    });
    token.map_or(Credentials::Malformed, |token| Credentials::Token(TokenDigest::of(token)))
}

/// The grammar of RFC 9110, section 11.2: letters, digits and `-._~+/`, then any number of `=`.
fn is_token68(text: &str) -> bool {
    let core = text.trim_end_matches('=');
    !core.is_empty()
        && text.len() <= TOKEN_LENGTH_MAX
        && core.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&[u8]], expected: &Credentials) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        assert_eq!(take_credentials(&mut headers), *expected, "{values:?}");
        assert!(headers.is_empty());
    }

    #[test]
    fn a_bearer_token_is_read_in_every_spelling_of_the_scheme() {
        let expected = Credentials::Token(TokenDigest::of("a-._~+/9=="));
        for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
            check(&[format!("{scheme} a-._~+/9==").as_bytes()], &expected);
        }
    }

    #[test]
    fn nothing_is_not_malformed() {
        check(&[], &Credentials::None);
    }

    #[test]
    fn everything_else_is_malformed() {
        let longest = format!("Bearer {}", "x".repeat(TOKEN_LENGTH_MAX));
        check(&[longest.as_bytes()], &Credentials::Token(TokenDigest::of(&longest[7..])));
        let too_long = format!("{longest}x");
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer =",
            "Bearer a b",
            "Bearer a=b",
            "Bearer\ta",
            "Basic YTpi",
            "Bearera",
            "a",
            "Bearer a,Bearer b",
            &too_long,
        ] {
            check(&[value.as_bytes()], &Credentials::Malformed);
        }
        check(&[b"Bearer a\xff"], &Credentials::Malformed);
        check(&[b"Bearer a", b"Bearer a"], &Credentials::Malformed);
    }
}
