//! Email addresses: checked once, on the way in.

use std::fmt;

use email_address::{EmailAddress, Options};

/// Longest address, in characters (RFC 5321, section 4.5.3.1, leaves 254 for the address itself).
pub const EMAIL_LENGTH_MAX: usize = 254;

/// An address that people can be written to: no display name, no address literal, a dotted domain.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    original: String,
    normalised: String,
}

/// The text is not an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an email address")]
pub struct InvalidEmail;

impl Email {
    /// Reads an address; white space around it does not count.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let original = text.trim();
        let options =
            Options::default().without_display_text().without_domain_literal().with_required_tld();
        if original.chars().count() > EMAIL_LENGTH_MAX {
            return Err(InvalidEmail);
        }
        EmailAddress::parse_with_options(original, options).map_err(|_| InvalidEmail)?;
        Ok(Self { original: original.to_owned(), normalised: normalise(original) })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.original
    }

    /// As it is compared.
    pub fn normalised(&self) -> &str {
        &self.normalised
    }
}

/// What makes two spellings one address: letter case does not count. RFC 5321 lets a host tell
/// local parts apart by case, but none that people use does, and a second account by case would be
/// a trap.
pub(crate) fn normalise(text: &str) -> String {
    text.trim().to_lowercase()
}

impl fmt::Debug for Email {
    /// Personal data: not shown, so that no log can have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_their_spelling_and_lose_their_case() {
        let email = Email::parse(" Ada.Lovelace@Example.COM ").unwrap();
        assert_eq!(email.as_str(), "Ada.Lovelace@Example.COM");
        assert_eq!(email.normalised(), "ada.lovelace@example.com");
        assert_eq!(format!("{email:?}"), "Email(..)");
    }

    #[test]
    fn what_nobody_can_write_to_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let longest_domain = format!("{}.com", ["a"; 120].join("."));
        let bad = [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "Ada <ada@example.com>",
            "ada lovelace@example.com",
            "a@b@example.com",
            "ada@exam ple.com",
            ".ada@example.com",
            &long_local,
            &format!("{}@{longest_domain}", "a".repeat(60)),
        ];
        for text in bad {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text}");
        }
        for text in ["a@b.co", "ada+pay@example.co.kr", "가나다@예시.한국", "o'hara@example.ie"]
        {
            assert!(Email::parse(text).is_ok(), "{text}");
        }
    }
}
