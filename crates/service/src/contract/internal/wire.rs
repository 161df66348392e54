//! What both ends write and read.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    contract::{
        account_feed::{AccountChange, Standing},
        identity::Identity,
        introspection::TokenDigest,
    },
};

/// Most changes in one answer.
pub(super) const CHANGES_MAX: u32 = 1000;

/// Asks whose a token is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Question {
    /// SHA-256, in base64url.
    token_sha256: String,
}

/// RFC 7662, section 2.2: an inactive token says nothing else.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    active: bool,
    /// The account, in decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// The session, in decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    /// When the token ends, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp_us: Option<i64>,
}

/// Changes, in order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    pub(super) changes: Vec<Change>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Change {
    sequence: i64,
    account_id: i64,
    standing: WireStanding,
    created_at_us: i64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireStanding {
    Active,
    Suspended,
    Closed,
}

impl Question {
    pub(super) fn about(token: TokenDigest) -> Self {
        Self { token_sha256: Base64UrlUnpadded::encode_string(&token.0) }
    }

    /// `None` if it is not a digest.
    pub(super) fn token(&self) -> Option<TokenDigest> {
        let mut digest = [0; 32];
        let decoded = Base64UrlUnpadded::decode(self.token_sha256.as_bytes(), &mut digest).ok()?;
        (decoded.len() == 32).then_some(TokenDigest(digest))
    }
}

impl Answer {
    pub(super) fn from_identity(identity: Option<Identity>) -> Self {
        Self {
            active: identity.is_some(),
            sub: identity.map(|identity| identity.account_id.to_string()),
            sid: identity.map(|identity| identity.session_id.to_string()),
            exp_us: identity.map(|identity| identity.expires_at.as_micros()),
        }
    }

    /// The outer `None` if the answer contradicts itself.
    pub(super) fn identity(&self) -> Option<Option<Identity>> {
        match (self.active, &self.sub, &self.sid, self.exp_us) {
            (false, None, None, None) => Some(None),
            (true, Some(sub), Some(sid), Some(exp_us)) => Some(Some(Identity {
                account_id: sub.parse().ok()?,
                session_id: sid.parse().ok()?,
                expires_at: Timestamp::from_micros(exp_us),
            })),
            _ => None,
        }
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
