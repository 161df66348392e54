//! Splits a JSON object or a query string into named raw values, and tells which names are
//! repeated.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::problem::{INVALID_REQUEST, MALFORMED_JSON, NOT_AN_OBJECT, Problem};

/// Why a field is bad: a code, and the reason for a person.
pub type Fault = (&'static str, Cow<'static, str>);

/// Most fields that a request may have. No request of ours has half as many.
const FIELDS_MAX: usize = 32;

/// The fields of a request, in order. Of a repeated one the first value stays.
#[derive(Debug, Default)]
pub(super) struct Split<'a> {
    pub(super) fields: Vec<(Cow<'a, str>, Raw<'a>)>,
    pub(super) repeated: Vec<Cow<'a, str>>,
    has_too_many: bool,
}

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
        let text = match self {
            Raw::Query(text) => text.as_ref(),
            Raw::Json(value) => match type_of(value.get()) {
                JsonType::Number => value.get(),
                JsonType::Text => {
                    return Err(("wrong_type", "must be a number, without quotes".into()));
                }
                other => {
                    return Err(("wrong_type", format!("must be a number, not {other}").into()));
                }
            },
        };
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_plain {
            return Err((
                "not_an_integer",
                "must be a whole number, without fraction or exponent".into(),
            ));
        }
        // JSON has none. A parameter, too, has one spelling.
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(("leading_zeros", "must be a whole number, without leading zeros".into()));
        }
        Ok(text.parse().ok())
    }

    pub(super) fn text(self) -> Result<Cow<'a, str>, Fault> {
        match self {
            Raw::Query(text) => Ok(text),
            Raw::Json(value) => match type_of(value.get()) {
                JsonType::Text => {
                    let BorrowedText(text) = serde_json::from_str(value.get())
                        .map_err(|_| ("invalid_text", "contains an invalid escape".into()))?;
                    Ok(text)
                }
                other => Err(("wrong_type", format!("must be a string, not {other}").into())),
            },
        }
    }

    /// An array of strings. A body is small, and so is the array.
    pub(super) fn texts(self) -> Result<Vec<String>, Fault> {
        let wrong_type = |found: &dyn fmt::Display| {
            ("wrong_type", format!("must be an array of strings, not {found}").into())
        };
        let value = match self {
            Raw::Json(value) if type_of(value.get()) == JsonType::Array => value.get(),
            Raw::Json(value) => return Err(wrong_type(&type_of(value.get()))),
            Raw::Query(_) => return Err(wrong_type(&"a parameter")),
        };
        let items: Vec<&RawValue> =
            serde_json::from_str(value).map_err(|_| wrong_type(&"something else"))?;
        let read = |item| match type_of(RawValue::get(item)) {
            JsonType::Text => Raw::Json(item).text().map(Cow::into_owned),
            other => Err(wrong_type(&format!("of {other}"))),
        };
        items.into_iter().map(read).collect()
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JsonType {
    Object,
    Array,
    Text,
    Number,
    Boolean,
    Null,
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::Text => "a string",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Null => "null",
        })
    }
}

/// The type of a JSON value, by its first character.
fn type_of(value: &str) -> JsonType {
    match value.as_bytes().first() {
        Some(b'{') => JsonType::Object,
        Some(b'[') => JsonType::Array,
        Some(b'"') => JsonType::Text,
        Some(b't' | b'f') => JsonType::Boolean,
        Some(b'n') => JsonType::Null,
        _ => JsonType::Number,
    }
}

#[derive(serde::Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

/// Splits a JSON object.
pub(super) fn json(body: &[u8]) -> Result<Split<'_>, Problem> {
    let malformed = |detail: String| Problem::new(&MALFORMED_JSON).detail(detail);
    let text = std::str::from_utf8(body).map_err(|error| {
        malformed(format!("The body is not UTF-8 at byte {}.", error.valid_up_to()))
    })?;
    let split: Split<'_> = serde_json::from_str(text).map_err(|error| {
        // Valid JSON of another type is not malformed.
        match serde_json::from_str::<&RawValue>(text).map(|value| type_of(value.get())) {
            Ok(JsonType::Object) | Err(_) => {
                malformed(format!("The body cannot be read: {error}."))
            }
            Ok(found) => Problem::new(&NOT_AN_OBJECT)
                .detail(format!("The body must be a JSON object, and is {found}.")),
        }
    })?;
    split.within_bounds()
}

impl<'a> Split<'a> {
    fn add(&mut self, name: Cow<'a, str>, raw: Raw<'a>) {
        if self.fields.iter().any(|(seen, _)| *seen == name) {
            if !self.repeated.contains(&name) {
                self.repeated.push(name);
            }
        } else if self.fields.len() == FIELDS_MAX {
            self.has_too_many = true;
        } else {
            self.fields.push((name, raw));
        }
    }

    fn within_bounds(self) -> Result<Self, Problem> {
        if self.has_too_many {
            let detail = format!("The request has more than {FIELDS_MAX} fields.");
            return Err(Problem::new(&INVALID_REQUEST).detail(detail));
        }
        Ok(self)
    }
}

impl<'de> Deserialize<'de> for Split<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Split<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Split<'de>, A::Error> {
                let mut split = Split { fields: Vec::with_capacity(8), ..Split::default() };
                while let Some(BorrowedText(name)) = map.next_key()? {
                    split.add(name, Raw::Json(map.next_value()?));
                }
                Ok(split)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Splits a query string.
pub(super) fn query(query: &str) -> Result<Split<'_>, Problem> {
    let mut split = Split::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            let message = "must be percent-encoded UTF-8";
            return Err(Problem::field("query", "invalid_encoding", message));
        };
        split.add(name, Raw::Query(value));
    }
    split.within_bounds()
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
