//! Logging in, staying logged in, and logging out. No HTTP and no SQL here.

use std::fmt;

use service::{
    clock::Timestamp,
    contract::{account_feed::Standing, introspection::TokenDigest},
};

use crate::{
    AccountService, Error, Token,
    accounts::refused,
    email::{self, EmailDigest},
    metrics::UseBefore,
    store::{
        Account, ConfirmedLogin, Credentials, NewPair, PasswordHash, Repetition, Replacement,
        Rotation, Session,
    },
    token::{Salt, TokenKind},
    unbroken,
};

/// An email and a password, as somebody typed them. Nothing about them is known to be right.
#[derive(Clone)]
pub struct Login {
    /// Compared without regard to case.
    pub email: String,
    /// Compared exactly.
    pub password: String,
}

/// What a login or a refresh gives. The tokens exist here and with the client, and nowhere else.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// For every call: `Authorization: Bearer`.
    pub access: Token,
    /// When the access token ends.
    pub expired_at: Timestamp,
    /// For one refresh.
    pub refresh: Token,
    /// When the refresh token, and with it the session, ends.
    pub refresh_expired_at: Timestamp,
    /// Whose they are.
    pub account: Account,
}

/// A pair of tokens that is not stored yet.
struct Minted {
    access: Token,
    refresh: Token,
    pair: NewPair,
}

impl AccountService {
    /// Starts a session. A suspended or closed account is told so only if the password is right.
    pub async fn log_in(&self, login: Login) -> Result<Tokens, Error> {
        let attempt = self.0.metrics.begin_login();
        let logged_in = self.try_log_in(login).await;
        attempt.end(&logged_in);
        logged_in
    }

    async fn try_log_in(&self, login: Login) -> Result<Tokens, Error> {
        let attempt = self.begin_attempt(EmailDigest::of(&login.email)).await?;
        let credentials = self.credentials(&login.email).await?;
        let (account, stored) = match credentials {
            Some(Credentials { account, password_hash }) => (Some(account), Some(password_hash)),
            None => (None, None),
        };
        // One path for known and unknown emails, so that both take the same time.
        let matches = self.0.hasher.verify(login.password, stored.clone()).await?;
        let (Some(account), Some(password_hash), true) = (&account, stored, matches) else {
            self.report_wrong(attempt, account.as_ref());
            return Err(Error::InvalidCredentials);
        };
        match account.standing {
            Standing::Active => {
                let password_hash = PasswordHash(password_hash);
                let email = attempt.email;
                let login = ConfirmedLogin { account_id: account.id, password_hash, email };
                self.begin_session(login).await
            }
            Standing::Suspended | Standing::Closed => {
                self.0.store.forget_attempts(attempt.email).await?;
                Err(Error::AccountDisabled)
            }
        }
    }

    /// An account whose address became another one's keeps the spelling of before for itself.
    pub(crate) async fn credentials(&self, email: &str) -> Result<Option<Credentials>, Error> {
        let (now, before) = (email::normalise(email), email::as_before(email));
        if before != now {
            let found = self.0.store.credentials(before).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(self.0.store.credentials(now).await?)
    }

    pub(crate) async fn begin_session(&self, login: ConfirmedLogin) -> Result<Tokens, Error> {
        let service = self.clone();
        unbroken(async move {
            let minted = service.mint_random().await?;
            let sessions_max = service.0.config.sessions_max;
            let started = service.0.store.log_in(login, minted.pair, sessions_max).await?;
            let started = started.map_err(|refusal| match refused(refusal) {
                // It was right when it was verified, and was changed since.
                Error::InvalidCurrentPassword => Error::InvalidCredentials,
                error => error,
            })?;
            service.revoke(&started.ended);
            Ok(minted.given_to(started.account))
        })
        .await
    }

    pub(crate) async fn start_session(&self, account_id: i64) -> Result<Tokens, Error> {
        let service = self.clone();
        unbroken(async move {
            let minted = service.mint_random().await?;
            let sessions_max = service.0.config.sessions_max;
            let started =
                service.0.store.start_session(account_id, minted.pair, sessions_max).await?;
            let started = started.ok_or(Error::AccountDisabled)?;
            service.revoke(&started.ended);
            Ok(minted.given_to(started.account))
        })
        .await
    }

    /// Replaces both tokens. The old ones end. Within the grace the old refresh token gives the
    /// same new pair once more; using it later, or after the new one, ends the session.
    pub async fn refresh(&self, refresh_token: String) -> Result<Tokens, Error> {
        let service = self.clone();
        unbroken(async move {
            let mut use_before = None;
            let refreshed = service.try_refresh(&refresh_token, &mut use_before).await;
            service.0.metrics.count_refresh(&refreshed, use_before);
            refreshed
        })
        .await
    }

    async fn try_refresh(
        &self,
        refresh_token: &str,
        use_before: &mut Option<UseBefore>,
    ) -> Result<Tokens, Error> {
        let salt = Salt::generate()?;
        let succeeding = |salt, kind| Token::succeeding(refresh_token, salt, kind);
        let minted = self
            .mint(succeeding(salt, TokenKind::Access), succeeding(salt, TokenKind::Refresh))
            .await?;
        let grace = self.0.config.refresh_grace;
        let next = Replacement { pair: minted.pair, salt, grace };
        match self.0.store.rotate(TokenDigest::of(refresh_token), next).await? {
            Rotation::Repeated(Repetition { account, salt, expired_at, refresh_expired_at }) => {
                *use_before = Some(UseBefore::Repeated);
                Ok(Tokens {
                    access: succeeding(salt, TokenKind::Access),
                    expired_at,
                    refresh: succeeding(salt, TokenKind::Refresh),
                    refresh_expired_at,
                    account,
                })
            }
            Rotation::Rotated(rotated) => {
                self.revoke(&rotated.ended);
                Ok(minted.given_to(rotated.account))
            }
            Rotation::Refused => Err(Error::InvalidRefreshToken),
            Rotation::Reused { account_id, session_id, ended } => {
                self.revoke(&ended);
                *use_before = Some(UseBefore::Reused);
                tracing::warn!(
                    account.id = account_id,
                    session.id = session_id,
                    "a refresh token was used twice, and its session was revoked"
                );
                Err(Error::InvalidRefreshToken)
            }
        }
    }

    /// The account's live sessions, newest first.
    pub async fn sessions(&self, account_id: i64) -> Result<Vec<Session>, Error> {
        Ok(self.0.store.sessions(account_id, self.0.clock.now()).await?)
    }

    /// Ends one session of the account. Nothing happens if it has ended.
    pub async fn log_out(&self, account_id: i64, session_id: i64) -> Result<(), Error> {
        let service = self.clone();
        unbroken(async move {
            let now = service.0.clock.now();
            service.revoke(&service.0.store.end_session(account_id, session_id, now).await?);
            Ok(())
        })
        .await
    }

    /// Ends all sessions of the account.
    pub async fn log_out_everywhere(&self, account_id: i64) -> Result<(), Error> {
        let service = self.clone();
        unbroken(async move {
            let now = service.0.clock.now();
            service.revoke(&service.0.store.end_sessions(account_id, now).await?);
            Ok(())
        })
        .await
    }

    async fn mint_random(&self) -> Result<Minted, Error> {
        let access = Token::generate(TokenKind::Access)?;
        let refresh = Token::generate(TokenKind::Refresh)?;
        self.mint(access, refresh).await
    }

    async fn mint(&self, access: Token, refresh: Token) -> Result<Minted, Error> {
        let inner = &self.0;
        let id = inner.token_ids.next(inner.store.as_ref()).await?;
        let now = inner.clock.now();
        let pair = NewPair {
            id,
            access: access.digest(),
            expired_at: now.plus(inner.config.access_token_lifetime),
            refresh: refresh.digest(),
            refresh_expired_at: now.plus(inner.config.refresh_token_lifetime),
            created_at: now,
        };
        Ok(Minted { access, refresh, pair })
    }
}

impl Minted {
    fn given_to(self, account: Account) -> Tokens {
        Tokens {
            access: self.access,
            expired_at: self.pair.expired_at,
            refresh: self.refresh,
            refresh_expired_at: self.pair.refresh_expired_at,
            account,
        }
    }
}

impl fmt::Debug for Login {
    /// Personal and secret: not shown, so that no log can have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use service::clock::Clock;

    use super::*;
    use crate::{Config, NewAccount, NewPassword, SqliteStore, password::HashError};

    /// With no place left to hash, whoever needs a hash is told to come back. That both kinds of
    /// wrong login are told so shows that both are verified, hence that both take a verification's
    /// time.
    #[tokio::test]
    async fn an_unknown_email_is_verified_like_a_known_one() {
        let folder = tempfile::tempdir().unwrap();
        let fatal = service::fatal::Reporter::default();
        let store = SqliteStore::open(&folder.path().join("account.db"), &fatal).unwrap();
        let mut config = Config::default();
        config.password.memory_kib = 64;
        let service = AccountService::new(Arc::new(store), config, Clock::system()).unwrap();
        let new = NewAccount {
            name: "Ada".to_owned(),
            email: crate::Email::parse("ada@example.com").unwrap(),
            password: NewPassword::accept("correct horse".to_owned(), None, None).unwrap(),
        };
        service.register(new).await.unwrap();
        let log_in = async |email: &str| {
            let login = Login { email: email.to_owned(), password: "wrong horse".to_owned() };
            service.log_in(login).await.map(drop)
        };
        let crowd = service.0.hasher.fill_up();
        for email in ["ada@example.com", "nobody@example.com"] {
            assert!(matches!(log_in(email).await, Err(Error::Hash(HashError::Busy))), "{email}");
        }
        drop(crowd);
        for email in ["ada@example.com", "nobody@example.com"] {
            assert!(matches!(log_in(email).await, Err(Error::InvalidCredentials)), "{email}");
        }
    }
}
