//! Who is calling. The gateway attaches a [`Caller`] to each request; services read it with the
//! [`Identity`] extractor and accept nothing else, so reaching a service without the gateway gains
//! nothing. Between processes the caller travels in a header, signed by a [`Signer`], and
//! [`guard()`] makes it the same extension again.

mod claims;
mod guard;
mod keys;
mod metrics;
mod signer;
mod verifier;

#[cfg(test)]
mod tests;

use axum::extract::FromRequestParts;
use hyper::{header::HeaderName, http::request::Parts};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    http::problem::{self, Problem},
};

pub(crate) use self::{guard::guard_services, keys::MessageKind};
pub use self::{
    guard::{guard, is_refusal},
    keys::{InvalidKeys, Keys, NotSigned},
    signer::Signer,
    verifier::{Refusal, Verified, Verifier},
};

/// The header of a signed identity. The gateway strips it, as all of `X-My-Pay-`, from clients.
pub const X_MY_PAY_IDENTITY: HeaderName = HeaderName::from_static("x-my-pay-identity");

/// Who signs an identity, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// The gateway.
    Gateway,
    /// The account service.
    Account,
    /// The money service.
    Money,
}

/// On whose behalf a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A client's, as the gateway found it out.
    Caller(Caller),
    /// That of the service that signed.
    Service,
}

/// An authenticated caller, as the account service vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The account that the token was issued to.
    pub account_id: i64,
    /// The session (the family of rotated tokens) that the token belongs to.
    pub session_id: i64,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// What the gateway found out about the caller, attached as a request extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// No token was sent.
    Anonymous,
    /// A token was sent that is malformed, unknown, expired or revoked.
    Refused,
    /// A valid token was sent.
    Known(Identity),
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Known(identity)) => Ok(*identity),
            Some(Caller::Refused) => Err(Problem::new(&problem::INVALID_TOKEN)
                .detail("The access token is malformed, unknown, expired or revoked.")),
            Some(Caller::Anonymous) | None => Err(Problem::new(&problem::MISSING_TOKEN)
                .detail("This call needs an access token: `Authorization: Bearer <token>`.")),
        }
    }
}
