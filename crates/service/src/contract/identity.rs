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

use super::scope::Scopes;
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

/// The header in which an API key names the account that it acts for. The gateway reads it, and
/// hands the account on in the identity; services read the identity alone.
pub const MY_PAY_ACCOUNT: HeaderName = HeaderName::from_static("my-pay-account");

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

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A person, with an access token.
    Person {
        /// The account that the token was issued to.
        account_id: i64,
        /// The session (the family of rotated tokens) that the token belongs to.
        session_id: i64,
    },
    /// A company's backend, with an API key.
    ApiKey {
        /// The key. It stays the same when its secret is rotated.
        id: i64,
    },
}

/// An authenticated caller, as the account service vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Who makes the request.
    pub asker: Asker,
    /// The account acted for: a person's own, or the one that the request of an API key names.
    pub account_id: Option<i64>,
    /// What the token or key may be used for.
    pub scopes: Scopes,
    /// When the token or key ends. [`Identity::NEVER`] if it does not.
    pub expires_at: Timestamp,
}

impl Identity {
    /// The end of a key that has none.
    pub const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

    /// A person, who acts for the own account.
    pub const fn person(account_id: i64, session_id: i64, expires_at: Timestamp) -> Self {
        Self {
            asker: Asker::Person { account_id, session_id },
            account_id: Some(account_id),
            scopes: Scopes::PERSON,
            expires_at,
        }
    }

    /// An API key, before it is known for which account it acts.
    pub const fn api_key(id: i64, scopes: Scopes, expires_at: Timestamp) -> Self {
        Self { asker: Asker::ApiKey { id }, account_id: None, scopes, expires_at }
    }
}

/// An authenticated caller that acts for an account. Where a call is about one account, it is this
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnBehalf {
    /// Who makes the request.
    pub asker: Asker,
    /// The account acted for.
    pub account_id: i64,
}

/// What the gateway found out about the caller, attached as a request extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// No token and no key was sent.
    Anonymous,
    /// A token or key was sent that is malformed, unknown, expired or revoked.
    Refused,
    /// A valid token or key was sent.
    Known(Identity),
}

impl Caller {
    /// The identity of a caller who is known, or the problem that the others get.
    pub fn identity(caller: Option<&Self>) -> Result<Identity, Problem> {
        match caller {
            Some(Self::Known(identity)) => Ok(*identity),
            Some(Self::Refused) => Err(Problem::new(&problem::INVALID_TOKEN)
                .detail("The access token or API key is malformed, unknown, expired or revoked.")),
            Some(Self::Anonymous) | None => Err(Problem::new(&problem::MISSING_TOKEN).detail(
                "This call needs an access token or an API key: `Authorization: Bearer <token>`.",
            )),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Caller::identity(parts.extensions.get())
    }
}

impl<S: Sync> FromRequestParts<S> for OnBehalf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Identity { asker, account_id, .. } = Caller::identity(parts.extensions.get())?;
        let account_id = account_id.ok_or_else(|| {
            Problem::new(&problem::ACCOUNT_REQUIRED)
                .detail("An API key names the account that it acts for: `My-Pay-Account: <id>`.")
        })?;
        Ok(Self { asker, account_id })
    }
}
