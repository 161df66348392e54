//! Which passwords are accepted. Length and a list of those that attackers try first, no rules
//! about kinds of characters: as NIST SP 800-63B, section 3.1.1.2, advises.

use std::fmt;

use crate::email::{self, Email};

/// Shortest password, in characters.
pub const PASSWORD_LENGTH_MIN: usize = 8;
/// Longest password, in characters.
pub const PASSWORD_LENGTH_MAX: usize = 128;

/// Those that lead the lists of leaked passwords, 8 characters and longer, lower case, one a line.
const COMMON: &str = include_str!("common.txt");

/// A password that may be set. Kept exactly as it was written.
#[derive(Clone)]
pub struct NewPassword(String);

/// Why a password may not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPassword {
    /// Fewer than 8 characters.
    #[error("must have at least 8 characters")]
    TooShort,
    /// More than 128 characters.
    #[error("must have at most 128 characters")]
    TooLong,
    /// Among the commonest, whatever its case.
    #[error("is among the passwords that are tried first: choose another")]
    TooCommon,
    /// The email, whatever its case.
    #[error("must not be the email")]
    EqualsEmail,
    /// The name, whatever its case.
    #[error("must not be the name")]
    EqualsName,
}

impl UnfitPassword {
    /// Stable, machine-readable name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::TooCommon => "too_common",
            Self::EqualsEmail => "equals_email",
            Self::EqualsName => "equals_name",
        }
    }
}

impl NewPassword {
    /// Accepts a password for an account with this name and email, as far as these are known.
    pub fn accept(
        password: String,
        name: Option<&str>,
        email: Option<&Email>,
    ) -> Result<Self, UnfitPassword> {
        let lower_case = password.to_lowercase();
        let length = password.chars().count();
        if length < PASSWORD_LENGTH_MIN {
            Err(UnfitPassword::TooShort)
        } else if length > PASSWORD_LENGTH_MAX {
            Err(UnfitPassword::TooLong)
        } else if COMMON.lines().any(|common| common == lower_case) {
            Err(UnfitPassword::TooCommon)
        } else {
            let password = Self(password);
            password.check_owner(name, email)?;
            Ok(password)
        }
    }

    /// Checks what depends on the account, as far as it is known.
    pub fn check_owner(
        &self,
        name: Option<&str>,
        email: Option<&Email>,
    ) -> Result<(), UnfitPassword> {
        let lower_case = self.0.to_lowercase();
        if email.is_some_and(|email| email.normalised() == email::normalise(&self.0)) {
            Err(UnfitPassword::EqualsEmail)
        } else if name.is_some_and(|name| name.trim().to_lowercase() == lower_case.trim()) {
            Err(UnfitPassword::EqualsName)
        } else {
            Ok(())
        }
    }

    /// As it was written.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for NewPassword {
    /// A secret: not shown, so that no log can have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_in_order() {
        let email = Email::parse("ada@example.com").unwrap();
        let check = |password: &str, expected: Result<(), UnfitPassword>| {
            let name = Some("Ada Lovelace");
            let accepted = NewPassword::accept(password.to_owned(), name, Some(&email));
            assert_eq!(accepted.map(drop), expected, "{password}");
        };
        check("1234567", Err(UnfitPassword::TooShort));
        check(&"é".repeat(129), Err(UnfitPassword::TooLong));
        check("password", Err(UnfitPassword::TooCommon));
        check("PassWord123", Err(UnfitPassword::TooCommon));
        check("ADA@example.com", Err(UnfitPassword::EqualsEmail));
        check("ada lovelace", Err(UnfitPassword::EqualsName));
        check(&"é".repeat(128), Ok(()));
        check("비밀번호는비밀", Err(UnfitPassword::TooShort));
        check("비밀번호는비밀이다", Ok(()));
        check("        ", Ok(()));
        check("correct horse", Ok(()));
    }

    #[test]
    fn a_password_is_kept_verbatim_and_never_shown() {
        let password = NewPassword::accept("  Spaced Out  ".to_owned(), None, None).unwrap();
        assert_eq!(format!("{password:?}"), "NewPassword(..)");
        assert_eq!(password.into_text(), "  Spaced Out  ");
    }

    #[test]
    fn the_list_can_match_what_it_lists() {
        for common in COMMON.lines() {
            assert_eq!(common, common.to_lowercase());
            assert!(common.chars().count() >= PASSWORD_LENGTH_MIN, "{common} is too short anyway");
        }
    }
}
