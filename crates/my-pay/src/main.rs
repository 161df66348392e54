//! The program: flags and subcommands. It decides nothing; it loads the configuration, starts what
//! the library wires together, and turns errors into one clear line.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use axum::http::Uri;
use clap::{Parser, Subcommand};
use my_pay::{
    account::Account,
    admin, backup,
    config::Config,
    demo,
    flags::{
        AccountFlags, DataDirFlags, DatabaseFlags, Flags, GatewayFlags, MigrateFlags, MoneyFlags,
        SeedFlags,
    },
    gateway::Edge,
    health,
    migrate::{self, Which},
    money::Money,
    open_files, seed,
    signals::Signals,
    up::Up,
};
use service::{
    clock::Clock,
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
    /// Makes two people with funded wallets on first start, and prints curl lines that move money
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Lifts the suspension of an account
    EnableAccount {
        /// The account's id
        id: i64,
        #[command(flatten)]
        flags: DatabaseFlags,
    },
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
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Up(cli.up));
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("my-pay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(args) => block_on(up(args)),
        Command::Config(flags) => {
            print(&Config::load(&flags)?.to_toml());
            Ok(ExitCode::SUCCESS)
        }
        Command::Gateway(flags) => block_on(gateway(&flags)),
        Command::Account(flags) => block_on(account(&flags)),
        Command::Money(flags) => block_on(money(&flags)),
        Command::Migrate { which, flags } => {
            print(&block_on(migrate::migrate(which, &flags))?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Health { url } => {
            block_on(health::check(&url))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Seed(flags) => {
            print(&block_on(seed::seed(&flags, Clock::system()))?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Admin(AdminCommand::EnableAccount { id, flags }) => {
            block_on(admin::enable_account(id, &flags))?;
            print(&format!("account {id} is enabled\n"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Admin(AdminCommand::Audit { flags }) => {
            let report = block_on(admin::audit(&flags))?;
            print(&report.to_string());
            Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Admin(AdminCommand::Backup { to, flags }) => {
            print(&block_on(backup::back_up(&to, &flags, Clock::system()))?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Admin(AdminCommand::Restore { from, replace, flags }) => {
            let restored = backup::restore(&from, &flags, replace, Clock::system());
            let restored = block_on(restored)?;
            print(&restored.to_string());
            Ok(if restored.audit.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

async fn up(args: UpArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.flags)?;
    if args.demo {
        demo::check_address(config.listen)?;
    }
    let Prepared { signals, exporter } = prepare(&config, "my-pay")?;
    let mut up = Up::start(&config, Clock::system()).await?;
    if args.demo {
        print(&demo::prepare(&up, &Clock::system()).await?);
    }
    let code = end_of_work(signals, up.failed()).await;
    let stopped = up.shut_down().await;
    end(exporter).await;
    stopped.map(|()| code)
}

async fn account(flags: &AccountFlags) -> anyhow::Result<ExitCode> {
    let config = Config::load(flags)?;
    let Prepared { signals, exporter } = prepare(&config, "my-pay-account")?;
    let mut account = Account::start(&config, Clock::system()).await?;
    let code = end_of_work(signals, account.failed()).await;
    let stopped = account.shut_down().await;
    end(exporter).await;
    stopped.map(|()| code)
}

async fn money(flags: &MoneyFlags) -> anyhow::Result<ExitCode> {
    let config = Config::load(flags)?;
    let Prepared { signals, exporter } = prepare(&config, "my-pay-money")?;
    let mut money = Money::start(&config, Clock::system()).await?;
    let code = end_of_work(signals, money.failed()).await;
    let stopped = money.shut_down().await;
    end(exporter).await;
    stopped.map(|()| code)
}

async fn gateway(flags: &GatewayFlags) -> anyhow::Result<ExitCode> {
    let config = Config::load(flags)?;
    let Prepared { signals, exporter } = prepare(&config, "my-pay-gateway")?;
    let gateway = Edge::start(&config, &Clock::system())?;
    signals.wait().await;
    let stopped = gateway.shut_down().await;
    end(exporter).await;
    stopped.map(|()| ExitCode::SUCCESS)
}

/// What every process that serves has around it.
struct Prepared {
    signals: Signals,
    exporter: Option<Exporter>,
}

/// What every process that serves begins with: logs, traces, files, and ears for signals. `name` is
/// that of its traces.
fn prepare(config: &Config, name: &'static str) -> anyhow::Result<Prepared> {
    let levels = telemetry::parse_levels(&config.log_levels).map_err(anyhow::Error::msg)?;
    telemetry::start(config.log_format.into(), levels).map_err(anyhow::Error::msg)?;
    let traced = config.tracing.to_service();
    let exporter = traced.map(|traced| trace::start(&traced, name)).transpose();
    let exporter = exporter.map_err(anyhow::Error::msg).context("tracing cannot be started")?;
    warn_of_few_files(config);
    Ok(Prepared { signals: Signals::listen()?, exporter })
}

/// Waits until the process is told to end, or must end because it failed. Returns its exit code: a
/// supervisor starts a process that failed again.
async fn end_of_work(signals: Signals, failed: impl Future<Output = String>) -> ExitCode {
    let Some(reason) = signals.wait_or(failed).await else {
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

/// How long the end waits for work that nobody waits for any more, such as a read that takes long.
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

#[expect(clippy::print_stdout, reason = "what a command was asked to print")]
fn print(text: &str) {
    print!("{text}");
}
