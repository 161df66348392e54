//! `my-pay seed`: accounts with tokens and funded wallets, for load tests. Accounts are made by the
//! account service's own code beside the running service, because hashing a password for each
//! would take minutes; wallets and funds come over the API, as everybody's do.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use account::{AccountService, Tokens};
use anyhow::{Context, bail};
use axum::http::{
    Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use bytes::Bytes;
use serde_json::{Value, json};
use service::clock::Clock;
use tokio::task::JoinSet;

use crate::{
    admin,
    client::Client,
    config::Config,
    flags::{Owner, SeedFlags},
};

/// Wallets that are opened at once.
const AT_ONCE: usize = 32;
/// For one call.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Tries of a call that was turned away, each after the time that the answer named.
const TRIES_MAX: usize = 60;

/// Makes the accounts and writes one line of JSON for each. Returns a line to print.
pub async fn seed(flags: &SeedFlags, clock: Clock) -> anyhow::Result<String> {
    let config = Config::load(&(Owner::Account, &flags.database))?;
    let started = clock.monotonic();
    // Before anything is made: tokens that cannot be written down would be lost.
    let mut output = create(&flags.output)?;
    let store = admin::account_store(&flags.database, &config)?;
    let service = AccountService::new(store, config.account.to_service(), clock.clone())?;
    let accounts = service
        .seed(clock.now().as_millis(), flags.accounts)
        .await
        .context("the accounts cannot be made")?;
    let wallets = open_wallets(flags, accounts).await?;
    for wallet in &wallets {
        writeln!(output, "{wallet}").context("the output cannot be written")?;
    }
    output.flush().context("the output cannot be written")?;
    let took = clock.monotonic().saturating_sub(started);
    Ok(format!(
        "{} accounts with {} {} each, in {:.1} s: {}\n",
        wallets.len(),
        flags.funds,
        flags.currency,
        took.as_secs_f64(),
        flags.output.display()
    ))
}

/// For its owner only, as it holds tokens.
fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    Ok(BufWriter::new(file.with_context(|| format!("{} cannot be written", path.display()))?))
}

async fn open_wallets(flags: &SeedFlags, accounts: Vec<Tokens>) -> anyhow::Result<Vec<Value>> {
    let api = Arc::new(Api {
        client: Client::new(CALL_LIMIT),
        url: flags.url.to_string().trim_end_matches('/').to_owned(),
        currency: flags.currency.clone(),
        funds: flags.funds,
    });
    let mut wallets = Vec::with_capacity(accounts.len());
    let mut working = JoinSet::new();
    for account in accounts {
        if working.len() == AT_ONCE {
            wallets.push(next(&mut working).await?);
        }
        let api = Arc::clone(&api);
        working.spawn(async move { api.funded_wallet(&account).await });
    }
    while !working.is_empty() {
        wallets.push(next(&mut working).await?);
    }
    wallets.sort_by_key(|wallet| wallet["accountId"].as_i64());
    Ok(wallets)
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
    async fn funded_wallet(&self, account: &Tokens) -> anyhow::Result<Value> {
        let currency = json!({ "currency": self.currency });
        let wallet = self.post("/money/v1/wallets", account, &currency).await?;
        let wallet_id = wallet["id"].as_i64().context("a wallet has no id")?;
        let deposit = json!({ "walletId": wallet_id, "amount": self.funds, "summary": "seed" });
        self.post("/money/v1/deposits", account, &deposit).await?;
        Ok(json!({
            "accountId": account.account.id,
            "email": account.account.email,
            "accessToken": account.access.as_str(),
            "walletId": wallet_id,
            "currency": self.currency,
        }))
    }

    async fn post(&self, path: &str, account: &Tokens, body: &Value) -> anyhow::Result<Value> {
        let url: Uri = format!("{}{path}", self.url).parse()?;
        for _ in 0..TRIES_MAX {
            let head = Request::post(url.clone())
                .header(CONTENT_TYPE, "application/json")
                .header(AUTHORIZATION, format!("Bearer {}", account.access.as_str()))
                // One deposit is made for each account, so one name does for all their keys.
                .header("Idempotency-Key", "seed");
            let answer = self.client.send(head, Bytes::from(body.to_string())).await?;
            match (answer.status, answer.retry_after) {
                (StatusCode::CREATED, _) => return Ok(serde_json::from_slice(&answer.body)?),
                (_, Some(wait)) => tokio::time::sleep(wait).await,
                (status, None) => {
                    bail!("{url} answered {status}: {}", String::from_utf8_lossy(&answer.body))
                }
            }
        }
        bail!("{url} asked {TRIES_MAX} times to come back later")
    }
}
