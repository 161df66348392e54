//! Strict reading of input. A body or query string is split into named fields, each field is read
//! by a rule, and every bad or unknown field is reported at once. Numbers are read from their own
//! text, so a float, an exponent or an overflow is never rounded into something valid.

mod body;
mod media_type;
mod shown;
mod split;
mod text;
mod time;

use std::{borrow::Cow, ops::RangeInclusive};

pub use body::{BODY_BYTES_MAX, Body, Query};
pub use split::Fault;
pub use text::TextRule;
pub use time::read as read_time;

use self::split::{Raw, Split};
use super::problem::{FieldError, INVALID_REQUEST, Problem};
use crate::clock::Timestamp;

/// Something that can be read from fields.
pub trait FromFields: Sized {
    /// Reads every field, then assembles. `None` only if some field was reported as bad.
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self>;
}

/// The fields of one request, not yet read, and the errors found so far.
#[derive(Debug)]
pub struct Fields<'a> {
    unread: Vec<(Cow<'a, str>, Raw<'a>)>,
    repeated: Vec<Cow<'a, str>>,
    errors: Vec<FieldError>,
    source: Source,
}

/// Where fields come from, which has its own words for them.
#[derive(Debug, Clone, Copy)]
enum Source {
    Body,
    Query,
}

/// A query string in which nothing may stand.
#[derive(Debug)]
pub struct NoParameters;

impl FromFields for NoParameters {
    fn from_fields(_: &mut Fields<'_>) -> Option<Self> {
        Some(Self)
    }
}

impl<'a> Fields<'a> {
    /// Reads a `T` from a JSON object.
    pub fn read_json<T: FromFields>(body: &'a [u8]) -> Result<T, Problem> {
        Fields::new(split::json(body)?, Source::Body).read()
    }

    /// Reads a `T` from a query string, `application/x-www-form-urlencoded`.
    pub fn read_query<T: FromFields>(query: Option<&'a str>) -> Result<T, Problem> {
        Fields::new(split::query(query.unwrap_or_default())?, Source::Query).read()
    }

    fn new(Split { fields, repeated, .. }: Split<'a>, source: Source) -> Self {
        Self { unread: fields, repeated, errors: Vec::new(), source }
    }

    fn read<T: FromFields>(mut self) -> Result<T, Problem> {
        let value = T::from_fields(&mut self);
        let (unknown, repeated) = match self.source {
            Source::Body => {
                let repeated = ("repeated_field", "must be given once");
                (("unknown_field", "is not a field of this request"), repeated)
            }
            Source::Query => {
                let repeated = ("repeated_parameter", "must be given once");
                (("unknown_field", "is not a parameter of this call"), repeated)
            }
        };
        for (name, _) in std::mem::take(&mut self.unread) {
            self.fail(shown_name(&name), unknown.0, unknown.1);
        }
        for name in std::mem::take(&mut self.repeated) {
            self.fail(shown_name(&name), repeated.0, repeated.1);
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::new(&INVALID_REQUEST)
                .detail(match self.errors.len() {
                    1 => "One field is invalid: see `errors`.".to_owned(),
                    count => format!("{count} fields are invalid: see `errors`."),
                })
                .errors(self.errors)),
        }
    }

    /// Reports a bad field.
    pub fn fail(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.errors.push(FieldError { field: field.into(), code, message: message.into() });
    }

    /// Accepts fields that were not read, where another version of this program may write them.
    pub fn ignore_unknown(&mut self) {
        self.unread.clear();
    }

    /// Takes a field out. JSON `null` counts as absent.
    fn take(&mut self, name: &str) -> Option<Raw<'a>> {
        let position = self.unread.iter().position(|(unread, _)| unread == name)?;
        // In order, so that unknown fields are reported as they were sent.
        let (_, raw) = self.unread.remove(position);
        (!raw.is_null()).then_some(raw)
    }

    fn required<T>(&mut self, name: &'static str, value: Option<Option<T>>) -> Option<T> {
        match value {
            Some(None) => {
                self.fail(name, "required", "is required");
                None
            }
            Some(value) => value,
            None => None,
        }
    }

    /// A whole number in `range`, required.
    pub fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.optional_integer(name, range);
        self.required(name, value)
    }

    /// A whole number in `range`; `Some(None)` if absent, `None` if bad.
    pub fn optional_integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<Option<i64>> {
        let Some(raw) = self.take(name) else { return Some(None) };
        match raw.integer() {
            Ok(Some(value)) if range.contains(&value) => Some(Some(value)),
            Ok(_) => {
                let message = format!("must be from {} to {}", range.start(), range.end());
                self.fail(name, "out_of_range", message);
                None
            }
            Err((code, message)) => {
                self.fail(name, code, message);
                None
            }
        }
    }

    /// Text that satisfies `rule`, required.
    pub fn text(&mut self, name: &'static str, rule: &TextRule) -> Option<String> {
        let value = self.optional_text(name, rule);
        self.required(name, value)
    }

    /// Text that satisfies `rule`; `Some(None)` if absent, `None` if bad.
    pub fn optional_text(&mut self, name: &'static str, rule: &TextRule) -> Option<Option<String>> {
        let Some(raw) = self.take(name) else { return Some(None) };
        match raw.text().and_then(|text| rule.check(text.into_owned())) {
            Ok(text) => Some(Some(text)),
            Err((code, message)) => {
                self.fail(name, code, message);
                None
            }
        }
    }

    /// A list of texts, exactly as they were sent, required.
    pub fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let value = match self.take(name).map(Raw::texts) {
            None => Some(None),
            Some(Ok(texts)) => Some(Some(texts)),
            Some(Err((code, message))) => {
                self.fail(name, code, message);
                None
            }
        };
        self.required(name, value)
    }

    /// `true` or `false`, required.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let value = match self.take(name).map(|raw| raw.boolean()) {
            None => Some(None),
            Some(Ok(value)) => Some(Some(value)),
            Some(Err((code, message))) => {
                self.fail(name, code, message);
                None
            }
        };
        self.required(name, value)
    }

    /// An RFC 3339 time; `Some(None)` if absent, `None` if bad.
    pub fn optional_time(&mut self, name: &'static str) -> Option<Option<Timestamp>> {
        self.optional_parsed(name, time::read)
    }

    /// Text that `parse` reads, exactly as it was sent, required.
    pub fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.optional_parsed(name, parse);
        self.required(name, value)
    }

    /// Text that `parse` reads, exactly as it was sent; `Some(None)` if absent, `None` if bad.
    pub fn optional_parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<Option<T>> {
        let Some(raw) = self.take(name) else { return Some(None) };
        match raw.text().and_then(|text| parse(&text)) {
            Ok(value) => Some(Some(value)),
            Err((code, message)) => {
                self.fail(name, code, message);
                None
            }
        }
    }
}

/// A name that a client made up: shortened, because it comes back in the answer.
fn shown_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests;
