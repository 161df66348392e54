//! Who is calling. The gateway attaches a [`Caller`] to each request; services read it with the
//! [`Identity`] extractor and accept nothing else, so reaching a service without the gateway gains
//! nothing.

use axum::extract::FromRequestParts;
use hyper::http::request::Parts;

use crate::{
    clock::Timestamp,
    http::problem::{self, Problem},
};

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
