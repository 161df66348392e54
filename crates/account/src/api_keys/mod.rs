//! API keys: what a company's backend asks with. A key has an id that stays, scopes, perhaps an
//! end, and one secret, or two for a while after a rotation. No HTTP and no SQL here.

mod last_use;
mod rules;

use std::{fmt, time::Duration};

use service::{
    clock::{Clock, Timestamp},
    contract::{identity::Identity, introspection::TokenDigest, scope::Scopes},
};

use crate::{AccountService, Error, Token, ids::IdName, store::Store, token::TokenKind, unbroken};

pub use self::{
    last_use::LastUse,
    rules::{
        Mistake, NAME_LENGTH_MAX, OVERLAP, OVERLAP_MAX, read_expiry, read_name, read_overlap,
        read_scopes,
    },
};
pub(crate) use self::{
    last_use::{LastUses, write_last_uses},
    rules::{NAME, check_expiry, check_power, check_until},
};

/// Most keys that have neither expired nor been revoked, and most that a list shows.
pub const API_KEYS_MAX: u32 = 1_000;

/// Who manages keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// A command of an operator, who has the database.
    Command,
    /// A key with the scope `keys:write`.
    ApiKey {
        /// Its id.
        id: i64,
    },
}

/// What was done to a key, by which asker, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Manager,
}

/// A key, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Stays the same when the secret is rotated.
    pub id: i64,
    /// What the key is for, in words. Need not be unique.
    pub name: String,
    /// What it may be used for. Never changes.
    pub scopes: Scopes,
    /// When and by whom it was created.
    pub created: Deed,
    /// When it ends by itself, if it does. Never changes.
    pub expires_at: Option<Timestamp>,
    /// The last rotation of its secret.
    pub rotated: Option<Deed>,
    /// Its end before its time.
    pub revoked: Option<Deed>,
    /// About when it was last used: written at most once a minute.
    pub last_used_at: Option<Timestamp>,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKeyState {
    /// Yes.
    Active,
    /// No more: its time is over.
    Expired,
    /// No more: it was ended before its time.
    Revoked,
}

/// A key about to be inserted.
#[derive(Debug, Clone)]
pub struct InsertApiKey {
    /// A fresh id.
    pub id: i64,
    /// 1 to 100 characters.
    pub name: String,
    /// At least one.
    pub scopes: Scopes,
    /// Later than now.
    pub expires_at: Option<Timestamp>,
    /// Digest of its secret.
    pub secret: TokenDigest,
    /// Now, and who creates it.
    pub created: Deed,
}

/// How a key gets its next secret.
#[derive(Debug, Clone, Copy)]
pub struct KeyRotation {
    /// The key.
    pub id: i64,
    /// Digest of the next secret.
    pub secret: TokenDigest,
    /// How long the secret that is replaced stays valid.
    pub overlap: Duration,
    /// Now, and who rotates it.
    pub rotated: Deed,
}

/// A key after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedKey {
    /// As it is now.
    pub key: ApiKey,
    /// When the secret that was replaced ends, if it has not ended.
    pub previous_valid_until: Option<Timestamp>,
    /// Secrets that end earlier than they did before, some of them at once: caches ask again.
    pub ended: Vec<TokenDigest>,
}

/// Why a key was not created, rotated or revoked, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// The managing key has been revoked or has expired.
    #[error("the API key that asks is not valid any more")]
    ManagerEnded,
    /// There is no such key.
    #[error("there is no such API key")]
    Unknown,
    /// A revoked key gets no new secret.
    #[error("the API key is revoked")]
    Revoked,
    /// A key whose time is over gets no new secret.
    #[error("the API key has expired")]
    Expired,
    /// The managing key would get these scopes, which it does not have.
    #[error("the API key that asks lacks these scopes: {0}")]
    BeyondScopes(Scopes),
    /// The managing key ends at this time, and the other one would outlive it.
    #[error("the API key would outlive the one that asks, which ends at {0}")]
    Outlives(Timestamp),
    /// As many as may be have not ended.
    #[error("there are as many API keys as there may be: revoke some that are not used")]
    TooMany,
}

/// What a key is created with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// As [`read_name`] gives it.
    pub name: String,
    /// At least one.
    pub scopes: Scopes,
    /// Later than now.
    pub expires_at: Option<Timestamp>,
}

/// A key with its new secret, which exists here and with the client, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedKey {
    /// `mpk_` and 43 characters. Hidden from `Debug`.
    pub secret: Token,
    /// The key.
    pub key: ApiKey,
    /// When the secret that was replaced ends, if there is one.
    pub previous_valid_until: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it can be used now.
    pub fn state(&self, now: Timestamp) -> ApiKeyState {
        if self.revoked.is_some() {
            ApiKeyState::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            ApiKeyState::Expired
        } else {
            ApiKeyState::Active
        }
    }
}

impl ApiKeyState {
    /// As clients and operators read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command => f.write_str("command"),
            Self::ApiKey { id } => write!(f, "key {id}"),
        }
    }
}

/// Creates a key beside the service or in it.
pub(crate) async fn create(
    store: &dyn Store,
    id: i64,
    new: NewApiKey,
    created: Deed,
) -> Result<IssuedKey, Error> {
    let secret = Token::generate(TokenKind::ApiKey)?;
    let NewApiKey { name, scopes, expires_at } = new;
    let insert = InsertApiKey { id, name, scopes, expires_at, secret: secret.digest(), created };
    let key = store.insert_api_key(insert, API_KEYS_MAX).await?.map_err(Error::ApiKey)?;
    Ok(IssuedKey { secret, key, previous_valid_until: None })
}

/// Gives a key its next secret. Returns also what ended.
pub(crate) async fn rotate(
    store: &dyn Store,
    id: i64,
    overlap: Duration,
    rotated: Deed,
) -> Result<(IssuedKey, Vec<TokenDigest>), Error> {
    let secret = Token::generate(TokenKind::ApiKey)?;
    let rotation = KeyRotation { id, secret: secret.digest(), overlap, rotated };
    let changed = store.rotate_api_key(rotation).await?.map_err(Error::ApiKey)?;
    let ChangedKey { key, previous_valid_until, ended } = changed;
    Ok((IssuedKey { secret, key, previous_valid_until }, ended))
}

impl AccountService {
    /// Creates a key for a key that manages keys, which asks with a secret that is valid `until`
    /// then.
    pub async fn create_api_key(
        &self,
        new: NewApiKey,
        by: Manager,
        until: Timestamp,
    ) -> Result<IssuedKey, Error> {
        check_until(until, new.expires_at).map_err(Error::ApiKey)?;
        let service = self.clone();
        unbroken(async move {
            let inner = &service.0;
            let id = inner.api_key_ids.next(inner.store.as_ref()).await?;
            let created = Deed { at: inner.clock.now(), by };
            let issued = create(inner.store.as_ref(), id, new, created).await?;
            tracing::info!(api_key.id = id, manager = %by, "an API key was created");
            Ok(issued)
        })
        .await
    }

    /// Gives a key its next secret. The one before it stays valid for `overlap`. The asker's own
    /// secret is valid `until` then: one that has been replaced gives itself no longer life.
    pub async fn rotate_api_key(
        &self,
        id: i64,
        overlap: Duration,
        by: Manager,
        until: Timestamp,
    ) -> Result<IssuedKey, Error> {
        let service = self.clone();
        unbroken(async move {
            if until != Identity::NEVER {
                // The end of a key never changes.
                let key = service.api_key(id).await?;
                check_until(until, key.expires_at).map_err(Error::ApiKey)?;
            }
            let rotated = Deed { at: service.0.clock.now(), by };
            let (issued, ended) = rotate(service.0.store.as_ref(), id, overlap, rotated).await?;
            service.revoke(&ended);
            tracing::info!(api_key.id = id, manager = %by, "an API key was rotated");
            Ok(issued)
        })
        .await
    }

    /// Ends a key for good. Nothing happens if it is revoked already.
    pub async fn revoke_api_key(&self, id: i64, by: Manager) -> Result<ApiKey, Error> {
        let service = self.clone();
        unbroken(async move {
            let revoked = Deed { at: service.0.clock.now(), by };
            let changed = service.0.store.revoke_api_key(id, revoked).await?;
            let changed = changed.map_err(Error::ApiKey)?;
            service.revoke(&changed.ended);
            tracing::info!(api_key.id = id, manager = %by, "an API key was revoked");
            Ok(changed.key)
        })
        .await
    }

    /// One key.
    pub async fn api_key(&self, id: i64) -> Result<ApiKey, Error> {
        let found = self.0.store.api_key(id).await?;
        found.ok_or(Error::ApiKey(KeyRefusal::Unknown))
    }

    /// All keys that have not ended, newest first, then those that have, as far as
    /// [`API_KEYS_MAX`] allows. And the time at which that is so.
    pub async fn api_keys(&self) -> Result<(Vec<ApiKey>, Timestamp), Error> {
        let now = self.0.clock.now();
        Ok((self.0.store.api_keys(now).await?, now))
    }

    /// The service's time, by which a key has ended or not.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

/// Creates a key on behalf of an operator's command.
pub async fn create_by_command(
    store: &dyn Store,
    new: NewApiKey,
    clock: &Clock,
) -> Result<IssuedKey, Error> {
    let id = store.reserve_ids(IdName::ApiKeys, 1).await?;
    create(store, id, new, Deed { at: clock.now(), by: Manager::Command }).await
}

/// Gives a key its next secret on behalf of an operator's command.
pub async fn rotate_by_command(
    store: &dyn Store,
    id: i64,
    overlap: Duration,
    clock: &Clock,
) -> Result<IssuedKey, Error> {
    let rotated = Deed { at: clock.now(), by: Manager::Command };
    Ok(rotate(store, id, overlap, rotated).await?.0)
}

/// Ends a key for good on behalf of an operator's command. Every instance of the service sees it
/// within a quarter of a second.
pub async fn revoke_by_command(store: &dyn Store, id: i64, clock: &Clock) -> Result<ApiKey, Error> {
    let revoked = Deed { at: clock.now(), by: Manager::Command };
    Ok(store.revoke_api_key(id, revoked).await?.map_err(Error::ApiKey)?.key)
}
