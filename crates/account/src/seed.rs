//! Accounts for load tests, many and soon: the one slow thing, the password's hash, is made once
//! for all of them. Nobody knows the password; the accounts are reached by their tokens alone.

use crate::{
    AccountService, Email, Error, NewPassword, Tokens,
    store::{EmailTaken, InsertAccount},
    token::{Token, TokenKind},
};

/// Makes accounts for load tests.
#[derive(Clone)]
pub struct Seeder {
    service: AccountService,
    password: String,
    password_hash: String,
    run: u64,
}

impl AccountService {
    /// Whoever makes the accounts of one run. Their emails are below `example.com` and contain
    /// `run`, which must not have been used before.
    pub async fn seeder(&self, run: u64) -> Result<Seeder, Error> {
        let password = Token::generate(TokenKind::Refresh)?.as_str().to_owned();
        let accepted = NewPassword::accept(password.clone(), None, None)
            .expect("a random token is long enough and not common");
        let password_hash = self.0.hasher.hash(accepted).await?;
        Ok(Seeder { service: self.clone(), password, password_hash, run })
    }
}

impl Seeder {
    /// The random password that all of these accounts have, with which a load test that outlives
    /// their tokens logs in again.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Makes an account and logs it in. [`Error::EmailTaken`] if the run has had this number.
    pub async fn make(&self, number: usize) -> Result<Tokens, Error> {
        let email = Email::parse(&format!("load-{}-{number}@example.com", self.run))
            .expect("a run of digits makes an email");
        let inner = &self.service.0;
        let account = InsertAccount {
            id: inner.account_ids.next(inner.store.as_ref()).await?,
            name: format!("Load {number}"),
            email,
            password_hash: self.password_hash.clone(),
            created_at: inner.clock.now(),
        };
        let inserted = inner.store.insert_account(account).await?;
        let account = inserted.map_err(|EmailTaken| Error::EmailTaken)?;
        self.service.start_session(account.id).await
    }
}
