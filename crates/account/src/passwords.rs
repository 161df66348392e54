//! Passwords of accounts that exist: the guard against guessing, and the change of one. No HTTP and
//! no SQL here.

use std::fmt;

use service::contract::account_feed::Standing;

use crate::{
    AccountService, Email, Error, NewPassword,
    accounts::refused,
    attempts::Attempts,
    email::EmailDigest,
    store::{Account, ChangePassword, Credentials, PasswordHash},
    unbroken,
};

/// What an owner sends to change the password.
#[derive(Clone)]
pub struct PasswordChange {
    /// The password until now, as it was typed.
    pub current: String,
    /// Not among the commonest. It is compared with name and email here.
    pub new: NewPassword,
}

/// The password of an account was confirmed. A change that depends on it names the hash, so that
/// it is refused if the password is another one by then.
#[derive(Debug, Clone)]
pub struct ConfirmedPassword {
    /// Whose it is.
    pub account: Account,
    /// What it was compared with.
    pub password_hash: PasswordHash,
}

/// An attempt at a password that the guard has allowed and recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) email: EmailDigest,
    attempts: Attempts,
}

impl AccountService {
    /// Verifies the current password of an account for its owner, who has a session. Too many wrong
    /// ones and the next has to wait, whatever is asked with them. They are not counted together
    /// with logins: a stranger who guesses there does not make the owner wait here.
    ///
    /// [`Error::InvalidCurrentPassword`] if it is wrong, [`Error::TooManyAttempts`] if it was not
    /// verified, [`Error::AccountDisabled`] if the account is not in good standing.
    pub async fn confirm_password(
        &self,
        account_id: i64,
        password: String,
    ) -> Result<ConfirmedPassword, Error> {
        let check = self.0.metrics.begin_password_check();
        let confirmed = self.try_confirm(account_id, password).await;
        check.end(&confirmed);
        confirmed
    }

    async fn try_confirm(
        &self,
        account_id: i64,
        password: String,
    ) -> Result<ConfirmedPassword, Error> {
        let found = self.0.store.credentials_of(account_id).await?;
        let Credentials { account, password_hash } = found.ok_or(Error::AccountNotFound)?;
        if account.standing != Standing::Active {
            return Err(Error::AccountDisabled);
        }
        let attempt = self.begin_attempt(EmailDigest::of_owner(account_id)).await?;
        if !self.0.hasher.verify(password, Some(password_hash.clone())).await? {
            self.report_wrong(attempt, Some(&account));
            return Err(Error::InvalidCurrentPassword);
        }
        self.0.store.forget_attempts(attempt.email).await?;
        Ok(ConfirmedPassword { account, password_hash: PasswordHash(password_hash) })
    }

    /// Changes the password for the account's owner, who knows the current one. All sessions end
    /// but this one, and so do reset tokens.
    pub async fn change_password(
        &self,
        account_id: i64,
        session_id: i64,
        change: PasswordChange,
    ) -> Result<(), Error> {
        let service = self.clone();
        unbroken(async move {
            let count = service.0.metrics.begin_password_change();
            let changed = service.try_change_password(account_id, session_id, change).await;
            count.end(&changed);
            changed
        })
        .await
    }

    async fn try_change_password(
        &self,
        account_id: i64,
        session_id: i64,
        PasswordChange { current, new }: PasswordChange,
    ) -> Result<(), Error> {
        let account = self.account(account_id).await?;
        check_fits(&new, &account)?;
        let confirmed = self.confirm_password(account_id, current).await?;
        let change = ChangePassword {
            account_id,
            confirmed: confirmed.password_hash,
            new: PasswordHash(self.0.hasher.hash(new).await?),
            session_id,
        };
        let changed = self.0.store.change_password(change, self.0.clock.now()).await?;
        self.announce(changed.map_err(refused)?);
        tracing::info!(
            account.id = account_id,
            session.id = session_id,
            "a password was changed, and all other sessions ended"
        );
        Ok(())
    }

    /// Records an attempt at a password, right or wrong, before it is verified. What is refused
    /// takes no time of the hasher.
    pub(crate) async fn begin_attempt(&self, email: EmailDigest) -> Result<Attempt, Error> {
        // Without room to verify there is no attempt to record.
        self.0.hasher.check_room()?;
        let limits = self.0.config.login_attempts;
        let reserved = self.0.store.reserve_attempt(email, self.0.clock.now(), limits).await?;
        match reserved {
            Ok(attempts) => Ok(Attempt { email, attempts }),
            Err(refusal) => Err(Error::TooManyAttempts { wait: refusal.wait }),
        }
    }

    /// Logs a wrong password after which the next one has to wait. Not those before: people err.
    pub(crate) fn report_wrong(&self, attempt: Attempt, account: Option<&Account>) {
        let Attempts { count, .. } = attempt.attempts;
        if count >= self.0.config.login_attempts.free {
            tracing::warn!(
                account.id = account.map(|account| account.id),
                attempts = count,
                "a password was wrong so often that the next attempt has to wait"
            );
        }
    }
}

/// Whether the password may be set for this account.
pub(crate) fn check_fits(new: &NewPassword, account: &Account) -> Result<(), Error> {
    let email = Email::parse(&account.email).ok();
    Ok(new.check_owner(Some(&account.name), email.as_ref())?)
}

impl fmt::Debug for PasswordChange {
    /// Secret: not shown, so that no log can have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordChange(..)")
    }
}
