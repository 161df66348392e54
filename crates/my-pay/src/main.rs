//! The program: flags and subcommands. It decides nothing; it loads the configuration, starts what
//! the library wires together, and turns errors into one clear line.

use std::{future::pending, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use axum::http::Uri;
use clap::{Parser, Subcommand};
use my_pay::{
    account::Account,
    admin,
    api_keys::ApiKeyCommand,
    backup,
    config::Config,
    demo,
    flags::{
        AccountFlags, CommandFlags, DataDirFlags, DatabaseFlags, Flags, GatewayFlags, MigrateFlags,
        MoneyFlags, SeedFlags,
    },
    gateway::Edge,
    health,
    migrate::{self, Which},
    money::Money,
    open_files,
    operator::{self, AccountCommand, WalletCommand},
    output, seed,
    signals::{Interrupted, Signals},
    up::Up,
};
use service::{
    clock::Clock,
    http::server::Limits,
    telemetry,
    trace::{self, Exporter},
};

/// Requests are many small allocations on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A wallet and money-transfer backend.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: UpArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs gateway, account service and money service in one process (the default)
    Up(UpArgs),
    /// Runs a gateway, in front of services that run apart
    Gateway(GatewayFlags),
    /// Runs an account service
    Account(AccountFlags),
    /// Runs a money service
    Money(MoneyFlags),
    /// Brings the schemas of services that run apart up to date
    Migrate {
        /// Whose schema
        #[arg(value_enum, default_value = "all")]
        which: Which,
        #[command(flatten)]
        flags: MigrateFlags,
    },
    /// Prints the effective configuration, secrets masked
    Config(Flags),
    /// Asks a running service how it is; succeeds if the answer is 2xx
    Health {
        /// Such as `http://127.0.0.1:8080/readyz`
        url: Uri,
    },
    /// Makes accounts with tokens and funded wallets, for load tests
    Seed(SeedFlags),
    /// Operator's commands, also while the service runs
    #[command(subcommand)]
    Admin(AdminCommand),
}

#[derive(Debug, clap::Args)]
struct UpArgs {
    #[command(flatten)]
    flags: Flags,
    /// Makes two people with funded wallets on first start, and prints their passwords and curl
    /// lines that move money. On loopback only, as the data directory is from then on
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Suspends and enables accounts, ends their sessions, and tells what was done
    #[command(subcommand)]
    Account(AccountCommand),
    /// Freezes and unfreezes wallets, and tells what was done
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Keys for companies' backends
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Checks that the books add up: zero-sum, balances, chains, keys
    Audit {
        #[command(flatten)]
        flags: DatabaseFlags,
    },
    /// Copies the embedded databases as they are at this moment, also while services run
    Backup {
        /// A new folder, or an empty one
        #[arg(value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        flags: DataDirFlags,
    },
    /// Puts a backup into the data directory, which no process may be using, and audits it
    Restore {
        /// The folder of the backup
        #[arg(value_name = "DIR")]
        from: PathBuf,
        /// Moves databases that are there aside, into a folder in the data directory
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        flags: DataDirFlags,
    },
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ended(show_usage(&error)),
    };
    let command = cli.command.unwrap_or(Command::Up(cli.up));
    let code = ended(run(command));
    output::flush_log();
    code
}

/// The exit code of what has ended, and what is to be said of it.
fn ended(result: anyhow::Result<ExitCode>) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        output::tell(&interrupted.to_string());
        return ExitCode::from(interrupted.exit_code());
    }
    output::complain(&format!("{error:#}"));
    ExitCode::FAILURE
}

/// Help and version go to standard output, misuse to standard error.
fn show_usage(error: &clap::Error) -> anyhow::Result<ExitCode> {
    if !error.use_stderr() {
        output::print(&error.render().to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    // An error means that standard error is closed or full; the exit code says enough.
    let _said = error.print();
    Ok(ExitCode::from(USAGE))
}

/// The exit code of a command line that is not one, as shells have it.
const USAGE: u8 = 2;

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let is_service = matches!(
        command,
        Command::Up(_) | Command::Gateway(_) | Command::Account(_) | Command::Money(_)
    );
    let signals = &Signals::listen(is_service).context("signals cannot be received")?;
    match command {
        Command::Up(args) => block_on(up(args, signals)),
        Command::Gateway(flags) => block_on(gateway(flags, signals)),
        Command::Account(flags) => block_on(account(flags, signals)),
        Command::Money(flags) => block_on(money(flags, signals)),
        Command::Config(flags) => say(&Config::load(&flags)?.to_toml()),
        Command::Migrate { which, flags } => {
            let migrated = async move { migrate::migrate(which, &flags).await };
            say(&block_on(signals.unless_told(migrated))?)
        }
        Command::Health { url } => {
            block_on(signals.unless_told(async move { health::check(&url).await }))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Seed(flags) => {
            let seeded = async move { seed::seed(&flags, Clock::system()).await };
            say(&block_on(signals.unless_told(seeded))?)
        }
        Command::Admin(AdminCommand::Account(command)) => {
            let done = async move { operator::account(command).await };
            say(&block_on(signals.unless_told(done))?)
        }
        Command::Admin(AdminCommand::Wallet(command)) => {
            let done = async move { operator::wallet(command).await };
            say(&block_on(signals.unless_told(done))?)
        }
        Command::Admin(AdminCommand::ApiKey(command)) => {
            let done = async move { command.run(&Clock::system()).await };
            let said = block_on(signals.unless_told(done))?;
            if let Some(remark) = said.remark {
                output::complain(&remark);
            }
            say(&said.output)
        }
        Command::Admin(AdminCommand::Audit { flags }) => {
            let audited = async move { admin::audit(&flags).await };
            let report = block_on(signals.unless_told(audited))?;
            say_verdict(&report.to_string(), report.is_clean())
        }
        Command::Admin(AdminCommand::Backup { to, flags }) => {
            let copied = async move { backup::back_up(&to, &flags, Clock::system()).await };
            say(&block_on(signals.unless_told(copied))?)
        }
        Command::Admin(AdminCommand::Restore { from, replace, flags }) => {
            let restored =
                async move { backup::restore(&from, &flags, replace, Clock::system()).await };
            let restored = block_on(signals.unless_told(restored))?;
            say_verdict(&restored.to_string(), restored.audit.is_clean())
        }
    }
}

/// Prints what a command found or did.
fn say(text: &str) -> anyhow::Result<ExitCode> {
    output::print(text).map(|()| ExitCode::SUCCESS)
}

/// The same of something that may be wrong, which the exit code says too.
fn say_verdict(text: &str, is_right: bool) -> anyhow::Result<ExitCode> {
    let printed = say(text)?;
    Ok(if is_right { printed } else { ExitCode::FAILURE })
}

async fn up(args: UpArgs, signals: &Signals) -> anyhow::Result<ExitCode> {
    let Prepared { config, exporter } = prepare(&args.flags, "my-pay", |config| {
        if args.demo { demo::check_address(config.listen) } else { Ok(()) }
    })?;
    let limits = config.server.limits_at_once();
    let data_dir = config.data_dir.clone();
    let starting = async move {
        let clock = Clock::system();
        if args.demo {
            Up::start_demonstration(&config, clock).await
        } else {
            Up::start(&config, clock).await
        }
    };
    let mut up = signals.unless_told(starting).await?;
    signals.serve();
    let clock = Clock::system();
    if args.demo
        && let Some(lines) = signals.wait_or(demo::prepare(&up, &data_dir, &clock)).await
    {
        telemetry::print(&lines?);
    }
    let code = end_of_work(signals, up.failed(), limits).await;
    let stopped = up.shut_down().await;
    end(exporter).await;
    stopped.map(|()| code)
}

async fn account(flags: AccountFlags, signals: &Signals) -> anyhow::Result<ExitCode> {
    let Prepared { config, exporter } = prepare(&flags, "my-pay-account", |_| Ok(()))?;
    let limits = config.server.limits();
    let starting = async move { Account::start(&config, Clock::system()).await };
    let mut account = signals.unless_told(starting).await?;
    signals.serve();
    let code = end_of_work(signals, account.failed(), limits).await;
    let stopped = account.shut_down().await;
    end(exporter).await;
    stopped.map(|()| code)
}

async fn money(flags: MoneyFlags, signals: &Signals) -> anyhow::Result<ExitCode> {
    let Prepared { config, exporter } = prepare(&flags, "my-pay-money", |_| Ok(()))?;
    let limits = config.server.limits();
    let starting = async move { Money::start(&config, Clock::system()).await };
    let mut money = signals.unless_told(starting).await?;
    signals.serve();
    let code = end_of_work(signals, money.failed(), limits).await;
    let stopped = money.shut_down().await;
    end(exporter).await;
    stopped.map(|()| code)
}

async fn gateway(flags: GatewayFlags, signals: &Signals) -> anyhow::Result<ExitCode> {
    let Prepared { config, exporter } = prepare(&flags, "my-pay-gateway", |_| Ok(()))?;
    let limits = config.server.limits();
    let starting = async move { Edge::start(&config, &Clock::system()) };
    let gateway = signals.unless_told(starting).await?;
    signals.serve();
    let code = end_of_work(signals, pending(), limits).await;
    let stopped = gateway.shut_down().await;
    end(exporter).await;
    stopped.map(|()| code)
}

/// What every process that serves has around it.
struct Prepared {
    config: Config,
    exporter: Option<Exporter>,
}

/// What every process that serves begins with: its configuration, which `check` may refuse, logs,
/// traces and files. `name` is that of its traces.
fn prepare(
    flags: &impl CommandFlags,
    name: &'static str,
    check: impl Fn(&Config) -> anyhow::Result<()>,
) -> anyhow::Result<Prepared> {
    let config = Config::load(flags)?;
    check(&config)?;
    let levels = telemetry::parse_levels(&config.log_levels).map_err(anyhow::Error::msg)?;
    telemetry::start(config.log_format.into(), levels).map_err(anyhow::Error::msg)?;
    let traced = config.tracing.to_service();
    let exporter = traced.map(|traced| trace::start(&traced, name)).transpose();
    let exporter = exporter.map_err(anyhow::Error::msg).context("tracing cannot be started")?;
    warn_of_few_files(&config);
    Ok(Prepared { config, exporter })
}

/// Waits until the process is told to end, or must end because it failed. Returns its exit code: a
/// supervisor starts a process that failed again. From then on the stop is bounded by `limits`.
async fn end_of_work(
    signals: &Signals,
    failed: impl Future<Output = String>,
    limits: Limits,
) -> ExitCode {
    let failed = signals.wait_or(failed).await;
    signals.stop_within(limits.drain_delay + limits.drain_timeout);
    let Some(reason) = failed else {
        return ExitCode::SUCCESS;
    };
    tracing::error!(reason, "the process ends because it cannot keep its promises");
    ExitCode::FAILURE
}

/// Sends the last traces.
async fn end(exporter: Option<Exporter>) {
    if let Some(exporter) = exporter {
        exporter.end().await;
    }
}

/// Files that the program holds besides connections, generously.
const FILES_BESIDE_CONNECTIONS: u64 = 64;

fn warn_of_few_files(config: &Config) {
    let connections_max = config.server.connections_max as u64;
    if let Some(files_max) = open_files::raise_limit()
        && files_max < connections_max + FILES_BESIDE_CONNECTIONS
    {
        tracing::warn!(
            files_max,
            server.connections_max = connections_max,
            "the system's limit of open files (ulimit -n) is too low for so many connections"
        );
    }
}

/// How long the end waits for threads that are still at work, such as on a read that takes long.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the async runtime cannot be started")?;
    let result = runtime.block_on(command);
    runtime.shutdown_timeout(EXIT_TIMEOUT);
    result
}
