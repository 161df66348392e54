//! A company's backend of the demonstration: an API key, created at first start and kept with the
//! passwords.

use account::{
    AccountService,
    api_keys::{Manager, NewApiKey},
};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use service::contract::{
    identity::Identity,
    introspection::{Introspection as _, TokenDigest},
    scope::{Scope, Scopes},
};

/// What the key is for, by which an earlier one is found again.
const NAME: &str = "demonstration";

/// What it may be used for: all that a product's backend does for its people, and no more.
pub(super) const SCOPES: Scopes = Scopes::of(&[
    Scope::AccountsRead,
    Scope::WalletsRead,
    Scope::WalletsWrite,
    Scope::MoneySend,
    Scope::MoneyFund,
    Scope::BooksRead,
]);

/// The key as it is kept. Without `Debug`, so that no log can have it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) id: i64,
    pub(super) secret: String,
}

/// Creates the key. One of before, whose secret is not known any more, is revoked.
pub(super) async fn create(accounts: &AccountService) -> anyhow::Result<Key> {
    let by = Manager::Command;
    let (keys, _now) = accounts.api_keys().await.context("the API keys cannot be read")?;
    for key in keys.iter().filter(|key| key.name == NAME && key.revoked.is_none()) {
        let revoked = accounts.revoke_api_key(key.id, by).await;
        revoked.with_context(|| format!("API key {} cannot be revoked", key.id))?;
    }
    let new = NewApiKey { name: NAME.to_owned(), scopes: SCOPES, expires_at: None };
    let issued = accounts.create_api_key(new, by, Identity::NEVER).await;
    let issued = issued.context("the demonstration's API key cannot be created")?;
    Ok(Key { id: issued.key.id, secret: issued.secret.as_str().to_owned() })
}

/// Whether requests with the key are accepted: it is neither revoked nor rotated.
pub(super) async fn is_accepted(accounts: &AccountService, key: &Key) -> anyhow::Result<bool> {
    Ok(accounts.introspect(TokenDigest::of(&key.secret)).await?.is_some())
}
