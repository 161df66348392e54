//! The product under test: `my-pay up` as it is, with one more route behind its gateway, in a
//! process of its own. People, tokens and wallets are made by the services themselves.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use account::{AccountService, Email, Login, NewAccount, NewPassword};
use anyhow::Context;
use axum::{Router, middleware, routing::post};
use gateway::{InProcess, Route};
use ledger::{
    AccountId, Amount, Asker, Command as MoneyCommand, Currency, IdempotencyKey, Movement,
};
use money::Engine;
use my_pay::{
    config::{Config, Flags, Switch},
    up::Up,
};
use service::{
    BoxFuture,
    clock::Clock,
    contract::identity::Identity,
    http::{
        fields::{Body, Fields, FromFields},
        finish::finish,
        health::{Check, Readiness},
    },
    trace,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
};

use crate::Settings;

/// Somebody who sends.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) token: String,
    pub(crate) wallet_id: i64,
}

/// Who sends, and which wallets receive.
#[derive(Debug)]
pub(crate) struct Population {
    pub(crate) senders: Vec<Sender>,
    pub(crate) wallets: Vec<i64>,
}

/// The product's process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) population: Arc<Population>,
}

/// How the product is started.
#[derive(Debug, Default)]
pub(crate) struct Launch {
    /// The benchmark that starts it: this one unless another is named.
    pub(crate) program: Option<PathBuf>,
    /// Variables besides those that this process has.
    pub(crate) variables: Vec<(String, String)>,
}

/// Linux counts a process's time in hundredths of a second, whatever the kernel's own tick is.
const MILLISECONDS_A_TICK: u64 = 10;

/// What every sender starts with: enough never to run out.
const FUNDS: i64 = 1_000_000_000;

impl Process {
    pub(crate) async fn start(dir: &Path, settings: &Settings) -> anyhow::Result<Self> {
        Self::launch(dir, settings, &Launch::default()).await
    }

    pub(crate) async fn launch(
        dir: &Path,
        settings: &Settings,
        launch: &Launch,
    ) -> anyhow::Result<Self> {
        let program = match &launch.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?,
        };
        let mut child = Command::new(&program)
            .envs(launch.variables.iter().map(|(name, value)| (name, value)))
            .arg("serve")
            .arg("--dir")
            .arg(dir)
            .args(["--wallets", &settings.wallets.to_string()])
            .args(["--senders", &settings.senders.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("`{}` cannot be started", program.display()))?;
        let stdout = child.stdout.take().context("the output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = lines.next_line().await?.context("the product did not start")?.parse()?;
        // Logs, if any, must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let population = Arc::new(Population::read(dir)?);
        Ok(Self { child, address, population })
    }

    /// The most memory that the process has held since its start, seeding included.
    pub(crate) fn peak_memory_mib(&self) -> anyhow::Result<f64> {
        let pid = self.child.id().context("the product is gone")?;
        status_kib(pid, "VmHWM:").map(|kib| kib / 1024.0)
    }

    /// How long processors have worked for it.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        let pid = self.child.id().context("the product is gone")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name, in brackets, may hold spaces; the 14th and 15th field are ours (proc(5)).
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * MILLISECONDS_A_TICK))
    }

    /// Asks it to stop, and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().context("the product is gone")?;
        Command::new("kill").arg(pid.to_string()).status().await?;
        let status = self.child.wait().await?;
        anyhow::ensure!(status.success(), "the product ended with {status}");
        Ok(())
    }
}

/// A line of `/proc/PID/status` that counts KiB.
pub(crate) fn status_kib(pid: u32, name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    Ok(value.with_context(|| format!("{name} is not told here"))?.parse()?)
}

/// The child: starts the product, makes the population, says where it listens, and serves.
pub(crate) async fn serve(dir: &Path, settings: &Settings) -> anyhow::Result<()> {
    let mut config = Config::load(&Flags::default())?;
    config.listen = "127.0.0.1:0".parse()?;
    config.data_dir = dir.join("data");
    config.rate_limit = Switch::Off;
    config.money.self_service_funding = true;
    // Only the seeding hashes passwords; what is measured does not log in.
    config.account.password_memory_kib = 8;
    config.account.password_iterations = 1;
    config.account.password_waiting_max = 10_000;
    let traced = config.tracing.to_service();
    let exporter = traced.map(|traced| trace::start(&traced, "my-pay")).transpose();
    let exporter = exporter.map_err(anyhow::Error::msg)?;
    let echo = Router::new().route("/echo", post(echo)).layer(middleware::from_fn(finish));
    let route =
        Route { prefix: "/echo", upstream: Arc::new(InProcess::new(echo, Arc::new(Always))) };
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let up = Up::start_with(&config, Clock::system(), vec![route]).await?;
    seed(&up, settings).await?.write(dir)?;
    crate::say(&up.address().to_string());
    terminated.recv().await;
    up.shut_down().await?;
    if let Some(exporter) = exporter {
        exporter.end().await;
    }
    Ok(())
}

/// The echo: a caller, a strictly read empty object, a small JSON answer.
async fn echo(_: Identity, Body(Empty): Body<Empty>) -> axum::response::Response {
    service::http::health::json(axum::http::StatusCode::OK, &())
}

struct Empty;

impl FromFields for Empty {
    fn from_fields(_: &mut Fields<'_>) -> Option<Self> {
        Some(Self)
    }
}

struct Always;

impl Readiness for Always {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

/// Every so many wallets belong to a sender with an account and a token; the others to account ids
/// that only receive.
async fn seed(up: &Up, settings: &Settings) -> anyhow::Result<Population> {
    let every = settings.wallets / settings.senders.clamp(1, settings.wallets);
    let mut population = Population { senders: Vec::new(), wallets: Vec::new() };
    let mut accounts = JoinSet::new();
    let mut tokens = Vec::new();
    for number in 0..settings.senders.min(settings.wallets) {
        accounts.spawn(log_in_new(up.account().clone(), number));
        while accounts.len() >= 64 {
            tokens.push(accounts.join_next().await.context("one is there")???);
        }
    }
    while let Some(made) = accounts.join_next().await {
        tokens.push(made??);
    }
    let mut wallets = JoinSet::new();
    let mut receiver_id = 1_000_000_000;
    let mut tokens = tokens.into_iter();
    for number in 0..settings.wallets {
        let sender = if number % every == 0 { tokens.next() } else { None };
        receiver_id += 1;
        let account_id = AccountId(sender.as_ref().map_or(receiver_id, |(id, _)| *id));
        let engine = up.money().engine().clone();
        wallets.spawn(async move {
            let wallet_id = open_funded(engine, account_id).await?;
            anyhow::Ok((wallet_id, sender.map(|(_, token)| token)))
        });
        while wallets.len() >= 4_096 {
            population.add(wallets.join_next().await.context("one is there")???);
        }
    }
    while let Some(wallet) = wallets.join_next().await {
        population.add(wallet??);
    }
    Ok(population)
}

async fn log_in_new(service: AccountService, number: usize) -> anyhow::Result<(i64, String)> {
    let email = format!("sender{number}@example.com");
    let password = format!("sender {number}'s password");
    let new = NewAccount {
        name: format!("Sender {number}"),
        email: Email::parse(&email)?,
        password: NewPassword::accept(password.clone(), None, None)?,
    };
    let account = service.register(new).await?;
    let tokens = service.log_in(Login { email, password }).await?;
    Ok((account.id, tokens.access.as_str().to_owned()))
}

async fn open_funded(engine: Engine, account_id: AccountId) -> anyhow::Result<i64> {
    let opened = engine.open_wallet(account_id, Currency::KRW).await?;
    let wallet = opened.map_err(|rejection| anyhow::anyhow!("{rejection:?}"))?;
    let command = MoneyCommand {
        key: IdempotencyKey { asker: Asker::Account(account_id), key: "funds".to_owned() },
        account_id,
        movement: Movement::Deposit { wallet: Some(wallet.id) },
        amount: Amount::new(FUNDS).context("the funds are an amount")?,
        summary: None,
    };
    engine.move_money(command).await?;
    Ok(wallet.id.0)
}

impl Population {
    fn add(&mut self, (wallet_id, token): (i64, Option<String>)) {
        self.wallets.push(wallet_id);
        self.senders.extend(token.map(|token| Sender { token, wallet_id }));
    }

    fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let senders: String =
            self.senders.iter().map(|s| format!("{} {}\n", s.token, s.wallet_id)).collect();
        let wallets: String = self.wallets.iter().map(|id| format!("{id}\n")).collect();
        std::fs::write(dir.join("senders"), senders)?;
        Ok(std::fs::write(dir.join("wallets"), wallets)?)
    }

    fn read(dir: &Path) -> anyhow::Result<Self> {
        let senders = std::fs::read_to_string(dir.join("senders"))?;
        let sender = |line: &str| {
            let (token, wallet_id) = line.split_once(' ').context("a token and a wallet")?;
            anyhow::Ok(Sender { token: token.to_owned(), wallet_id: wallet_id.parse()? })
        };
        let wallets = std::fs::read_to_string(dir.join("wallets"))?;
        Ok(Self {
            senders: senders.lines().map(sender).collect::<anyhow::Result<_>>()?,
            wallets: wallets
                .lines()
                .map(|line| Ok(line.parse()?))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}
