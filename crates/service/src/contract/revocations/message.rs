//! What an account service publishes: signed, numbered without gaps, and never old.

use std::{borrow::Cow, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    contract::{
        critical::Critical,
        identity::{Keys, MessageKind, NotSigned},
        introspection::TokenDigest,
    },
};

/// Tokens in one message.
pub(super) const TOKENS_MAX: usize = 64;
/// Longest message that is looked at, in bytes; ours have at most some 4,500.
const LENGTH_MAX: usize = 16 * 1024;
/// How old a message may be, and how far ahead: the difference of clocks, and a delay. Older ones
/// are somebody's recording.
const AGE_MAX: Duration = Duration::from_secs(10);

/// One message. Without tokens it is a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Random, for each process.
    pub(super) publisher: String,
    /// From 1, one more with each message. A message sent twice has the same.
    pub(super) sequence: u64,
    /// Some revocations are not in any message: forget everything.
    pub(super) missed: bool,
    pub(super) revoked: Vec<TokenDigest>,
}

/// Why a message is not heeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotHeeded {
    #[error("it is too long")]
    TooLong,
    #[error("it is not trusted")]
    NotSigned(#[from] NotSigned),
    #[error("it says other things than ours do")]
    Content,
    #[error("it is too old or too new, or the clocks differ")]
    Age,
}

/// Members that are not known are ignored, but for those that `crit` names.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    publisher: Cow<'a, str>,
    sequence: u64,
    sent_at_us: i64,
    missed: bool,
    #[serde(borrow)]
    revoked: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Critical::is_empty", borrow)]
    crit: Critical<'a>,
}

/// The critical members that this version knows.
const CRITICAL_KNOWN: [&str; 0] = [];

impl Message {
    pub(super) fn sign(&self, keys: &Keys, now: Timestamp) -> String {
        let encoded = self.revoked.iter().map(|token| Base64UrlUnpadded::encode_string(&token.0));
        let wire = Wire {
            publisher: Cow::Borrowed(&self.publisher),
            sequence: self.sequence,
            sent_at_us: now.as_micros(),
            missed: self.missed,
            revoked: encoded.map(Cow::Owned).collect(),
            crit: Critical::default(),
        };
        let payload = serde_json::to_vec(&wire).expect("strings and integers always serialise");
        keys.sign(MessageKind::Revocations, &payload)
    }

    pub(super) fn verify(bytes: &[u8], keys: &Keys, now: Timestamp) -> Result<Self, NotHeeded> {
        if bytes.len() > LENGTH_MAX {
            return Err(NotHeeded::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| NotSigned::Malformed)?;
        let payload = keys.verify(MessageKind::Revocations, text)?;
        let wire: Wire<'_> = serde_json::from_slice(&payload).map_err(|_| NotHeeded::Content)?;
        let sent_at = Timestamp::from_micros(wire.sent_at_us);
        if now.since(sent_at) > AGE_MAX || sent_at.since(now) > AGE_MAX {
            return Err(NotHeeded::Age);
        }
        if wire.revoked.len() > TOKENS_MAX || !wire.crit.is_understood(&CRITICAL_KNOWN) {
            return Err(NotHeeded::Content);
        }
        let decode = |text: Cow<'_, str>| {
            let mut digest = [0; 32];
            let length = Base64UrlUnpadded::decode(text.as_bytes(), &mut digest).ok()?.len();
            (length == digest.len()).then_some(TokenDigest(digest))
        };
        let revoked: Option<Vec<TokenDigest>> = wire.revoked.into_iter().map(decode).collect();
        Ok(Self {
            publisher: wire.publisher.into_owned(),
            sequence: wire.sequence,
            missed: wire.missed,
            revoked: revoked.ok_or(NotHeeded::Content)?,
        })
    }
}

#[cfg(test)]
mod tests;
