//! Settings of the signed identity.

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::Serialize;
use service::contract::identity::Keys;

use super::secret::{self, Secret};

/// The signed identity, by which services that run apart know who is calling.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct IdentityConfig {
    /// The keys, as `NAME:KEY` where KEY is base64 of at least 32 random bytes. The first signs;
    /// all of them, separated by commas, are accepted, so that a key can be exchanged: add the
    /// new one behind the old one everywhere, then put it first, then take the old one away. All
    /// services share them. Unused by `my-pay up`.
    #[config(env = "MY_PAY_IDENTITY_KEYS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Secret>,

    /// A file that holds the keys, in place of them.
    #[config(env = "MY_PAY_IDENTITY_KEYS_FILE", validate = crate::config::given::path)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_file: Option<PathBuf>,
}

impl IdentityConfig {
    /// The keys, from where they are given, which they must be.
    pub fn keys(&self) -> anyhow::Result<Keys> {
        let name = "identity.keys";
        let Some(keys) = secret::read(name, self.keys.as_ref(), self.keys_file.as_deref())? else {
            bail!("identity keys are needed: set MY_PAY_IDENTITY_KEYS or MY_PAY_IDENTITY_KEYS_FILE")
        };
        let entries: Vec<_> = keys.expose().split(',').collect();
        Keys::parse(&entries).context(name)
    }
}
