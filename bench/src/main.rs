//! `cargo run --release -p bench`: how fast the product moves money durably, as a ratio to an empty
//! authenticated echo through the same gateway in the same run, and what memory that takes.

mod beside;
mod client;
mod compare;
mod idle;
mod load;
mod report;
mod scrape;
mod serve;
mod store;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::{load::Load, report::Report};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    load: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The product under test, in a process of its own (started by the benchmark itself)
    Serve {
        /// Where its data goes
        #[arg(long)]
        dir: PathBuf,
        #[command(flatten)]
        settings: Settings,
    },
    /// The money engine on MariaDB beside the classic way: one transaction a transfer
    Compare(compare::Settings),
    /// What reading the metrics costs
    Scrape {
        #[command(flatten)]
        settings: Settings,
    },
    /// The product beside itself: with other settings, with traces, or as of another build
    Beside {
        #[command(flatten)]
        other: beside::Other,
        #[command(flatten)]
        settings: Settings,
    },
    /// How soon the program answers after its start, and what memory it holds when idle
    Idle,
}

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Settings {
    /// Keep-alive connections
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Wallets that may receive
    #[arg(long, default_value_t = 100_000)]
    wallets: usize,
    /// Accounts that send, their wallets spread evenly over all
    #[arg(long, default_value_t = 10_000)]
    senders: usize,
    /// Rounds; each measures everything once
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Skip the audit of the books at the end
    #[arg(long)]
    no_audit: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the async runtime cannot be started")?;
    match cli.command {
        Some(Command::Serve { dir, settings }) => runtime.block_on(serve::serve(&dir, &settings)),
        Some(Command::Compare(settings)) => runtime.block_on(compare::measure(&settings)),
        Some(Command::Scrape { settings }) => runtime.block_on(scrape::measure(&settings)),
        Some(Command::Beside { other, settings }) => {
            runtime.block_on(beside::measure(&other, &settings))
        }
        Some(Command::Idle) => runtime.block_on(idle::measure()),
        None => runtime.block_on(measure(&cli.load)),
    }
}

async fn measure(settings: &Settings) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let product = serve::Process::start(folder.path(), settings).await?;
    let mut report = Report::default();
    let duration = Duration::from_secs(settings.seconds);
    for load in Load::ALL {
        // Warms up caches and connections; not counted.
        client::run(&product, load, settings, Duration::from_secs(1)).await?;
    }
    for round in 0..settings.rounds {
        for load in Load::ALL {
            let measured = client::run(&product, load, settings, duration).await?;
            say(&format!("round {}, {}: {measured}", round + 1, load.name()));
            report.add(load, measured);
        }
    }
    let memory_mib = product.peak_memory_mib()?;
    product.stop().await?;
    say(&report.to_string());
    say(&format!("peak memory of the product: {memory_mib:.0} MiB"));
    if !settings.no_audit {
        let audit = money::store::sqlite::audit(&folder.path().join("data/money.db"))?;
        say(&audit.to_string());
        anyhow::ensure!(audit.is_clean(), "the books do not add up");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
