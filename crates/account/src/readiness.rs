//! Whether the service can do its work.

use std::time::Duration;

use service::{
    BoxFuture,
    http::health::{Check, Readiness},
};

use crate::AccountService;

/// A database that takes longer is not one to send people to.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

impl Readiness for AccountService {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async move {
            let (ok, detail) = match tokio::time::timeout(CHECK_TIMEOUT, self.0.store.ping()).await
            {
                Ok(Ok(())) => (true, "reads and writes".to_owned()),
                Ok(Err(error)) => (false, error.to_string()),
                Err(_elapsed) => (false, "does not answer in time".to_owned()),
            };
            vec![Check { name: "account.database", ok, detail }]
        })
    }
}
