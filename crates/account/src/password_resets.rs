//! Resets of forgotten passwords: a company's backend gets a one-time token, sends it to the
//! account's owner by its own means, and the owner sets a new password with it. No HTTP and no SQL
//! here.

use service::{
    clock::Timestamp,
    contract::{account_feed::Standing, introspection::TokenDigest},
    http::problem::chain,
};

use crate::{
    Account, AccountService, Error, NewPassword, Token, Tokens,
    email::EmailDigest,
    passwords::check_fits,
    store::{ConfirmedLogin, Credentials, InsertReset, PasswordHash, ResetRefusal},
    token::TokenKind,
    unbroken,
};

/// The account whose password is to be reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResetOf {
    /// By its id.
    Account(i64),
    /// By its email, in any spelling of the address.
    Email(String),
}

/// A reset token. It exists here and with the backend, and nowhere else.
#[derive(Debug, Clone)]
pub struct IssuedReset {
    /// For the owner, by whom it is used once.
    pub token: Token,
    /// When it ends.
    pub expired_at: Timestamp,
    /// Whose password it sets.
    pub account_id: i64,
}

impl AccountService {
    /// Makes a token that sets the password of an account. Earlier ones are void. A suspended
    /// account gets one too, and stays suspended.
    ///
    /// [`Error::AccountNotFound`], [`Error::AccountClosed`], or [`Error::TooManyResets`] if there
    /// is no such account, it is closed, or it has got too many tokens in the last hour.
    ///
    /// A backend that acts for an account gets a token of that account only; others it does not
    /// find.
    pub async fn issue_reset(
        &self,
        of: ResetOf,
        acts_for: Option<i64>,
    ) -> Result<IssuedReset, Error> {
        let count = self.0.metrics.begin_reset();
        let issued = self.try_issue_reset(of, acts_for).await;
        count.end(&issued);
        issued
    }

    async fn try_issue_reset(
        &self,
        of: ResetOf,
        acts_for: Option<i64>,
    ) -> Result<IssuedReset, Error> {
        let account_id = match of {
            ResetOf::Account(id) => id,
            ResetOf::Email(email) => {
                let found = self.credentials(&email).await?;
                let Credentials { account, .. } = found.ok_or(Error::AccountNotFound)?;
                account.id
            }
        };
        if acts_for.is_some_and(|acts_for| acts_for != account_id) {
            return Err(Error::AccountNotFound);
        }
        let token = Token::generate(TokenKind::Reset)?;
        let created_at = self.0.clock.now();
        let expired_at = created_at.plus(self.0.config.reset_token_lifetime);
        let new = InsertReset { account_id, token: token.digest(), created_at, expired_at };
        match self.0.store.insert_reset(new).await? {
            Ok(()) => {}
            Err(ResetRefusal::Unknown) => return Err(Error::AccountNotFound),
            Err(ResetRefusal::Closed) => return Err(Error::AccountClosed),
            Err(ResetRefusal::TooMany { wait }) => return Err(Error::TooManyResets { wait }),
        }
        tracing::info!(account.id = account_id, "a reset token was issued");
        Ok(IssuedReset { token, expired_at, account_id })
    }

    /// Sets a new password for the account whose reset token this is, ends all of its sessions, and
    /// begins a new one if the account is in good standing. The token is used up only if the
    /// password was set.
    ///
    /// [`Error::InvalidResetToken`] for a token that is unknown, expired, void or was used.
    pub async fn redeem_reset(
        &self,
        token: String,
        new: NewPassword,
    ) -> Result<Option<Tokens>, Error> {
        let service = self.clone();
        unbroken(async move {
            let count = service.0.metrics.begin_redemption();
            let redeemed = service.try_redeem_reset(&token, new).await;
            count.end(&redeemed);
            redeemed
        })
        .await
    }

    async fn try_redeem_reset(
        &self,
        token: &str,
        new: NewPassword,
    ) -> Result<Option<Tokens>, Error> {
        let (token, store) = (TokenDigest::of(token), self.0.store.as_ref());
        // An unknown token costs one look, and no hash.
        let account = store.find_reset(token, self.0.clock.now()).await?;
        check_fits(&new, &account.ok_or(Error::InvalidResetToken)?)?;
        let password = PasswordHash(self.0.hasher.hash(new).await?);
        let redeemed = store.redeem_reset(token, password.clone(), self.0.clock.now()).await?;
        let changed = redeemed.ok_or(Error::InvalidResetToken)?;
        self.revoke(&changed.ended);
        tracing::info!(
            account.id = changed.account.id,
            "a password was reset, and all sessions ended"
        );
        Ok(self.begin_session_after_reset(changed.account, password).await)
    }

    /// The owner's next session. Nothing if the account is not in good standing. The password is
    /// set in any case, so what goes wrong here is logged, and the owner logs in.
    async fn begin_session_after_reset(
        &self,
        account: Account,
        password_hash: PasswordHash,
    ) -> Option<Tokens> {
        if account.standing != Standing::Active {
            return None;
        }
        let email = EmailDigest::of(&account.email);
        let login = ConfirmedLogin { account_id: account.id, password_hash, email };
        let begun = self.begin_session(login).await;
        begun
            .inspect_err(|error| {
                tracing::warn!(
                    account.id = account.id,
                    error = %chain(error),
                    "no session began after a password was reset"
                );
            })
            .ok()
    }
}
