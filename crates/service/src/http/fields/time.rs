//! Times as clients write them.

use super::Fault;
use crate::clock::Timestamp;

/// Reads a `date-time` of RFC 3339, section 5.6. The library reads more than that, such as a time
/// without minutes, and the specification promises this.
pub fn read(text: &str) -> Result<Timestamp, Fault> {
    if let Some(time) = parse(text) {
        return Ok(time);
    }
    // In a query string a bare `+` stands for a space.
    let is_unescaped = text.matches(' ').count() == 1 && parse(&text.replace(' ', "+")).is_some();
    let message = if is_unescaped {
        "must be an RFC 3339 time; write the `+` of its offset as `%2B` in a URL"
    } else {
        "must be an RFC 3339 time, such as 2026-01-31T09:00:00Z"
    };
    Err(("invalid_time", message.into()))
}

/// Digits of a second after its point that the library reads: nanoseconds.
const FRACTION_MAX: usize = 9;

/// Reads a text such as `2026-01-31T09:00:00.5+09:00` or `2026-01-31T00:00:00.5Z`.
fn parse(text: &str) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let (fraction, offset) = match rest.strip_prefix('.') {
        None => ("", rest),
        Some(digits) => digits.split_at(digits.bytes().take_while(u8::is_ascii_digit).count()),
    };
    let has_bare_point = rest.starts_with('.') && fraction.is_empty();
    let is_offset = match offset.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', time @ ..] => fits(time, b"00:00"),
        _ => false,
    };
    if has_bare_point || !is_offset || !fits(date_time.as_bytes(), b"0000-00-00T00:00:00") {
        return None;
    }
    if fraction.len() <= FRACTION_MAX {
        return text.parse().ok();
    }
    format!("{date_time}.{}{offset}", &fraction[..FRACTION_MAX]).parse().ok()
}

/// Whether there is a digit for each `0`, a letter for each letter, and everything else as it is.
fn fits(text: &[u8], form: &[u8]) -> bool {
    text.len() == form.len()
        && text.iter().zip(form).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte.eq_ignore_ascii_case(other),
        })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_time_is_as_rfc_3339_has_it() {
        for good in [
            "2026-01-31T09:00:00Z",
            "2026-01-31t09:00:00z",
            "2026-01-31T09:00:00.123456789Z",
            "2026-01-31T09:00:00.1-23:59",
            "2026-01-31T09:00:00.12345678901234567890Z",
            "2026-01-31T09:00:00+09:00",
            "2016-12-31T23:59:60Z",
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31T09:00Z",
            "2026-01-31T09Z",
            "2026-01-31T09:00:00",
            "2026-01-31 09:00:00Z",
            " 2026-01-31T09:00:00Z",
            "2026-01-31T09:00:00Z ",
            "2026-01-31T09:00:00.Z",
            "2026-01-31T09:00:00,5Z",
            "2026-01-31T09:00:00+09",
            "2026-01-31T09:00:00+0900",
            "2026-01-31T09:00:00+09:00[Asia/Seoul]",
            "20260131T090000Z",
            "+002026-01-31T09:00:00Z",
            "2026-02-30T09:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T09:00:00é",
            "1800000000",
        ] {
            let (code, message) = read(bad).unwrap_err();
            assert_eq!(code, "invalid_time", "{bad}");
            assert!(!message.contains("%2B"), "{bad}");
        }
    }

    #[test]
    fn a_plus_that_arrived_as_a_space_is_hinted_at() {
        for bad in ["2026-01-01T00:00:00 09:00", "2026-01-01T00:00:00.25 00:00"] {
            assert!(read(bad).unwrap_err().1.contains("%2B"), "{bad}");
        }
        for bad in ["2026-01-01 00:00:00 09:00", "2026-01-01T00:00:00 9:00", "yesterday 09:00"] {
            assert!(!read(bad).unwrap_err().1.contains("%2B"), "{bad}");
        }
    }
}
