//! `my-pay seed`: accounts with tokens and funded wallets, for load tests. Accounts are made by the
//! account service's own code beside the running service, because hashing a password for each
//! would take minutes; wallets and funds come over the API, as everybody's do.

mod output;

use std::{sync::Arc, time::Duration};

use account::{AccountService, Seeder, Tokens};
use anyhow::{Context, bail};
use axum::http::{
    Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request,
};
use bytes::Bytes;
use serde_json::{Value, json};
use service::{clock::Clock, counted::counted};
use tokio::task::JoinSet;

use self::output::Output;
use crate::{
    admin,
    client::{Answer, Client},
    config::Config,
    flags::{Owner, SeedFlags},
};

/// Accounts that are made at once.
const AT_ONCE: usize = 32;
/// For one call.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Tries of a call that was turned away, each after the time that the answer named, or that got no
/// answer.
const TRIES_MAX: usize = 60;
/// Pause after a call without an answer.
const PAUSE: Duration = Duration::from_millis(500);

/// Makes the accounts and writes one line of JSON for each. Returns a line to print.
pub async fn seed(flags: &SeedFlags, clock: Clock) -> anyhow::Result<String> {
    let config = Config::load(&(Owner::Account, &flags.database))?;
    let started = clock.monotonic();
    let mut output = Output::create(&flags.output)?;
    let store = admin::account_store(&flags.database, &config).await?;
    let service = AccountService::new(store, config.account.to_service(), clock.clone())?;
    let api = Api::new(flags);
    // Before anything is made: nobody could use it.
    api.check().await?;
    let seeder = service.seeder(clock.now().as_millis()).await;
    let seeder = seeder.context("the accounts cannot be made")?;
    make_all(flags.accounts, seeder, api, &mut output).await?;
    output.finish()?;
    let took = clock.monotonic().saturating_sub(started);
    Ok(format!(
        "{} with {} {} each, in {:.1} s: {}\n",
        counted(flags.accounts, "account", "accounts"),
        flags.funds.minor(),
        flags.currency.code(),
        took.as_secs_f64(),
        flags.output.display()
    ))
}

/// Each is written down as soon as it has everything, in no particular order.
async fn make_all(
    count: usize,
    seeder: Seeder,
    api: Api,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (seeder, api) = (Arc::new(seeder), Arc::new(api));
    let mut working = JoinSet::new();
    for number in 0..count {
        if working.len() == AT_ONCE {
            output.write(&next(&mut working).await?)?;
        }
        let (seeder, api) = (Arc::clone(&seeder), Arc::clone(&api));
        working.spawn(async move {
            let tokens = seeder.make(number).await.context("an account cannot be made")?;
            let mut account = api.funded_wallet(&tokens).await?;
            account["password"] = seeder.password().into();
            Ok(account)
        });
    }
    while !working.is_empty() {
        output.write(&next(&mut working).await?)?;
    }
    Ok(())
}

async fn next(working: &mut JoinSet<anyhow::Result<Value>>) -> anyhow::Result<Value> {
    working.join_next().await.context("nobody is at work")??
}

/// The running gateway, and what each account gets.
struct Api {
    client: Client,
    url: String,
    currency: String,
    funds: i64,
}

impl Api {
    fn new(flags: &SeedFlags) -> Self {
        Self {
            client: Client::new(CALL_LIMIT),
            url: flags.url.to_string().trim_end_matches('/').to_owned(),
            currency: flags.currency.code().to_owned(),
            funds: flags.funds.minor(),
        }
    }

    /// Whether there is a gateway.
    async fn check(&self) -> anyhow::Result<()> {
        let url: Uri = format!("{}/livez", self.url).parse()?;
        let answer = self.client.get(&url).await?;
        anyhow::ensure!(answer.status.is_success(), "{url} answered {}", answer.status);
        Ok(())
    }

    async fn funded_wallet(&self, account: &Tokens) -> anyhow::Result<Value> {
        let wallet_id = self.open_wallet(account).await?;
        let deposit = json!({ "walletId": wallet_id, "amount": self.funds, "summary": "seed" });
        let deposited = self.post("/money/v1/deposits", account, &deposit).await?;
        anyhow::ensure!(
            deposited.status != StatusCode::FORBIDDEN,
            "people may not deposit for themselves: start the money service for the load test with \
             MY_PAY_MONEY_SELF_SERVICE_FUNDING=true"
        );
        created("/money/v1/deposits", &deposited)?;
        Ok(json!({
            "accountId": account.account.id,
            "email": account.account.email,
            "accessToken": account.access.as_str(),
            "expiredAt": account.expired_at,
            "walletId": wallet_id,
            "currency": self.currency,
        }))
    }

    async fn open_wallet(&self, account: &Tokens) -> anyhow::Result<i64> {
        let path = "/money/v1/wallets";
        let opened = self.post(path, account, &json!({ "currency": self.currency })).await?;
        let wallet = if opened.status == StatusCode::CONFLICT {
            // Opened by a try before, whose answer was lost.
            let head = as_account(Request::get(format!("{}{path}", self.url)), account);
            let found = self.client.send(head, Bytes::new()).await?;
            serde_json::from_slice::<Value>(&found.body)?["items"][0].take()
        } else {
            created(path, &opened)?
        };
        wallet["id"].as_i64().context("a wallet has no id")
    }

    /// Asks until there is an answer that says what became of it.
    async fn post(&self, path: &str, account: &Tokens, body: &Value) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.url);
        let mut failure = None;
        for _ in 0..TRIES_MAX {
            let head = as_account(Request::post(url.clone()), account)
                .header(CONTENT_TYPE, "application/json")
                // One deposit is made for each account, so one name does for all their keys.
                .header("Idempotency-Key", "seed");
            match self.client.send(head, Bytes::from(body.to_string())).await {
                Ok(Answer { retry_after: Some(wait), .. }) => tokio::time::sleep(wait).await,
                Ok(answer) if answer.status.is_server_error() => tokio::time::sleep(PAUSE).await,
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    failure = Some(error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        match failure {
            Some(failure) => Err(failure),
            None => bail!("{url} turned {TRIES_MAX} tries away"),
        }
    }
}

fn as_account(request: request::Builder, account: &Tokens) -> request::Builder {
    request.header(AUTHORIZATION, format!("Bearer {}", account.access.as_str()))
}

fn created(path: &str, answer: &Answer) -> anyhow::Result<Value> {
    let text = String::from_utf8_lossy(&answer.body);
    anyhow::ensure!(
        answer.status == StatusCode::CREATED,
        "{path} answered {}: {text}",
        answer.status
    );
    Ok(serde_json::from_slice(&answer.body)?)
}
