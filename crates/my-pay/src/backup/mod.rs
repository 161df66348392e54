//! `my-pay admin backup` and `my-pay admin restore`: both services' files as they were at one
//! moment, and back.
//!
//! One moment means: nothing that one file knows contradicts the other. The money service follows
//! the account service's feed, so its snapshot is taken first, and the account service's at once
//! afterwards. What an account did in between is harmless: an account that money does not know yet,
//! a suspension that it reads from the feed at its start. The other way round money could be ahead
//! of the feed, and would never hear of it.

mod files;
mod make;
mod manifest;
mod restore;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, bail};
use service::clock::Clock;

pub use self::restore::Restored;
use crate::{config::Config, flags::DataDirFlags};

/// Makes a backup in a new folder. Returns lines to print.
pub async fn back_up(to: &Path, flags: &DataDirFlags, clock: Clock) -> anyhow::Result<String> {
    let config = load(flags)?;
    let to = to.to_owned();
    until_stopped(move |stop| make::make(&config.data_dir, &to, &clock, stop)).await
}

/// Puts a backup into the data directory.
pub async fn restore(
    from: &Path,
    flags: &DataDirFlags,
    replaces: bool,
    clock: Clock,
) -> anyhow::Result<Restored> {
    let config = load(flags)?;
    let from = from.to_owned();
    until_stopped(move |stop| {
        restore::restore(&from, &config.data_dir, replaces, clock.now(), stop)
    })
    .await
}

fn load(flags: &DataDirFlags) -> anyhow::Result<Config> {
    let config = Config::load(flags)?;
    for database in [config.account.database(), config.money.database()] {
        anyhow::ensure!(
            flags.data_dir.is_some() || !database.is_given(),
            "{}.database_url is set, and this works on a data directory: name it by --data-dir if \
             both files are in one; docs/production.md says how MySQL is backed up",
            database.service
        );
    }
    Ok(config)
}

/// Whether a signal has come.
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn check(&self) -> anyhow::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("stopped by a signal");
        }
        Ok(())
    }
}

/// Tells the work to stop when the command is dropped, which a signal does.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does the work on a thread that may block. Dropping the future has it stop and clean up, for
/// which the end of the process leaves it some time.
async fn until_stopped<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stop = Stop(Arc::clone(&is_stopped));
    let _stop_on_drop = StopOnDrop(is_stopped);
    let ended = tokio::task::spawn_blocking(move || work(&stop)).await;
    ended.context("the work panicked")?
}
