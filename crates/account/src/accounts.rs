//! What people do with their accounts. No HTTP and no SQL here.

use std::fmt;

use service::contract::{
    account_feed::Standing, identity::Asker, introspection::TokenDigest, revocations::Revocation,
};

use crate::{
    AccountService, Email, Error, NewPassword,
    store::{
        Account, ChangeRefusal, Changed, EmailChange, EmailTaken, InsertAccount, UpdateAccount,
    },
    unbroken,
};

/// Longest name, in characters; the shortest has one.
pub(crate) const NAME_LENGTH_MAX: usize = 100;

/// Somebody who wants an account.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// 1 to 100 characters.
    pub name: String,
    /// Must not be any other account's.
    pub email: Email,
    /// Not the commonest, not the name, not the email.
    pub password: NewPassword,
}

/// What an owner changes: all of it at once.
#[derive(Clone)]
pub struct AccountChange {
    /// 1 to 100 characters.
    pub name: String,
    /// Must not be any other account's.
    pub email: Email,
    /// `false` suspends the account.
    pub is_valid: bool,
    /// The account's password, as it was typed. A person needs it to change the email.
    pub current_password: Option<String>,
}

impl AccountService {
    /// Registers an account. [`Error::EmailTaken`] if the email belongs to one already.
    pub async fn register(&self, new: NewAccount) -> Result<Account, Error> {
        let attempt = self.0.metrics.begin_registration();
        let registered = self.try_register(new).await;
        attempt.end(&registered);
        registered
    }

    async fn try_register(&self, new: NewAccount) -> Result<Account, Error> {
        let inner = &self.0;
        let password_hash = inner.hasher.hash(new.password).await?;
        let account = InsertAccount {
            id: inner.account_ids.next(inner.store.as_ref()).await?,
            name: new.name,
            email: new.email,
            password_hash,
            created_at: inner.clock.now(),
        };
        let inserted = inner.store.insert_account(account).await?;
        let account = inserted.map_err(|EmailTaken| Error::EmailTaken)?;
        tracing::info!(account.id = account.id, "an account was registered");
        Ok(account)
    }

    /// One account, whoever asks: the caller checks that it may.
    pub async fn account(&self, id: i64) -> Result<Account, Error> {
        self.0.store.account(id).await?.ok_or(Error::AccountNotFound)
    }

    /// Changes an account for its owner. Suspending it ends its tokens, and only an operator undoes
    /// it. For another email, or another spelling of it, a person needs the current password: a
    /// stolen access token must not suffice to take the account over.
    pub async fn update_account(
        &self,
        asker: Asker,
        id: i64,
        change: AccountChange,
    ) -> Result<Account, Error> {
        let service = self.clone();
        unbroken(async move {
            let AccountChange { name, email, is_valid, current_password } = change;
            let is_other = service.account(id).await?.email != email.as_str();
            let email_change = match (asker, current_password) {
                (Asker::ApiKey { .. }, _) => EmailChange::Allowed,
                (Asker::Person { .. }, Some(password)) if is_other => {
                    let confirmed = service.confirm_password(id, password).await?;
                    EmailChange::Confirmed(confirmed.password_hash)
                }
                // If the email has become another one since, the store refuses the change.
                (Asker::Person { .. }, _) => EmailChange::Refused,
            };
            let update = UpdateAccount { name, email, is_valid, email_change };
            let now = service.0.clock.now();
            let updated = service.0.store.update_account(id, update, now).await?;
            Ok(service.announce(updated.map_err(refused)?))
        })
        .await
    }

    /// Tells those who cache tokens, and those who follow the feed, about a committed change.
    pub(crate) fn announce(&self, changed: Changed) -> Account {
        self.revoke(&changed.ended);
        match changed.account.standing {
            Standing::Active => {}
            Standing::Suspended | Standing::Closed => {
                self.0.feed_grew.send_replace(());
                tracing::info!(
                    account.id = changed.account.id,
                    account.standing = ?changed.account.standing,
                    "an account left good standing"
                );
            }
        }
        changed.account
    }

    /// Tells those who cache tokens that these ended, after the commit that ended them.
    pub(crate) fn revoke(&self, ended: &[TokenDigest]) {
        for digest in ended {
            // An error means that nobody listens, so nobody has cached it either.
            let _nobody_listens = self.0.revocations.send(Revocation(*digest));
        }
    }
}

pub(crate) fn refused(refusal: ChangeRefusal) -> Error {
    match refusal {
        ChangeRefusal::Unknown => Error::AccountNotFound,
        ChangeRefusal::NotActive => Error::AccountDisabled,
        ChangeRefusal::EmailTaken => Error::EmailTaken,
        ChangeRefusal::EmailDiffers => Error::CurrentPasswordRequired,
        ChangeRefusal::PasswordDiffers => Error::InvalidCurrentPassword,
    }
}

impl fmt::Debug for AccountChange {
    /// Personal and secret: not shown, so that no log can have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountChange(..)")
    }
}
