//! What a signed identity says (RFC 7519), and how it is bound to one request.

use std::borrow::Cow;

use hyper::{
    Uri,
    header::{CONTENT_TYPE, HeaderName},
    http::request::Parts,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Caller, Identity, Party, Subject};
use crate::{
    clock::Timestamp,
    contract::{critical::Critical, scope::Scopes},
};

/// The headers of a request that change what it does.
const BOUND_HEADERS: [HeaderName; 2] = [CONTENT_TYPE, HeaderName::from_static("idempotency-key")];

/// The claims. Times are in seconds (RFC 7519, section 2), but for our own `token_exp_us`.
/// Claims that are not known are ignored, but for those that `crit` names.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims<'a> {
    pub(super) iss: Party,
    pub(super) aud: Party,
    pub(super) iat: i64,
    pub(super) exp: i64,
    /// The request id.
    #[serde(borrow)]
    pub(super) jti: Cow<'a, str>,
    /// The digest of the request, in base64url: what is signed for one request is for no other.
    #[serde(borrow)]
    pub(super) req: Cow<'a, str>,
    pub(super) state: State,
    /// The account acted for, in decimal; always with `known`, and with `key` if one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<String>,
    /// The session, in decimal; with `known` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<String>,
    /// When the access token or the API key ends, in microseconds; with `known` and `key` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_exp_us: Option<i64>,
    /// The API key, in decimal; with `key` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) api_key: Option<String>,
    /// Its scopes, with one space between them; with `key` only.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub(super) scope: Option<Cow<'a, str>>,
    /// Claims without which the others must not be read.
    #[serde(default, skip_serializing_if = "Critical::is_empty", borrow)]
    pub(super) crit: Critical<'a>,
}

/// The critical claims that this version knows.
const CRITICAL_KNOWN: [&str; 0] = [];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Anonymous,
    Refused,
    Known,
    Service,
    /// Earlier versions refuse claims of this state, so that none of them takes a key for a
    /// person.
    Key,
}

impl Claims<'_> {
    /// On whose behalf, or `None` if the claims contradict each other or say what is not known
    /// here.
    pub(super) fn subject(&self) -> Option<Subject> {
        if !self.crit.is_understood(&CRITICAL_KNOWN) {
            return None;
        }
        let person = (&self.sub, &self.sid, self.token_exp_us);
        let key = (&self.api_key, &self.scope);
        match (self.state, person, key) {
            (State::Anonymous, (None, None, None), (None, None)) => {
                Some(Subject::Caller(Caller::Anonymous))
            }
            (State::Refused, (None, None, None), (None, None)) => {
                Some(Subject::Caller(Caller::Refused))
            }
            (State::Service, (None, None, None), (None, None)) => Some(Subject::Service),
            (State::Known, (Some(sub), Some(sid), Some(token_exp_us)), (None, None)) => {
                Some(Subject::Caller(Caller::Known(Identity::person(
                    sub.parse().ok()?,
                    sid.parse().ok()?,
                    Timestamp::from_micros(token_exp_us),
                ))))
            }
            (State::Key, (sub, None, Some(token_exp_us)), (Some(id), Some(scope))) => {
                let expires_at = Timestamp::from_micros(token_exp_us);
                let scopes = Scopes::known(scope);
                let identity = Identity::api_key(id.parse().ok()?, scopes, expires_at);
                let account_id = match sub {
                    Some(sub) => Some(sub.parse().ok()?),
                    None => None,
                };
                Some(Subject::Caller(Caller::Known(Identity { account_id, ..identity })))
            }
            _ => None,
        }
    }
}

/// SHA-256 over method, path and query, the headers that matter, and the body. Written like the
/// head of a request, whose lines cannot contain line breaks, so no two requests are written alike.
pub(super) fn digest_of(request: &Parts, body: &[u8]) -> [u8; 32] {
    let mut text = Vec::with_capacity(256);
    text.extend_from_slice(request.method.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(path_and_query(&request.uri).as_bytes());
    text.push(b'\n');
    for name in BOUND_HEADERS {
        for value in request.headers.get_all(&name) {
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(b':');
            text.extend_from_slice(value.as_bytes());
            text.push(b'\n');
        }
    }
    text.push(b'\n');
    Sha256::new().chain_update(&text).chain_update(body).finalize().into()
}

fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path_and_query| path_and_query.as_str())
}
