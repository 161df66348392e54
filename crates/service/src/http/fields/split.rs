//! Splits a JSON object or a query string into named raw values, refusing repeated names.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::problem::{MALFORMED_JSON, Problem};

/// Why a field is bad: a code, and the reason for a person.
pub(super) type Fault = (&'static str, Cow<'static, str>);

/// Most fields that a request may have. No request of ours has half as many.
const FIELDS_MAX: usize = 32;

/// A field's value as the client wrote it.
#[derive(Debug)]
pub(super) enum Raw<'a> {
    Json(&'a RawValue),
    Query(Cow<'a, str>),
}

impl<'a> Raw<'a> {
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Raw::Json(value) if value.get() == "null")
    }

    /// `Ok(None)` is a whole number too large for 64 bits.
    pub(super) fn integer(&self) -> Result<Option<i64>, Fault> {
        let (text, is_number) = match self {
            Raw::Json(value) => {
                let text = value.get();
                (text, text.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
            }
            Raw::Query(text) => (text.as_ref(), true),
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !is_number {
            return Err(("wrong_type", "must be a number, without quotes".into()));
        }
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err((
                "not_an_integer",
                "must be a whole number, without fraction or exponent".into(),
            ));
        }
        Ok(text.parse().ok())
    }

    pub(super) fn text(self) -> Result<Cow<'a, str>, Fault> {
        match self {
            Raw::Query(text) => Ok(text),
            Raw::Json(value) if value.get().starts_with('"') => {
                let BorrowedText(text) = serde_json::from_str(value.get())
                    .map_err(|_| ("invalid_text", "contains an invalid escape".into()))?;
                Ok(text)
            }
            Raw::Json(_) => Err(("wrong_type", "must be a string".into())),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Fault> {
        let text = match self {
            Raw::Json(value) => value.get(),
            Raw::Query(text) => text,
        };
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(("wrong_type", "must be true or false".into())),
        }
    }
}

#[derive(serde::Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

/// Splits a JSON object.
pub(super) fn json(body: &[u8]) -> Result<Vec<(Cow<'_, str>, Raw<'_>)>, Problem> {
    let malformed = |detail: String| Problem::new(&MALFORMED_JSON).detail(detail);
    let text = std::str::from_utf8(body).map_err(|error| {
        malformed(format!("The body is not UTF-8 at byte {}.", error.valid_up_to()))
    })?;
    let Split(fields) = serde_json::from_str(text)
        .map_err(|error| malformed(format!("The body cannot be read: {error}.")))?;
    Ok(fields)
}

struct Split<'a>(Vec<(Cow<'a, str>, Raw<'a>)>);

impl<'de> Deserialize<'de> for Split<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Split<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Split<'de>, A::Error> {
                let mut fields: Vec<(Cow<'de, str>, Raw<'de>)> = Vec::with_capacity(8);
                while let Some(BorrowedText(name)) = map.next_key()? {
                    if fields.iter().any(|(seen, _)| *seen == name) {
                        return Err(A::Error::custom("a field is given twice"));
                    }
                    if fields.len() == FIELDS_MAX {
                        return Err(A::Error::custom("too many fields"));
                    }
                    fields.push((name, Raw::Json(map.next_value()?)));
                }
                Ok(Split(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Splits a query string.
pub(super) fn query(query: &str) -> Result<Vec<(Cow<'_, str>, Raw<'_>)>, Problem> {
    let mut fields: Vec<(Cow<'_, str>, Raw<'_>)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            let message = "must be percent-encoded UTF-8";
            return Err(Problem::field("query", "invalid_encoding", message));
        };
        if fields.iter().any(|(seen, _)| *seen == name) || fields.len() == FIELDS_MAX {
            let message = "must give each parameter once";
            return Err(Problem::field("query", "repeated_parameter", message));
        }
        fields.push((name, Raw::Query(value)));
    }
    Ok(fields)
}

/// Decodes `application/x-www-form-urlencoded`; `None` if it is not valid.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, tail) = rest.split_first_chunk::<2>()?;
                rest = tail;
                let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}
