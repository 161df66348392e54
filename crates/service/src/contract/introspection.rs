//! Token introspection in the shape of RFC 7662: a token is active and says whose it is, or it is
//! not active and says nothing. Tokens cross services, and are stored, as digests only.

use sha2::{Digest, Sha256};

use super::{identity::Identity, revocations::Revocations};
use crate::BoxFuture;

/// SHA-256 of an access token, a refresh token or an API key. All are 256 random bits, so a plain
/// hash is as strong as the token itself: there is nothing to guess, hence no salt and no
/// stretching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// The digest of a token as the client sends it.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// The account service cannot answer now.
#[derive(Debug, thiserror::Error)]
#[error("token introspection is unavailable")]
pub struct IntrospectionUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The account service, as the gateway sees it.
pub trait Introspection: Send + Sync {
    /// Whose token or key this is, or `None` if it is unknown, expired or revoked. Of a key it is
    /// not known yet for which account it acts.
    fn introspect(
        &self,
        token: TokenDigest,
    ) -> BoxFuture<'_, Result<Option<Identity>, IntrospectionUnavailable>>;

    /// Whether the account was ever registered. Accounts are never deleted, so a yes stays true.
    fn account_exists(
        &self,
        account_id: i64,
    ) -> BoxFuture<'_, Result<bool, IntrospectionUnavailable>>;

    /// Revocations from now on.
    fn revocations(&self) -> Revocations;
}
