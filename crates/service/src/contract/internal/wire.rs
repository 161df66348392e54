//! What both ends write and read. Members that are not known are ignored, but for those that `crit`
//! names: instances of different versions run side by side.

use std::borrow::Cow;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    contract::{
        account_feed::{AccountChange, Standing},
        critical::Critical,
        identity::{Asker, Identity},
        introspection::TokenDigest,
        scope::Scopes,
    },
};

/// Most changes in one answer.
pub(super) const CHANGES_MAX: u32 = 1000;

/// Asks whose a token or key is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Question<'a> {
    /// SHA-256, in base64url.
    #[serde(borrow)]
    token_sha256: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Critical::is_empty", borrow)]
    crit: Critical<'a>,
}

/// RFC 7662, section 2.2: an inactive token says nothing else.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer<'a> {
    active: bool,
    /// The account, in decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// The session, in decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    /// When the token or key ends, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp_us: Option<i64>,
    /// The API key, in decimal, in place of account and session. Earlier versions refuse an answer
    /// without these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    /// The scopes of the API key, with one space between them.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    scope: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Critical::is_empty", borrow)]
    crit: Critical<'a>,
}

/// Changes, in order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Changes<'a> {
    changes: Vec<Change>,
    #[serde(default, skip_serializing_if = "Critical::is_empty", borrow)]
    crit: Critical<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    sequence: i64,
    account_id: i64,
    standing: WireStanding,
    created_at_us: i64,
}

/// A standing that is not known ends the reading: the feed stops, with its lag as the alarm, before
/// money is moved for an account that may not.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireStanding {
    Active,
    Suspended,
    Closed,
}

/// The critical members that this version knows, of every message.
const CRITICAL_KNOWN: [&str; 0] = [];

impl Question<'_> {
    pub(super) fn about(token: TokenDigest) -> Self {
        let token_sha256 = Cow::Owned(Base64UrlUnpadded::encode_string(&token.0));
        Self { token_sha256, crit: Critical::default() }
    }

    /// `None` if it is not a digest, or if the question says what is not known here.
    pub(super) fn token(&self) -> Option<TokenDigest> {
        if !self.crit.is_understood(&CRITICAL_KNOWN) {
            return None;
        }
        let mut digest = [0; 32];
        let decoded = Base64UrlUnpadded::decode(self.token_sha256.as_bytes(), &mut digest).ok()?;
        (decoded.len() == 32).then_some(TokenDigest(digest))
    }
}

impl Answer<'_> {
    pub(super) fn from_identity(identity: Option<Identity>) -> Self {
        let mut answer = Self {
            active: identity.is_some(),
            sub: None,
            sid: None,
            exp_us: identity.map(|identity| identity.expires_at.as_micros()),
            api_key: None,
            scope: None,
            crit: Critical::default(),
        };
        match identity.map(|identity| (identity.asker, identity.scopes)) {
            None => {}
            Some((Asker::Person { account_id, session_id }, _)) => {
                answer.sub = Some(account_id.to_string());
                answer.sid = Some(session_id.to_string());
            }
            Some((Asker::ApiKey { id }, scopes)) => {
                answer.api_key = Some(id.to_string());
                answer.scope = Some(Cow::Owned(scopes.to_string()));
            }
        }
        answer
    }

    /// The outer `None` if the answer contradicts itself or says what is not known here.
    pub(super) fn identity(&self) -> Option<Option<Identity>> {
        if !self.crit.is_understood(&CRITICAL_KNOWN) {
            return None;
        }
        let person = (&self.sub, &self.sid);
        let key = (&self.api_key, &self.scope);
        match (self.active, person, key, self.exp_us) {
            (false, (None, None), (None, None), None) => Some(None),
            (true, (Some(sub), Some(sid)), (None, None), Some(exp_us)) => {
                let (sub, sid) = (sub.parse().ok()?, sid.parse().ok()?);
                Some(Some(Identity::person(sub, sid, Timestamp::from_micros(exp_us))))
            }
            (true, (None, None), (Some(id), Some(scope)), Some(exp_us)) => {
                let (id, scopes) = (id.parse().ok()?, Scopes::known(scope));
                Some(Some(Identity::api_key(id, scopes, Timestamp::from_micros(exp_us))))
            }
            _ => None,
        }
    }
}

/// Asks whether an account was ever registered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountQuestion<'a> {
    account_id: i64,
    #[serde(default, skip_serializing_if = "Critical::is_empty", borrow)]
    crit: Critical<'a>,
}

/// Whether it was.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccountAnswer<'a> {
    exists: bool,
    #[serde(default, skip_serializing_if = "Critical::is_empty", borrow)]
    crit: Critical<'a>,
}

impl AccountQuestion<'_> {
    pub(super) fn about(account_id: i64) -> Self {
        Self { account_id, crit: Critical::default() }
    }

    /// `None` if the question says what is not known here.
    pub(super) fn account_id(&self) -> Option<i64> {
        self.crit.is_understood(&CRITICAL_KNOWN).then_some(self.account_id)
    }
}

impl AccountAnswer<'_> {
    pub(super) fn new(exists: bool) -> Self {
        Self { exists, crit: Critical::default() }
    }

    /// `None` if the answer says what is not known here.
    pub(super) fn exists(&self) -> Option<bool> {
        self.crit.is_understood(&CRITICAL_KNOWN).then_some(self.exists)
    }
}

impl Changes<'_> {
    pub(super) fn new(changes: Vec<AccountChange>) -> Self {
        let changes = changes.into_iter().map(Into::into).collect();
        Self { changes, crit: Critical::default() }
    }

    /// `None` if the message says what is not known here.
    pub(super) fn understood(self) -> Option<Vec<AccountChange>> {
        let is_understood = self.crit.is_understood(&CRITICAL_KNOWN);
        is_understood.then(|| self.changes.into_iter().map(Into::into).collect())
    }
}

impl From<AccountChange> for Change {
    fn from(change: AccountChange) -> Self {
        let standing = match change.standing {
            Standing::Active => WireStanding::Active,
            Standing::Suspended => WireStanding::Suspended,
            Standing::Closed => WireStanding::Closed,
        };
        Self {
            sequence: change.sequence,
            account_id: change.account_id,
            standing,
            created_at_us: change.created_at.as_micros(),
        }
    }
}

impl From<Change> for AccountChange {
    fn from(change: Change) -> Self {
        let standing = match change.standing {
            WireStanding::Active => Standing::Active,
            WireStanding::Suspended => Standing::Suspended,
            WireStanding::Closed => Standing::Closed,
        };
        Self {
            sequence: change.sequence,
            account_id: change.account_id,
            standing,
            created_at: Timestamp::from_micros(change.created_at_us),
        }
    }
}

#[cfg(test)]
mod tests;
