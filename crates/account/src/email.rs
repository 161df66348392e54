//! Email addresses: checked once, on the way in, and compared as the addresses that they are.

use std::{borrow::Cow, fmt};

use email_address::{EmailAddress, Options};
use icu_normalizer::ComposingNormalizerBorrowed;
use sha2::{Digest as _, Sha256};

/// Longest address, in characters (RFC 5321, section 4.5.3.1, leaves 254 for the address itself).
pub const EMAIL_LENGTH_MAX: usize = 254;

/// An address that people can be written to: no display name, no address literal, a dotted domain.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    original: String,
    normalised: String,
}

/// SHA-256 of an address as it is compared, or of other text as it was typed. It counts attempts to
/// guess a password without a list of the addresses that were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailDigest(pub(crate) [u8; 32]);

impl EmailDigest {
    /// The same for all spellings of one address, whether an account has it or not.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(normalise(text).as_bytes()).into())
    }

    /// Of the attempts that the owner of an account makes within a session, which strangers who
    /// guess at the email cannot use up. No email begins with a NUL.
    pub fn of_owner(account_id: i64) -> Self {
        Self(Sha256::digest(format!("\0account {account_id}")).into())
    }
}

/// The text is not an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an email address")]
pub struct InvalidEmail;

impl Email {
    /// Reads an address; white space around it does not count.
    ///
    /// Two spellings are one address if they differ only in Unicode composition or compatibility
    /// forms (NFKC), in letter case, in how the domain is spelt (U-labels or A-labels, UTS 46), or
    /// in quotes and backslashes that are not needed. RFC 5321 lets a host tell local parts apart
    /// by case, but no host that people use does, and a second account by case would be a trap.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let original = text.trim();
        if original.chars().count() > EMAIL_LENGTH_MAX {
            return Err(InvalidEmail);
        }
        let composed = compose(original);
        let (local, domain) = composed.rsplit_once('@').ok_or(InvalidEmail)?;
        let ascii_domain = idna::domain_to_ascii_strict(domain).map_err(|_| InvalidEmail)?;
        check_grammar(local, &ascii_domain)?;
        // The U-labels, as earlier versions stored them. They exist: the A-labels are valid.
        let (shown_domain, _) = idna::domain_to_unicode(&ascii_domain);
        let local = fold(&unquote(local));
        Ok(Self { original: original.to_owned(), normalised: format!("{local}@{shown_domain}") })
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

/// What is compared when a person types an address: the address, or any other text as it is typed.
pub(crate) fn normalise(text: &str) -> String {
    Email::parse(text).map_or_else(|InvalidEmail| as_before(text), |email| email.normalised)
}

/// What earlier versions compared. Two accounts whose addresses turned out to be one keep theirs.
pub(crate) fn as_before(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Two accounts were made with one address, before both spellings of it were known as one.
pub(crate) fn warn_of_one_address(account_id: i64, other_account_id: i64) {
    tracing::warn!(
        account.id = account_id,
        other_account.id = other_account_id,
        "the emails of two accounts are one address; each is found by its own spelling"
    );
}

fn compose(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfkc().normalize(text)
}

/// Lower case, composed again: some capitals have no composed small letter.
fn fold(local: &str) -> String {
    compose(&local.to_lowercase()).into_owned()
}

/// The grammar of RFC 5322, in which RFC 6531 (section 3.3) allows whatever is not ASCII wherever
/// a letter may be. The library knows only some of that, so it is shown a letter for each byte.
fn check_grammar(local: &str, ascii_domain: &str) -> Result<(), InvalidEmail> {
    let stand_in: String = local
        .chars()
        .flat_map(|c| {
            let (shown, times) = if c.is_ascii() { (c, 1) } else { ('x', c.len_utf8()) };
            std::iter::repeat_n(shown, times)
        })
        .collect();
    let options =
        Options::default().without_display_text().without_domain_literal().with_required_tld();
    let address = format!("{stand_in}@{ascii_domain}");
    EmailAddress::parse_with_options(&address, options).map_err(|_| InvalidEmail)?;
    Ok(())
}

/// The local part without quotes, if it needs none; with the fewest backslashes, if it does.
fn unquote(local: &str) -> Cow<'_, str> {
    let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(local);
    };
    let mut characters = quoted.chars();
    let mut content = String::with_capacity(quoted.len());
    while let Some(c) = characters.next() {
        // A backslash stands before the character that is meant.
        content.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    let is_dot_atom = content.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext));
    if is_dot_atom {
        return Cow::Owned(content);
    }
    Cow::Owned(format!("\"{}\"", content.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// What stands in an atom without quotes (RFC 5322, section 3.2.3; RFC 6531, section 3.3).
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c)
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
    fn spellings_of_one_address_are_one_address() {
        let spellings: &[&[&str]] = &[
            &[
                "ada@example.com",
                "ADA@EXAMPLE.COM",
                "\"ada\"@example.com",
                "\"a\\da\"@example.com",
                "ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ",
                "ada@example。com",
            ],
            // Korean as a Mac decomposes it; the domain as a resolver sees it.
            &[
                "가나다@예시.한국",
                "\u{1100}\u{1161}\u{1102}\u{1161}\u{1103}\u{1161}@예시.한국",
                "가나다@\u{110B}\u{1168}\u{1109}\u{1175}.한국",
                "가나다@xn--vv4b11d.xn--3e0b707e",
                "가나다@XN--VV4B11D.한국",
            ],
            &["rené@exämple.com", "rene\u{301}@exa\u{308}mple.com", "RENÉ@xn--exmple-cua.com"],
            &["हिन्दी@उदाहरण.भारत", "हिन्दी@xn--p1b6ci4b4b3a.xn--h2brj9c"],
            &["ﬁona@example.com", "fiona@example.com"],
            &["\"a b\"@example.com", "\"\\a b\"@example.com", "\"A B\"@example.com"],
            &["\"a\\\"b\"@example.com"],
            &["straße@example.com"],
            &["strasse@example.com"],
            &["a.da@example.com", "\"a.da\"@example.com"],
            &["\"a..da\"@example.com", "\"a.\\.da\"@example.com"],
        ];
        let mut seen = std::collections::HashMap::new();
        for (number, same) in spellings.iter().enumerate() {
            for text in *same {
                let email = Email::parse(text).unwrap_or_else(|_| panic!("{text} is an address"));
                let first = seen.entry(email.normalised().to_owned()).or_insert(number);
                assert_eq!(*first, number, "{text}");
                assert_eq!(normalise(email.normalised()), email.normalised(), "{text}: stable");
                assert_eq!(EmailDigest::of(text), EmailDigest::of(same[0]), "{text}");
            }
        }
        assert_eq!(seen.len(), spellings.len(), "{seen:?}");
    }

    #[test]
    fn what_is_compared_is_what_earlier_versions_stored() {
        for text in ["Ada@Example.com", "가나다@예시.한국", "o'hara@example.ie", "not an address"]
        {
            assert_eq!(normalise(text), as_before(text), "{text}");
        }
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
            "ada@example..com",
            "ada@-example.com",
            "ada@exa_mple.com",
            "ada@xn--a.com",
            "ada@example.com\u{200F}",
            "\"ada@example.com",
            "a\"d\"a@example.com",
            "ada\u{3000}l@example.com",
            &long_local,
            &format!("{}@{longest_domain}", "a".repeat(60)),
        ];
        for text in bad {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text}");
        }
        for text in [
            "a@b.co",
            "ada+pay@example.co.kr",
            "가나다@예시.한국",
            "o'hara@example.ie",
            "हिन्दी@उदाहरण.भारत",
        ] {
            assert!(Email::parse(text).is_ok(), "{text}");
        }
    }
}
