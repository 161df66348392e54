//! The program: flags and subcommands. It decides nothing; it loads the configuration, starts what
//! the library wires together, and turns errors into one clear line.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use my_pay::{
    config::{Config, Flags},
    data_dir, demo, open_files,
    up::Up,
};
use service::{clock::Clock, telemetry};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    /// Prints the effective configuration, secrets masked
    Config(Flags),
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
        flags: Flags,
    },
    /// Checks that the books add up: zero-sum, balances, chains, keys
    Audit {
        #[command(flatten)]
        flags: Flags,
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
        Command::Up(args) => runtime()?.block_on(up(args)),
        Command::Config(flags) => {
            print(&Config::load(&flags)?.to_toml());
            Ok(ExitCode::SUCCESS)
        }
        Command::Admin(AdminCommand::EnableAccount { id, flags }) => {
            let database = data_dir::account_database(&existing_data_dir(&flags)?);
            let clock = Clock::system();
            runtime()?.block_on(account::admin::enable_account(&database, id, &clock))?;
            print(&format!("account {id} is enabled\n"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Admin(AdminCommand::Audit { flags }) => {
            let database = data_dir::money_database(&existing_data_dir(&flags)?);
            anyhow::ensure!(database.is_file(), "there is no database {}", database.display());
            let report = money::store::sqlite::audit(&database)
                .with_context(|| format!("{} cannot be audited", database.display()))?;
            print(&report.to_string());
            Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

async fn up(args: UpArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.flags)?;
    if args.demo {
        demo::check_address(config.listen)?;
    }
    let levels = telemetry::parse_levels(&config.log_levels).map_err(anyhow::Error::msg)?;
    telemetry::start(config.log_format.into(), levels).map_err(anyhow::Error::msg)?;
    warn_of_few_files(&config);
    let mut signals = Signals::listen()?;
    let up = Up::start(&config, Clock::system()).await?;
    if args.demo {
        print(&demo::prepare(&up, &Clock::system()).await?);
    }
    signals.next().await;
    tokio::spawn(async move {
        signals.next().await;
        exit_at_once();
    });
    up.shut_down().await?;
    Ok(ExitCode::SUCCESS)
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

/// SIGTERM, as service managers send it, and SIGINT, as Ctrl-C does.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a second signal asks for exactly this")]
fn exit_at_once() {
    eprintln!("my-pay: a second signal; exiting at once");
    std::process::exit(130);
}

/// A command beside the service must not create a folder because its name was misspelt.
fn existing_data_dir(flags: &Flags) -> anyhow::Result<PathBuf> {
    let path = Config::load(flags)?.data_dir;
    anyhow::ensure!(path.is_dir(), "there is no data directory {}", path.display());
    Ok(path)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the async runtime cannot be started")
}

#[expect(clippy::print_stdout, reason = "what a command was asked to print")]
fn print(text: &str) {
    print!("{text}");
}
