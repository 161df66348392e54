//! Settings of Redis.

use std::path::PathBuf;

use serde::Serialize;

use super::secret::{self, Secret};

/// Redis, which instances that run apart share. Everything goes on without it, if less well.
/// Unused by `my-pay up`.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct RedisConfig {
    /// Where it is: `redis://USER:PASSWORD@HOST:PORT/DATABASE`, and all but the host may be left
    /// out.
    #[config(env = "MY_PAY_REDIS_URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,

    /// A file that holds the URL, in place of it.
    #[config(env = "MY_PAY_REDIS_URL_FILE", validate = crate::config::given::path)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
}

impl RedisConfig {
    /// The URL, from where it is given, if it is.
    pub fn url(&self) -> anyhow::Result<Option<Secret>> {
        secret::read("redis.url", self.url.as_ref(), self.url_file.as_deref())
    }
}
