//! Verifies on whose behalf a request is made. The signature first: nothing of a header that is not
//! ours is read, and no body is awaited for it.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use hyper::http::request::Parts;
use prometheus_client::registry::Registry;

use super::{
    Keys, MessageKind, Party, Subject, X_MY_PAY_IDENTITY,
    claims::{Claims, digest_of},
    keys::NotSigned,
    metrics::IdentityMetrics,
};
use crate::{
    clock::{Clock, Timestamp},
    http::request_id::REQUEST_ID_LENGTH_MAX,
};

/// How far the clocks of two machines may be apart.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5);
/// How far ahead the end of an identity may be, the difference of clocks included.
const AHEAD_MAX: Duration = Duration::from_secs(30);
/// Longest header. Ours have about 500 characters.
const LENGTH_MAX: usize = 1024;

/// Verifies for one party.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Keys,
    audience: Party,
    clock: Clock,
    pub(super) metrics: IdentityMetrics,
}

/// A verified identity, which still has to be compared with the request's body.
#[derive(Debug)]
pub struct Verified {
    /// On whose behalf.
    pub subject: Subject,
    /// Who signed.
    pub issuer: Party,
    /// The request's id, as its sender named it.
    pub request_id: String,
    digest: [u8; 32],
}

/// Why a request's identity is not accepted: for the log only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error("the request has no identity")]
    Missing,
    /// There are several.
    #[error("the request has several identities")]
    Repeated,
    /// It is longer than any of ours.
    #[error("the identity is too long")]
    TooLong,
    /// It is not signed with one of the keys.
    #[error("the identity is not trusted")]
    NotSigned(#[from] NotSigned),
    /// It is signed, but its claims are not ours or contradict each other.
    #[error("the identity has other claims than ours")]
    Claims,
    /// It is for another service.
    #[error("the identity is for another service")]
    Audience,
    /// Whoever signed may not speak for this subject.
    #[error("the identity is not of a kind that is accepted here")]
    Subject,
    /// It has ended, or the clocks differ.
    #[error("the identity has expired, or the clocks differ")]
    Expired,
    /// It is from the future: the clocks differ.
    #[error("the identity is from the future: the clocks differ")]
    TooEarly,
    /// It is for another request.
    #[error("the identity is for another request")]
    OtherRequest,
}

impl Verifier {
    /// Verifies what is meant for `audience`, signed with any of the keys.
    pub fn new(keys: Keys, audience: Party, clock: Clock) -> Self {
        Self { keys, audience, clock, metrics: IdentityMetrics::default() }
    }

    /// Makes readable how many calls of this service were refused.
    pub fn register_metrics(&self, service: &'static str, registry: &mut Registry) {
        self.metrics.register(service, registry);
    }

    /// The time, as identities are compared with it.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads the identity out of the head of a request.
    pub fn verify(&self, request: &Parts) -> Result<Verified, Refusal> {
        let mut values = request.headers.get_all(X_MY_PAY_IDENTITY).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value,
            (None, _) => return Err(Refusal::Missing),
            (Some(_), Some(_)) => return Err(Refusal::Repeated),
        };
        if value.len() > LENGTH_MAX {
            return Err(Refusal::TooLong);
        }
        let token = value.to_str().map_err(|_| NotSigned::Malformed)?;
        let payload = self.keys.verify(MessageKind::Identity, token)?;
        let claims: Claims<'_> = serde_json::from_slice(&payload).map_err(|_| Refusal::Claims)?;
        if claims.aud != self.audience {
            return Err(Refusal::Audience);
        }
        let now = self.clock.now().as_micros().div_euclid(1_000_000);
        let skew = CLOCK_SKEW_MAX.as_secs().cast_signed();
        if claims.exp.saturating_add(skew) <= now {
            return Err(Refusal::Expired);
        }
        let ahead = AHEAD_MAX.as_secs().cast_signed();
        if claims.iat > now.saturating_add(skew) || claims.exp > now.saturating_add(ahead) {
            return Err(Refusal::TooEarly);
        }
        let subject = claims.subject().ok_or(Refusal::Claims)?;
        if claims.jti.len() > REQUEST_ID_LENGTH_MAX {
            return Err(Refusal::Claims);
        }
        let mut digest = [0; 32];
        let decoded = Base64UrlUnpadded::decode(claims.req.as_bytes(), &mut digest);
        if !decoded.is_ok_and(|decoded| decoded.len() == 32) {
            return Err(Refusal::Claims);
        }
        Ok(Verified { subject, issuer: claims.iss, request_id: claims.jti.into_owned(), digest })
    }
}

impl Verified {
    /// Whether it was signed for this request, of which this is the body.
    pub fn is_for(&self, request: &Parts, body: &[u8]) -> Result<(), Refusal> {
        // Both sides are known to whoever made the request: no need for constant time.
        if digest_of(request, body) == self.digest { Ok(()) } else { Err(Refusal::OtherRequest) }
    }
}
