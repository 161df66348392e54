//! Signs on whose behalf a request is made. A signature is for one request to one service, and for
//! seconds.

use std::{borrow::Cow, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding};
use hyper::{header::HeaderValue, http::request::Parts};

use super::{
    Asker, Caller, Keys, MessageKind, Party, Subject,
    claims::{Claims, State, digest_of},
};
use crate::{clock::Clock, contract::critical::Critical, http::request_id::X_REQUEST_ID};

/// How long an identity is valid. A request that waited for longer is of no use any more to whoever
/// made it.
pub(super) const LIFE: Duration = Duration::from_secs(20);

/// Signs as one party.
#[derive(Debug, Clone)]
pub struct Signer {
    keys: Keys,
    issuer: Party,
    clock: Clock,
}

impl Signer {
    /// Signs as `issuer` with the first of the keys.
    pub fn new(keys: Keys, issuer: Party, clock: Clock) -> Self {
        Self { keys, issuer, clock }
    }

    /// The value of [`super::X_MY_PAY_IDENTITY`] for this request to `audience`: its method, path,
    /// query, `X-Request-Id`, `Idempotency-Key` and `Content-Type` as they are sent, and its body,
    /// whole. Valid for 20 seconds, so a retry needs its own.
    pub fn sign(
        &self,
        subject: Subject,
        audience: Party,
        request: &Parts,
        body: &[u8],
    ) -> HeaderValue {
        let now = self.clock.now().as_micros().div_euclid(1_000_000);
        let mut encoded = [0; 43];
        let digest = Base64UrlUnpadded::encode(&digest_of(request, body), &mut encoded)
            .expect("32 bytes are 43 characters");
        let request_id = request.headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok());
        let mut claims = Claims {
            iss: self.issuer,
            aud: audience,
            iat: now,
            exp: now.saturating_add(LIFE.as_secs().cast_signed()),
            jti: Cow::Borrowed(request_id.unwrap_or_default()),
            req: Cow::Borrowed(digest),
            state: State::Service,
            sub: None,
            sid: None,
            token_exp_us: None,
            api_key: None,
            scope: None,
            crit: Critical::default(),
        };
        match subject {
            Subject::Service => {}
            Subject::Caller(Caller::Anonymous) => claims.state = State::Anonymous,
            Subject::Caller(Caller::Refused) => claims.state = State::Refused,
            Subject::Caller(Caller::Known(identity)) => {
                claims.sub = identity.account_id.map(|id| id.to_string());
                claims.token_exp_us = Some(identity.expires_at.as_micros());
                match identity.asker {
                    Asker::Person { session_id, .. } => {
                        claims.state = State::Known;
                        claims.sid = Some(session_id.to_string());
                    }
                    Asker::ApiKey { id } => {
                        claims.state = State::Key;
                        claims.api_key = Some(id.to_string());
                        claims.scope = Some(Cow::Owned(identity.scopes.to_string()));
                    }
                }
            }
        }
        let payload = serde_json::to_vec(&claims).expect("strings and integers always serialise");
        let token = self.keys.sign(MessageKind::Identity, &payload);
        let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(token))
            .expect("base64url and dots are visible ASCII");
        // Kept out of Debug, and out of HTTP/2's tables.
        value.set_sensitive(true);
        value
    }
}
