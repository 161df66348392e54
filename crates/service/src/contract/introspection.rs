//! Token introspection in the shape of RFC 7662: a token is active and says whose it is, or it is
//! not active and says nothing. Tokens cross services, and are stored, as digests only.

use sha2::{Digest, Sha256};

use super::{identity::Identity, revocations::Revocations};
use crate::BoxFuture;

/// SHA-256 of an access or refresh token. Tokens are 256 random bits, so a plain hash is as strong
/// as the token itself: there is nothing to guess, hence no salt and no stretching.
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

/// The account service, as whoever checks tokens sees it.
pub trait Introspection: Send + Sync {
    /// Whose token this is, or `None` if it is unknown, expired or revoked.
    fn introspect(
        &self,
        token: TokenDigest,
    ) -> BoxFuture<'_, Result<Option<Identity>, IntrospectionUnavailable>>;

    /// Revocations from now on.
    fn revocations(&self) -> Revocations;
}
