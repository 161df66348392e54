//! Makes a backup beside the running services.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context;
use service::{clock::Clock, store::sqlite::Snapshot};

use super::{
    Stop,
    files::{self, DATABASES, Room, Unfinished},
    manifest::{Database, Manifest},
};
use crate::data_dir::{account_database, check_data_dir, money_database};

/// Makes a backup of the data directory in the folder `to`, which must not be there or be empty.
pub(super) fn make(
    data_dir: &Path,
    to: &Path,
    clock: &Clock,
    stop: &Stop,
) -> anyhow::Result<String> {
    check_data_dir(data_dir)?;
    refuse_taken(to)?;
    let started = clock.monotonic();
    let Snapshots { account, money, feed, taken_at } = Snapshots::take(data_dir, clock)?;
    let unfinished = Unfinished::make(unfinished_name(to)?)?;
    Room::of(unfinished.path())?.check(unfinished.path(), account.bytes() + money.bytes())?;
    let [account_file, money_file] = DATABASES.map(|name| unfinished.path().join(name));
    let mut log_bytes_max = 0;
    let mut go_on = || {
        stop.check()?;
        let log = fs::metadata(&files::all_of(&money_database(data_dir))[1]);
        log_bytes_max = log_bytes_max.max(log.map_or(0, |log| log.len()));
        refuse_full(data_dir)
    };
    // The small one first: its log is held back for a moment only.
    let versions = [account.schema_version(), money.schema_version()];
    account.copy::<anyhow::Error>(&account_file, &mut go_on)?;
    account.release()?;
    money.copy::<anyhow::Error>(&money_file, &mut go_on)?;
    money.release()?;

    let mut databases = Vec::new();
    for ((service, file), schema_version) in
        ["account", "money"].into_iter().zip(DATABASES).zip(versions)
    {
        let path = unfinished.path().join(file);
        databases.push(Database {
            service: service.to_owned(),
            file: file.to_owned(),
            schema_version,
            bytes: fs::metadata(&path)?.len(),
            sha256: files::digest(&path, stop)?,
        });
    }
    let manifest = Manifest::new(taken_at, feed, databases);
    manifest.write(unfinished.path())?;
    files::sync_folder(unfinished.path())?;
    stop.check()?;
    unfinished.keep_as(to)?;
    let took = clock.monotonic().saturating_sub(started).as_secs_f64();
    Ok(report(&manifest, to, took, log_bytes_max))
}

fn report(manifest: &Manifest, to: &Path, took_seconds: f64, log_bytes_max: u64) -> String {
    let mut text = format!("{}: a backup of {}\n", to.display(), manifest.taken_at);
    for Database { file, bytes, sha256, .. } in &manifest.databases {
        text += &format!("{file}: {bytes} bytes, SHA-256 {sha256}\n");
    }
    let log_mib = log_bytes_max.div_ceil(1 << 20);
    text += &format!("it took {took_seconds:.1} s; money's log had at most {log_mib} MiB\n");
    text
}

/// Both databases at one moment.
struct Snapshots {
    account: Snapshot,
    money: Snapshot,
    /// The newest change in the account service's feed, and how far money has followed.
    feed: [i64; 2],
    taken_at: String,
}

impl Snapshots {
    /// Money first: the module says why.
    fn take(data_dir: &Path, clock: &Clock) -> anyhow::Result<Self> {
        let paths = [money_database(data_dir), account_database(data_dir)];
        let identities = || -> io::Result<Vec<_>> {
            let found = paths.iter().map(fs::metadata);
            found.map(|found| found.map(|found| (found.dev(), found.ino()))).collect()
        };
        let cannot = || format!("the databases of {} cannot be found", data_dir.display());
        let before = identities().with_context(cannot)?;
        let money = money::store::sqlite::snapshot(&paths[0])
            .context("the money database cannot be read")?;
        let account = account::store::sqlite::snapshot(&paths[1])
            .context("the account database cannot be read")?;
        let taken_at = clock.now().to_string();
        anyhow::ensure!(
            before == identities().with_context(cannot)?,
            "the files of {} were exchanged just now: try again",
            data_dir.display()
        );
        let feed = [
            account::store::sqlite::feed_sequence(&account)?,
            money::store::sqlite::feed_sequence(&money)?,
        ];
        check_feed(feed)?;
        Ok(Self { account, money, feed, taken_at })
    }
}

/// Refuses two databases of which money's has read what the account service's has never told.
pub(super) fn check_feed([account, money]: [i64; 2]) -> anyhow::Result<()> {
    anyhow::ensure!(
        money <= account,
        "the two databases do not belong together: money.db has followed the changes of accounts \
         to number {money}, and account.db has only {account}"
    );
    Ok(())
}

fn refuse_taken(to: &Path) -> anyhow::Result<()> {
    match fs::read_dir(to) {
        Ok(mut entries) => {
            anyhow::ensure!(
                entries.next().is_none(),
                "{} is there and not empty: name a new folder",
                to.display()
            );
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            Err(error).with_context(|| format!("{} cannot be a new folder", to.display()))
        }
    }
}

/// Beside the folder, so that it gets its name in one step.
fn unfinished_name(to: &Path) -> anyhow::Result<PathBuf> {
    let mut name =
        to.file_name().with_context(|| format!("{} names no folder", to.display()))?.to_owned();
    name.push(".unfinished");
    Ok(to.with_file_name(name))
}

/// A log that is held back grows. The services come first.
fn refuse_full(data_dir: &Path) -> anyhow::Result<()> {
    let Room { free, reserve } = Room::of(data_dir)?;
    anyhow::ensure!(
        free >= reserve,
        "given up for the services' sake: only {free} bytes are free at {}, and their log grows \
         as long as a copy is made",
        data_dir.display()
    );
    Ok(())
}
