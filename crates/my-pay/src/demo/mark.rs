//! Where a demonstration may be served: on loopback addresses of `my-pay up` only. The account
//! database has the mark, so that it is still there after a backup was restored.

use std::{net::SocketAddr, path::Path};

use account::SqliteStore;
use anyhow::{Context, ensure};

/// Whether a process is asked to be the demonstration, or to serve people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// `my-pay up --demo`.
    Demonstration,
    /// Anything else.
    Service,
}

/// Why a demonstration stays on one machine, as the end of a sentence.
const BECAUSE: &str = "its passwords and its key are printed, and its money is made from nothing";

/// Refuses the demonstration on an address that others can reach. Checked before anything starts.
pub fn check_address(listen: SocketAddr) -> anyhow::Result<()> {
    ensure!(
        is_loopback(listen),
        "--demo needs a loopback address, such as 127.0.0.1:8080, and {listen} is none: {BECAUSE}"
    );
    Ok(())
}

/// Marks the accounts if this is the demonstration, and refuses to serve marked ones on an address
/// that others can reach.
pub(crate) async fn check(
    purpose: Purpose,
    accounts: &SqliteStore,
    data_dir: &Path,
    listen: SocketAddr,
) -> anyhow::Result<()> {
    let shown = data_dir.display();
    if purpose == Purpose::Demonstration {
        let marked = accounts.mark_demonstration().await;
        ensure!(
            marked.context("the data directory cannot be marked as the demonstration's")?,
            "the data directory {shown} has accounts that the demonstration did not make: \
             start --demo with another one (--data-dir)"
        );
    }
    if is_loopback(listen) || !is_marked(accounts).await? {
        return Ok(());
    }
    anyhow::bail!(
        "the data directory {shown} is the demonstration's (`my-pay up --demo`), which is served \
         on loopback addresses only, and {listen} is none: {BECAUSE}. For people, start with \
         another data directory (--data-dir)"
    )
}

/// Refuses a marked database to a service that runs apart: a gateway, whose address the service
/// does not know, is in front of it.
pub(crate) async fn refuse_apart(accounts: &dyn account::Store) -> anyhow::Result<()> {
    ensure!(
        !is_marked(accounts).await?,
        "the account database is the demonstration's (`my-pay up --demo`), which only `my-pay up` \
         serves, on loopback addresses: {BECAUSE}. For people, start with another database"
    );
    Ok(())
}

async fn is_marked(accounts: &dyn account::Store) -> anyhow::Result<bool> {
    let marked = accounts.is_demonstration().await;
    marked.context("the account database does not say whether it is the demonstration's")
}

fn is_loopback(listen: SocketAddr) -> bool {
    listen.ip().to_canonical().is_loopback()
}
