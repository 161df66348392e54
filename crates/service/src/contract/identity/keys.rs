//! The keys that the processes of one installation share, and the form in which anything is signed
//! with them: JWS compact (RFC 7515) with HS256 (RFC 7518, section 3.2), and nothing else.

use std::{collections::HashSet, fmt, str::FromStr, sync::Arc};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

/// Fewest bytes of a secret: as many as the hash has (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// Most bytes of a secret. More would be hashed first, and gain nothing.
const SECRET_BYTES_MAX: usize = 256;
/// Most characters of a key's id.
const ID_LENGTH_MAX: usize = 32;
/// Keys at once: one that signs, one that is on its way in or out, and room for a mistake.
const KEYS_MAX: usize = 4;
/// Base64url of 32 bytes.
const SIGNATURE_LENGTH: usize = 43;

/// Keys for signing and verifying. The first signs, all verify. Clones share them.
///
/// A key is changed without a pause in three steps, each on all processes: append the new one; put
/// it first; remove the old one.
#[derive(Clone)]
pub struct Keys(Arc<[Key]>);

struct Key {
    id: String,
    /// The encoded JWS header of each kind of message.
    headers: [String; MessageKind::ALL.len()],
    /// Keyed already, which is half the work of a short message.
    mac: Hmac<Sha256>,
}

/// What a message is for, so that one kind never passes for another (RFC 8725, section 3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// An identity, in a header of a request.
    Identity,
    /// What account services tell the caches of tokens.
    Revocations,
}

impl MessageKind {
    const ALL: [Self; 2] = [Self::Identity, Self::Revocations];

    /// The media type in the JWS header, without its `application/`.
    const fn media_type(self) -> &'static str {
        match self {
            Self::Identity => "my-pay-identity+jwt",
            Self::Revocations => "my-pay-revocations+jwt",
        }
    }
}

/// Why the setting with the keys is not accepted. Never shows what might be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// There is none.
    #[error("at least one identity key is needed")]
    None,
    /// There are more than four.
    #[error("there are {0} identity keys, and at most {KEYS_MAX} are allowed")]
    TooMany(usize),
    /// An entry has not the form `id:secret`.
    #[error("identity key {0} is not of the form `id:secret`, the secret in base64")]
    Form(usize),
    /// An id has other characters, or too many.
    #[error(
        "the id of identity key {0} must be 1 to {ID_LENGTH_MAX} letters, digits, `-`, `_` or `.`"
    )]
    Id(usize),
    /// Two keys have the same id.
    #[error("two identity keys have the id `{0}`")]
    SameId(String),
    /// A secret is not base64.
    #[error("the secret of identity key `{0}` is not base64 (RFC 4648, section 4, with padding)")]
    NotBase64(String),
    /// A secret is too short or too long.
    #[error(
        "the secret of identity key `{id}` has {bytes} bytes, and must have {SECRET_BYTES_MIN} to \
         {SECRET_BYTES_MAX}"
    )]
    Length {
        /// The id of the key.
        id: String,
        /// How long its secret is.
        bytes: usize,
    },
}

/// Why something is not signed by one of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// Not three parts in base64url.
    #[error("it is not a JWS in compact form")]
    Malformed,
    /// `alg` is not HS256.
    #[error("its algorithm is not HS256")]
    Algorithm,
    /// `kid` is none of the keys'.
    #[error("its key is not known here")]
    UnknownKey,
    /// The header is not one that we write, e.g. of another kind of message.
    #[error("its header is not the expected one")]
    Header,
    /// The signature is another one.
    #[error("its signature is wrong")]
    Signature,
}

impl Keys {
    /// Reads entries of the form `id:secret`, the secret in base64 of 32 bytes or more, as
    /// `openssl rand -base64 32` makes it.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self, InvalidKeys> {
        if entries.is_empty() {
            return Err(InvalidKeys::None);
        }
        if entries.len() > KEYS_MAX {
            return Err(InvalidKeys::TooMany(entries.len()));
        }
        let mut ids = HashSet::new();
        let mut keys = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let key = Key::parse(index + 1, entry.as_ref().trim())?;
            if !ids.insert(key.id.clone()) {
                return Err(InvalidKeys::SameId(key.id));
            }
            keys.push(key);
        }
        Ok(Self(keys.into()))
    }

    /// Signs with the first key.
    pub(crate) fn sign(&self, kind: MessageKind, payload: &[u8]) -> String {
        let Some(key) = self.0.first() else { unreachable!("parsed keys are at least one") };
        let header = &key.headers[kind as usize];
        let length = header.len() + Base64UrlUnpadded::encoded_len(payload) + SIGNATURE_LENGTH + 2;
        let mut token = String::with_capacity(length);
        token.push_str(header);
        token.push('.');
        push_base64(&mut token, payload);
        let signature = key.mac.clone().chain_update(token.as_bytes()).finalize().into_bytes();
        token.push('.');
        push_base64(&mut token, &signature);
        token
    }

    /// The payload of what one of the keys signed.
    pub(crate) fn verify(&self, kind: MessageKind, token: &str) -> Result<Vec<u8>, NotSigned> {
        let (signed, signature) = token.rsplit_once('.').ok_or(NotSigned::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(NotSigned::Malformed)?;
        // Whole headers are compared, so nothing in one is ever interpreted: neither `alg` nor
        // `kid` can mean anything but what we wrote.
        let key = self.0.iter().find(|key| key.headers[kind as usize] == header);
        let key = key.ok_or_else(|| self.why_not(header))?;
        let mut given = [0; 32];
        let given = Base64UrlUnpadded::decode(signature, &mut given);
        let given = given.map_err(|_| NotSigned::Malformed)?;
        // In constant time.
        let verified = key.mac.clone().chain_update(signed.as_bytes()).verify_slice(given);
        verified.map_err(|_| NotSigned::Signature)?;
        Base64UrlUnpadded::decode_vec(payload).map_err(|_| NotSigned::Malformed)
    }

    /// What is wrong with a header, for the log: only a reason is made of it.
    fn why_not(&self, header: &str) -> NotSigned {
        #[derive(Deserialize)]
        struct Header {
            alg: String,
            kid: Option<String>,
        }
        let decoded = Base64UrlUnpadded::decode_vec(header).unwrap_or_default();
        match serde_json::from_slice::<Header>(&decoded) {
            Err(_) => NotSigned::Malformed,
            Ok(header) if header.alg != "HS256" => NotSigned::Algorithm,
            Ok(Header { kid: Some(id), .. }) if self.0.iter().any(|key| key.id == id) => {
                NotSigned::Header
            }
            Ok(_) => NotSigned::UnknownKey,
        }
    }
}

impl Key {
    fn parse(number: usize, entry: &str) -> Result<Self, InvalidKeys> {
        let (id, secret) = entry.split_once(':').ok_or(InvalidKeys::Form(number))?;
        let is_id = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !(1..=ID_LENGTH_MAX).contains(&id.len()) || !id.bytes().all(is_id) {
            return Err(InvalidKeys::Id(number));
        }
        let id = id.to_owned();
        let Ok(secret) = Base64::decode_vec(secret) else { return Err(InvalidKeys::NotBase64(id)) };
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) {
            return Err(InvalidKeys::Length { id, bytes: secret.len() });
        }
        let headers = MessageKind::ALL.map(|kind| {
            let typ = kind.media_type();
            let header = format!(r#"{{"alg":"HS256","kid":"{id}","typ":"{typ}"}}"#);
            Base64UrlUnpadded::encode_string(header.as_bytes())
        });
        let mac = Hmac::new_from_slice(&secret).expect("HMAC takes a key of any length");
        Ok(Self { id, headers, mac })
    }
}

impl FromStr for Keys {
    type Err = InvalidKeys;

    /// Entries with commas between them.
    fn from_str(text: &str) -> Result<Self, InvalidKeys> {
        let entries: Vec<&str> =
            text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
        Self::parse(&entries)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.0.iter().map(|key| key.id.as_str()).collect();
        f.debug_tuple("Keys").field(&ids).finish()
    }
}

fn push_base64(text: &mut String, bytes: &[u8]) {
    // On the stack for what is usual; anything longer has its allocation.
    let mut buffer = [0; 768];
    match Base64UrlUnpadded::encode(bytes, &mut buffer) {
        Ok(encoded) => text.push_str(encoded),
        Err(_) => text.push_str(&Base64UrlUnpadded::encode_string(bytes)),
    }
}
