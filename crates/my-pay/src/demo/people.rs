//! Ann and Bob: registered at first start, logged in and funded at each, as far as they can be.

use account::{
    Account, AccountService, Email, Error as AccountError, Login, NewAccount, NewPassword, ResetOf,
    Token,
};
use anyhow::{Context, bail};
use ledger::{
    AccountId, Amount, Asker, Command, Currency, IdempotencyKey, Movement, OpeningRejection,
    WalletId,
};
use money::Answer;
use service::contract::account_feed::Standing;

use crate::up::Up;

/// What each has at first, in won.
pub(super) const FUNDS: i64 = 100_000;

/// A person of the demonstration.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) email: &'static str,
}

pub(super) const ANN: Person = Person { name: "Ann", email: "ann@example.com" };
pub(super) const BOB: Person = Person { name: "Bob", email: "bob@example.com" };

/// How a person is found at a start.
pub(super) enum Found {
    /// Logged in, with a funded wallet.
    Ready(Ready),
    /// Not able to log in, which does not keep the demonstration from starting.
    Away(Away),
}

/// A person who is logged in.
pub(super) struct Ready {
    pub(super) account_id: i64,
    pub(super) token: Token,
    pub(super) wallet_id: WalletId,
}

/// A person who is not, and why.
pub(super) struct Away {
    pub(super) account_id: i64,
    pub(super) reason: Reason,
}

/// Why a person cannot log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Suspended,
    Closed,
    /// The password is not the one that was drawn.
    OtherPassword,
    /// Many wrong passwords were tried, so the right one has to wait, too.
    Guessed,
}

/// Registers the person if there is none yet, logs in, and gives the funds once. If the password
/// has just been drawn, an account of before gets it: the file with its password was lost.
pub(super) async fn meet(
    up: &Up,
    person: &Person,
    password: &str,
    is_set: bool,
) -> anyhow::Result<Found> {
    let accounts = up.account();
    let account = account_of(accounts, person, password).await?;
    let log_in = async || {
        let login = Login { email: person.email.to_owned(), password: password.to_owned() };
        accounts.log_in(login).await
    };
    let mut logged_in = log_in().await;
    let is_wrong = matches!(logged_in, Err(AccountError::InvalidCredentials));
    if is_wrong && !is_set && account.standing != Standing::Closed {
        reset_password(accounts, account.id, password).await?;
        logged_in = log_in().await;
    }
    let tokens = match logged_in {
        Ok(tokens) => tokens,
        Err(error) => {
            let reason = reason(account.standing, &error);
            let name = person.name;
            let reason = reason.ok_or(error).with_context(|| format!("{name} cannot log in"))?;
            return Ok(Found::Away(Away { account_id: account.id, reason }));
        }
    };
    let account_id = account.id;
    Ok(match funded_wallet(up, AccountId(account_id)).await? {
        Some(wallet_id) => Found::Ready(Ready { account_id, token: tokens.access, wallet_id }),
        None => Found::Away(Away { account_id, reason: Reason::Suspended }),
    })
}

/// Why a login failed. `None` if it was not for a reason of the person's.
fn reason(standing: Standing, error: &AccountError) -> Option<Reason> {
    match (standing, error) {
        (Standing::Closed, _) => Some(Reason::Closed),
        // The latter since the account was read.
        (Standing::Suspended, _) | (Standing::Active, AccountError::AccountDisabled) => {
            Some(Reason::Suspended)
        }
        (Standing::Active, AccountError::InvalidCredentials) => Some(Reason::OtherPassword),
        (Standing::Active, AccountError::TooManyAttempts { .. }) => Some(Reason::Guessed),
        (Standing::Active, _) => None,
    }
}

async fn reset_password(
    accounts: &AccountService,
    account_id: i64,
    password: &str,
) -> anyhow::Result<()> {
    let reset = accounts.issue_reset(ResetOf::Account(account_id), None).await;
    let reset = reset.with_context(|| format!("account {account_id} gets no new password"))?;
    let new = NewPassword::accept(password.to_owned(), None, None)?;
    accounts.redeem_reset(reset.token.as_str().to_owned(), new).await?;
    Ok(())
}

async fn account_of(
    accounts: &AccountService,
    person: &Person,
    password: &str,
) -> anyhow::Result<Account> {
    if let Some(account) = accounts.account_with_email(person.email).await? {
        return Ok(account);
    }
    let email = Email::parse(person.email)?;
    let password = NewPassword::accept(password.to_owned(), Some(person.name), Some(&email))?;
    let new = NewAccount { name: person.name.to_owned(), email, password };
    let registered = accounts.register(new).await;
    registered.with_context(|| format!("{} cannot be registered", person.name))
}

/// The same key every time: the funds are given once. `None` if the account was suspended just now.
async fn funded_wallet(up: &Up, account_id: AccountId) -> anyhow::Result<Option<WalletId>> {
    let engine = up.money().engine();
    match engine.open_wallet(account_id, Currency::KRW).await? {
        Ok(_) | Err(OpeningRejection::WalletExists) => {}
        Err(OpeningRejection::AccountDisabled) => return Ok(None),
    }
    let command = Command {
        key: IdempotencyKey { asker: Asker::Account(account_id), key: "demo-funds".to_owned() },
        account_id,
        movement: Movement::Deposit { wallet: None },
        amount: Amount::new(FUNDS).expect("the funds are an amount"),
        summary: Some("demonstration".to_owned()),
    };
    match engine.move_money(command).await? {
        Answer::Decided { transfer, .. } => {
            let wallet_id = transfer.receiver_wallet_id;
            wallet_id.context("a deposit has a receiving wallet").map(Some)
        }
        Answer::Refused(rejection) => bail!("the funds were refused: {}", rejection.code()),
    }
}
