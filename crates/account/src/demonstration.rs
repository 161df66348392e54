//! What `my-pay up --demo` needs of the service beyond the use cases of people.

use crate::{
    AccountService, Error,
    store::{Account, Credentials},
};

impl AccountService {
    /// The account with this email, whatever its standing. For callers inside of the process: over
    /// HTTP it would tell strangers who has an account.
    pub async fn account_with_email(&self, email: &str) -> Result<Option<Account>, Error> {
        let found = self.credentials(email).await?;
        Ok(found.map(|Credentials { account, .. }| account))
    }
}
