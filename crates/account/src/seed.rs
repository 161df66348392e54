//! Accounts for load tests, many and soon: the one slow thing, the password's hash, is made once
//! for all of them. Nobody knows the password; the accounts are reached by their tokens alone.

use tokio::task::JoinSet;

use crate::{
    AccountService, Email, Error, NewPassword, Tokens,
    store::{EmailTaken, InsertAccount},
    token::{Token, TokenKind},
};

/// Accounts that are made at once.
const AT_ONCE: usize = 16;

impl AccountService {
    /// Makes `count` accounts and logs each in. Their emails are below `example.com` and contain
    /// `run`, which must not have been used before: otherwise [`Error::EmailTaken`].
    pub async fn seed(&self, run: u64, count: usize) -> Result<Vec<Tokens>, Error> {
        let unknown = Token::generate(TokenKind::Refresh)?.as_str().to_owned();
        let password = NewPassword::accept(unknown, None, None)
            .expect("a random token is long enough and not common");
        let password_hash = self.0.hasher.hash(password).await?;
        let mut seeded = Vec::with_capacity(count);
        let mut working = JoinSet::new();
        for number in 0..count {
            if working.len() == AT_ONCE {
                seeded.push(next(&mut working).await?);
            }
            let (service, password_hash) = (self.clone(), password_hash.clone());
            let email = Email::parse(&format!("load-{run}-{number}@example.com"))
                .expect("a run of digits makes an email");
            working.spawn(async move {
                let inner = &service.0;
                let account = InsertAccount {
                    id: inner.account_ids.next(inner.store.as_ref()).await?,
                    name: format!("Load {number}"),
                    email,
                    password_hash,
                    created_at: inner.clock.now(),
                };
                let inserted = inner.store.insert_account(account).await?;
                let account = inserted.map_err(|EmailTaken| Error::EmailTaken)?;
                service.start_session(account.id).await
            });
        }
        while !working.is_empty() {
            seeded.push(next(&mut working).await?);
        }
        seeded.sort_unstable_by_key(|tokens| tokens.account.id);
        Ok(seeded)
    }
}

async fn next(working: &mut JoinSet<Result<Tokens, Error>>) -> Result<Tokens, Error> {
    let ended = working.join_next().await.expect("somebody is at work");
    ended.map_err(Error::BrokeOff)?
}
