//! Access tokens, refresh tokens, reset tokens and API keys: 256 random bits, behind a prefix that
//! says what they are, so that scanners for leaked secrets recognise them. The text exists in the
//! answer to the client and nowhere else.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use service::contract::introspection::TokenDigest;
use sha2::Sha256;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Access,
    Refresh,
    ApiKey,
    /// Sets a password once.
    Reset,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "mpa_",
            Self::Refresh => "mpr_",
            Self::ApiKey => "mpk_",
            Self::Reset => "mpp_",
        }
    }
}

/// What a pair of tokens is derived with, beside the refresh token that it replaces. Random, and
/// known to the database only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub(crate) [u8; 32]);

impl Salt {
    /// A new salt, from the operating system's randomness.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        Ok(Self(random))
    }
}

impl fmt::Debug for Salt {
    /// Half of a secret: not shown, so that no log can have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
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

    /// The token of this kind that replaces a refresh token. Only the token and the salt together
    /// give it: the client has the one, the database the other.
    pub(crate) fn succeeding(refresh_token: &str, salt: Salt, kind: TokenKind) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&salt.0).expect("HMAC takes keys of any size");
        mac.update(kind.prefix().as_bytes());
        mac.update(refresh_token.as_bytes());
        Self::from_random(kind, mac.finalize().into_bytes().into())
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

    #[test]
    fn a_successor_follows_from_token_salt_and_kind() {
        let of = |token, salt, kind| Token::succeeding(token, Salt([salt; 32]), kind);
        let one = of("mpr_a", 1, TokenKind::Access);
        assert_eq!(one, of("mpr_a", 1, TokenKind::Access));
        assert_eq!(one.as_str().len(), 4 + 43);
        let refresh = of("mpr_a", 1, TokenKind::Refresh);
        assert_ne!(refresh.as_str()[4..], one.as_str()[4..]);
        assert_ne!(one, of("mpr_b", 1, TokenKind::Access));
        assert_ne!(one, of("mpr_a", 2, TokenKind::Access));
    }
}
