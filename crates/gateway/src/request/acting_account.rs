//! The account that an API key acts for. The request names it in a header, which ends here: what
//! services believe is the identity. A key may act for each account that exists, and the account
//! service is asked about each once, because accounts are never deleted.

use std::{sync::Arc, time::Duration};

use axum::http::HeaderMap;
use moka::sync::Cache;
use service::{
    contract::{
        identity::{Asker, Identity, MY_PAY_ACCOUNT},
        introspection::{Introspection, IntrospectionUnavailable},
    },
    http::{
        path::read_id,
        problem::{ACCOUNT_FORBIDDEN, ACCOUNT_NOT_FOUND, Problem},
    },
};

use crate::config::Config;

/// The account service's word on accounts, remembered.
pub(crate) struct ActingAccounts {
    introspection: Arc<dyn Introspection>,
    timeout: Duration,
    existing: Cache<i64, ()>,
}

/// Reads the header.
pub(crate) fn read_header(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    const NAME: &str = "My-Pay-Account";
    let mut values = headers.get_all(MY_PAY_ACCOUNT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let id = value.to_str().ok().and_then(|text| read_id(text.trim()).ok());
            let message = "must be an account's id: a whole number from 1 to 2^53 - 1";
            id.map(Some).ok_or_else(|| Problem::field(NAME, "invalid_id", message))
        }
        (Some(_), Some(_)) => Err(Problem::field(NAME, "repeated_field", "must be given once")),
    }
}

impl ActingAccounts {
    pub(crate) fn new(config: &Config, introspection: Arc<dyn Introspection>) -> Self {
        Self {
            introspection,
            timeout: config.introspection_timeout,
            existing: Cache::new(config.introspection_cache_tokens_max),
        }
    }

    /// The identity, acting for the account that the request names.
    pub(crate) async fn act_for(
        &self,
        identity: Identity,
        named: Option<i64>,
    ) -> Result<Identity, Problem> {
        let Some(named) = named else { return Ok(identity) };
        match identity.asker {
            Asker::Person { account_id, .. } if account_id == named => Ok(identity),
            Asker::Person { .. } => Err(Problem::new(&ACCOUNT_FORBIDDEN)),
            Asker::ApiKey { .. } => {
                if !self.exists(named).await.map_err(|error| Problem::unavailable(&error))? {
                    return Err(Problem::new(&ACCOUNT_NOT_FOUND)
                        .detail("The account that `My-Pay-Account` names does not exist."));
                }
                Ok(Identity { account_id: Some(named), ..identity })
            }
        }
    }

    async fn exists(&self, account_id: i64) -> Result<bool, IntrospectionUnavailable> {
        if self.existing.contains_key(&account_id) {
            return Ok(true);
        }
        let asking = self.introspection.account_exists(account_id);
        let answer = tokio::time::timeout(self.timeout, asking).await;
        let exists =
            answer.unwrap_or_else(|_| Err(IntrospectionUnavailable("no answer in time".into())))?;
        if exists {
            self.existing.insert(account_id, ());
        }
        Ok(exists)
    }
}
