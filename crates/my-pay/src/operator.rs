//! `my-pay admin account` and `my-pay admin wallet`: what an operator does with one account or one
//! wallet, from a process of its own, also while services run. Each action is recorded with its
//! reason and the name of the user who ran the command.

use std::fmt::Write as _;

use account::operations::{Action, NewOperation, OperationRefusal};
use anyhow::Context;
use ledger::{FreezeAction, WalletId};
use nix::unistd::{Uid, User};
use service::{
    clock::Clock,
    operator::{Operator, PAGE_DEFAULT, PAGE_MAX, REASON},
};

use crate::{
    admin::{account_store, money_operations},
    config::Config,
    flags::{DatabaseFlags, Owner},
};

/// Commands of `my-pay admin account`.
#[derive(Debug, clap::Subcommand)]
pub enum AccountCommand {
    /// Suspends an account: its tokens end, logins are refused, and its money does not move
    Suspend(Operate),
    /// Lifts the suspension of an account; its owner logs in again
    Enable(Operate),
    /// Ends every session of an account; its owner can log in again
    RevokeSessions(Operate),
    /// Lists what operators did with an account, newest first
    Operations(List),
}

/// Commands of `my-pay admin wallet`.
#[derive(Debug, clap::Subcommand)]
pub enum WalletCommand {
    /// Freezes a wallet: no money reaches or leaves it, whatever becomes of its account
    Freeze(Operate),
    /// Lets money move in a wallet again, if its account may
    Unfreeze(Operate),
    /// Lists what operators did with a wallet, newest first
    Operations(List),
}

/// What an operator names for an action.
#[derive(Debug, clap::Args)]
pub struct Operate {
    /// The id
    #[arg(value_parser = id)]
    id: i64,
    /// Why, in 1 to 500 characters; it is recorded
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    flags: DatabaseFlags,
}

/// Which operations to list.
#[derive(Debug, clap::Args)]
pub struct List {
    /// The id
    #[arg(value_parser = id)]
    id: i64,
    /// At most this many, 1 to 200
    #[arg(long, value_name = "N", default_value_t = PAGE_DEFAULT, value_parser = limit)]
    limit: u32,
    /// Only those before this number
    #[arg(long, value_name = "NUMBER", value_parser = id)]
    before: Option<i64>,
    #[command(flatten)]
    flags: DatabaseFlags,
}

/// One line of a list, and of what a command says that it did.
struct Line<'a> {
    sequence: i64,
    created_at: service::clock::Timestamp,
    action: &'a str,
    operator: &'a Operator,
    reason: &'a str,
}

/// Runs a command on accounts, and returns the lines to print.
pub async fn account(command: AccountCommand) -> anyhow::Result<String> {
    match command {
        AccountCommand::Suspend(operate) => operate_account(Action::Suspend, operate).await,
        AccountCommand::Enable(operate) => operate_account(Action::Enable, operate).await,
        AccountCommand::RevokeSessions(operate) => {
            operate_account(Action::RevokeSessions, operate).await
        }
        AccountCommand::Operations(list) => list_account(list).await,
    }
}

async fn operate_account(action: Action, operate: Operate) -> anyhow::Result<String> {
    let Operate { id, reason, flags } = operate;
    let config = Config::load(&(Owner::Account, &flags))?;
    let store = account_store(&flags, &config).await?;
    let new = NewOperation { account_id: id, action, reason, operator: user()? };
    let operated = account::operations::operate(store.as_ref(), new, &Clock::system()).await?;
    operated.with_context(|| format!("account {id} was not changed"))?;
    Ok(match action {
        Action::Suspend => format!("account {id} is suspended\n"),
        Action::Enable => format!("account {id} is enabled\n"),
        Action::RevokeSessions => format!("every session of account {id} has ended\n"),
    })
}

async fn list_account(list: List) -> anyhow::Result<String> {
    let List { id, limit, before, flags } = list;
    let config = Config::load(&(Owner::Account, &flags))?;
    let store = account_store(&flags, &config).await?;
    let page = account::operations::operations(store.as_ref(), id, before, limit).await?;
    let page = page.ok_or(OperationRefusal::Unknown).with_context(|| format!("account {id}"))?;
    let lines = page.items.iter().map(|operation| Line {
        sequence: operation.sequence,
        created_at: operation.created_at,
        action: operation.action.as_str(),
        operator: &operation.operator,
        reason: &operation.reason,
    });
    Ok(text(lines, page.next))
}

/// Runs a command on wallets, and returns the lines to print.
pub async fn wallet(command: WalletCommand) -> anyhow::Result<String> {
    match command {
        WalletCommand::Freeze(operate) => operate_wallet(FreezeAction::Freeze, operate).await,
        WalletCommand::Unfreeze(operate) => operate_wallet(FreezeAction::Unfreeze, operate).await,
        WalletCommand::Operations(list) => list_wallet(list).await,
    }
}

async fn operate_wallet(action: FreezeAction, operate: Operate) -> anyhow::Result<String> {
    let Operate { id, reason, flags } = operate;
    let config = Config::load(&(Owner::Money, &flags))?;
    let store = money_operations(&flags, &config).await?;
    let wallet_id = WalletId(id);
    let new = money::operations::NewOperation { wallet_id, action, reason, operator: user()? };
    let now = Clock::system().now();
    let operated = money::operations::operate(store.as_ref(), new, now).await?;
    operated.with_context(|| format!("wallet {id} was not changed"))?;
    Ok(match action {
        FreezeAction::Freeze => format!("wallet {id} is frozen\n"),
        FreezeAction::Unfreeze => format!("wallet {id} is no longer frozen by an operator\n"),
    })
}

async fn list_wallet(list: List) -> anyhow::Result<String> {
    let List { id, limit, before, flags } = list;
    let config = Config::load(&(Owner::Money, &flags))?;
    let store = money_operations(&flags, &config).await?;
    let page = money::operations::operations(store.as_ref(), WalletId(id), before, limit).await?;
    let page = page.ok_or(money::operations::OperationRefusal::Unknown);
    let page = page.with_context(|| format!("wallet {id}"))?;
    let lines = page.items.iter().map(|operation| Line {
        sequence: operation.sequence,
        created_at: operation.created_at,
        action: operation.action_name(),
        operator: &operation.operator,
        reason: &operation.reason,
    });
    Ok(text(lines, page.next))
}

fn text<'a>(lines: impl Iterator<Item = Line<'a>>, next: Option<i64>) -> String {
    let mut text = String::new();
    let mut say = |line: String| writeln!(text, "{line}").expect("writing to a string cannot fail");
    for Line { sequence, created_at, action, operator, reason } in lines {
        say(format!("{sequence} {created_at} {action}, {operator}: {reason}"));
    }
    if let Some(next) = next {
        say(format!("there are more: --before {next}"));
    }
    text
}

/// The user of the operating system who runs this process.
fn user() -> anyhow::Result<Operator> {
    let id = Uid::current();
    let found = User::from_uid(id).context("the name of the user cannot be read")?;
    Ok(Operator::User(found.map_or_else(|| format!("uid {id}"), |user| user.name)))
}

fn id(text: &str) -> Result<i64, String> {
    let problem = |_| "a whole number from 1 to 2^53 - 1 is needed".to_owned();
    service::http::path::read_id(text).map_err(problem)
}

fn limit(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        _ => Err(format!("a number from 1 to {PAGE_MAX} is needed")),
    }
}

fn reason(text: &str) -> Result<String, String> {
    REASON.check(text.to_owned()).map_err(|(_, message)| message.into_owned())
}
