//! Puts a backup into a data directory that no process uses.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use money::store::audit::AuditReport;
use service::clock::Timestamp;

use super::{
    Stop,
    files::{self, DATABASES, Room, Unfinished},
    make::check_feed,
    manifest::{Database, Manifest},
};
use crate::data_dir::{DataDir, RESTORE_MARK, account_database, money_database};

/// The copies before they get their names.
const STAGING: &str = "restore.staging";

/// What became of it.
#[derive(Debug)]
pub struct Restored {
    data_dir: PathBuf,
    taken_at: String,
    /// Where the files from before are now, if there were any.
    moved_aside: Option<PathBuf>,
    /// What an audit says of the restored books.
    pub audit: AuditReport,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data_dir, taken_at, moved_aside, audit } = self;
        writeln!(f, "{} is as it was at {taken_at}", data_dir.display())?;
        if let Some(folder) = moved_aside {
            writeln!(f, "what was there before is in {}", folder.display())?;
        }
        write!(f, "{audit}")
    }
}

/// Restores the backup `from`. Databases that are there are moved aside if that is asked for, and
/// otherwise refuse it.
pub(super) fn restore(
    from: &Path,
    data_dir: &Path,
    replaces: bool,
    now: Timestamp,
    stop: &Stop,
) -> anyhow::Result<Restored> {
    let manifest = Manifest::read(from)?;
    let held = DataDir::take_to_restore(data_dir)?;
    let there = files_there(data_dir);
    anyhow::ensure!(
        there.is_empty() || replaces,
        "{} has {} already: --replace moves what is there aside",
        data_dir.display(),
        names(&there)
    );
    let needed = manifest.databases.iter().map(|database| database.bytes).sum();
    Room::of(data_dir)?.check(data_dir, needed)?;
    let staging = Unfinished::make(data_dir.join(STAGING))?;
    for database in &manifest.databases {
        stage(database, from, staging.path(), stop)?;
    }
    check_staged(&manifest, staging.path())?;
    files::sync_folder(staging.path())?;
    stop.check()?;
    let moved_aside = install(data_dir, staging.path(), &there, now)?;
    drop(staging);
    let audit = money::store::sqlite::audit(&money_database(data_dir))
        .context("what was restored cannot be audited")?;
    drop(held);
    let Manifest { taken_at, .. } = manifest;
    Ok(Restored { data_dir: data_dir.to_owned(), taken_at, moved_aside, audit })
}

fn stage(
    Database { file, sha256, .. }: &Database,
    from: &Path,
    staging: &Path,
    stop: &Stop,
) -> anyhow::Result<()> {
    let found = files::copy(&from.join(file), &staging.join(file), stop)?;
    anyhow::ensure!(
        found == *sha256,
        "{file} of the backup has the digest {found}, and the manifest says {sha256}: it is damaged"
    );
    Ok(())
}

/// Whether this program can serve from the copies, and they belong together.
fn check_staged(manifest: &Manifest, staging: &Path) -> anyhow::Result<()> {
    let account = account::store::sqlite::snapshot(&account_database(staging))
        .context("account.db of the backup cannot be used")?;
    let money = money::store::sqlite::snapshot(&money_database(staging))
        .context("money.db of the backup cannot be used")?;
    let feed = [
        account::store::sqlite::feed_sequence(&account)?,
        money::store::sqlite::feed_sequence(&money)?,
    ];
    anyhow::ensure!(
        feed == [manifest.account_feed_sequence, manifest.money_feed_sequence],
        "the manifest is not the one of these databases"
    );
    check_feed(feed)
}

/// The files of both databases that are there, logs without a database included.
fn files_there(data_dir: &Path) -> Vec<PathBuf> {
    let all = DATABASES.iter().flat_map(|name| files::all_of(&data_dir.join(name)));
    // A link that leads nowhere would be replaced, too.
    all.filter(|path| fs::symlink_metadata(path).is_ok()).collect()
}

fn names(paths: &[PathBuf]) -> String {
    let names = paths.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy()));
    names.collect::<Vec<_>>().join(", ")
}

/// Exchanges the files. The mark is on disk before the first is moved and until after the last: a
/// start in between refuses, and the restore can be run again.
fn install(
    data_dir: &Path,
    staging: &Path,
    there: &[PathBuf],
    now: Timestamp,
) -> anyhow::Result<Option<PathBuf>> {
    let mark = data_dir.join(RESTORE_MARK);
    if !mark.exists() {
        files::write(&mark, b"A restore has begun to exchange files and has not ended.\n")?;
    }
    files::sync_folder(data_dir)?;
    let mut aside = None;
    if !there.is_empty() {
        let folder = aside_folder(data_dir, now)?;
        for path in there {
            rename(path, &folder)?;
        }
        files::sync_folder(&folder)?;
        aside = Some(folder);
    }
    for name in DATABASES {
        rename(&staging.join(name), data_dir)?;
    }
    files::sync_folder(data_dir)?;
    fs::remove_file(&mark).with_context(|| format!("{} cannot be removed", mark.display()))?;
    files::sync_folder(data_dir)?;
    Ok(aside)
}

/// Moves a file into a folder.
fn rename(path: &Path, folder: &Path) -> anyhow::Result<()> {
    let to = folder.join(path.file_name().expect("every file here has a name"));
    fs::rename(path, &to)
        .with_context(|| format!("{} cannot be moved to {}", path.display(), folder.display()))
}

/// A new folder for what was there, named by the time.
fn aside_folder(data_dir: &Path, now: Timestamp) -> anyhow::Result<PathBuf> {
    let time = now.to_string().replace([':', '-'], "");
    let folder = data_dir.join(format!("replaced-{time}"));
    files::make_folder(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}
