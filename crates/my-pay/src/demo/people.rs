//! Ann and Bob: registered at first start, logged in and funded at each, as far as they can be.

use account::{
    Account, AccountService, Email, Error as AccountError, Login, NewAccount, NewPassword, Token,
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
}

/// Registers the person if there is none yet, logs in, and gives the funds once.
pub(super) async fn meet(up: &Up, person: &Person, password: &str) -> anyhow::Result<Found> {
    let account = account_of(up.account(), person, password).await?;
    let away = |reason| Ok(Found::Away(Away { account_id: account.id, reason }));
    match account.standing {
        Standing::Active => {}
        Standing::Suspended => return away(Reason::Suspended),
        Standing::Closed => return away(Reason::Closed),
    }
    let login = Login { email: person.email.to_owned(), password: password.to_owned() };
    let tokens = match up.account().log_in(login).await {
        Ok(tokens) => tokens,
        Err(AccountError::InvalidCredentials) => return away(Reason::OtherPassword),
        // Since it was asked.
        Err(AccountError::AccountDisabled) => return away(Reason::Suspended),
        Err(error) => {
            let name = person.name;
            return Err(error).with_context(|| format!("{name} cannot log in"));
        }
    };
    let account_id = account.id;
    Ok(match funded_wallet(up, AccountId(account_id)).await? {
        Some(wallet_id) => Found::Ready(Ready { account_id, token: tokens.access, wallet_id }),
        None => Found::Away(Away { account_id, reason: Reason::Suspended }),
    })
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
