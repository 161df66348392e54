//! Access and refresh tokens: 256 random bits, behind a prefix that says what they are, so that
//! scanners for leaked secrets recognise them. The text exists in the answer to the client and
//! nowhere else.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use service::contract::introspection::TokenDigest;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Access,
    Refresh,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "mpa_",
            Self::Refresh => "mpr_",
        }
    }
}

/// A token as its owner gets it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new token, from the operating system's randomness.
    pub(crate) fn generate(kind: TokenKind) -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        Ok(Self::from_random(kind, random))
    }

    fn from_random(kind: TokenKind, random: [u8; 32]) -> Self {
        Self(format!("{}{}", kind.prefix(), Base64UrlUnpadded::encode_string(&random)))
    }

    /// As text, for the client.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is stored.
    pub(crate) fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

impl fmt::Debug for Token {
    /// A secret: not shown, so that no log can have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_prefix_and_43_characters() {
        let token = Token::from_random(TokenKind::Access, [0xff; 32]);
        assert_eq!(token.as_str(), "mpa___________________________________________8");
        assert_eq!(token.as_str().len(), 4 + 43);
        assert_eq!(format!("{token:?}"), "Token(..)");
        let one = Token::generate(TokenKind::Refresh).unwrap();
        let other = Token::generate(TokenKind::Refresh).unwrap();
        assert!(one.as_str().starts_with("mpr_"));
        assert_ne!(one.digest(), other.digest());
    }
}
