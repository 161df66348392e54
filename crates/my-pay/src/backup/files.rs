//! Files and folders for their owner only, on disk when a function returns.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context;
use rustix::fs::statvfs;
use sha2::{Digest as _, Sha256};

use super::Stop;

/// The databases of a data directory and of a backup, in the order of a manifest.
pub(super) const DATABASES: [&str; 2] = ["account.db", "money.db"];

const BUFFER_BYTES: usize = 1 << 20;

/// Makes a folder that must not be there.
pub(super) fn make_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Writes a new file.
pub(super) fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let written = create(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.with_context(|| format!("{} cannot be written", path.display()))
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Has the disk know a folder's entries.
pub(super) fn sync_folder(path: &Path) -> anyhow::Result<()> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("the folder {} cannot be flushed", path.display()))
}

/// The folder that a file or folder is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The SHA-256 digest of a file, in hexadecimal digits.
pub(super) fn digest(path: &Path, stop: &Stop) -> anyhow::Result<String> {
    read(path, stop, |_| Ok(()))
}

/// Copies into a new file. Returns the digest of what was read.
pub(super) fn copy(from: &Path, to: &Path, stop: &Stop) -> anyhow::Result<String> {
    let cannot = || format!("{} cannot be written", to.display());
    let mut file = create(to).with_context(cannot)?;
    let digest = read(from, stop, |part| file.write_all(part).with_context(cannot))?;
    file.sync_all().with_context(cannot)?;
    Ok(digest)
}

fn read(
    path: &Path,
    stop: &Stop,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let cannot = || format!("{} cannot be read", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let mut sum = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        stop.check()?;
        let length = file.read(&mut buffer).with_context(cannot)?;
        if length == 0 {
            break;
        }
        sum.update(&buffer[..length]);
        take(&buffer[..length])?;
    }
    Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Room on a file system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) free: u64,
    /// What is left alone: a twentieth of it, or 256 MiB if that is less.
    pub(super) reserve: u64,
}

impl Room {
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let found = statvfs(path)
            .with_context(|| format!("the room at {} cannot be read", path.display()))?;
        let bytes = |blocks: u64| found.f_frsize.saturating_mul(blocks);
        let reserve = (bytes(found.f_blocks) / 20).min(256 << 20);
        Ok(Self { free: bytes(found.f_bavail), reserve })
    }

    /// Refuses what does not fit beside the reserve.
    pub(super) fn check(self, path: &Path, needed: u64) -> anyhow::Result<()> {
        let Self { free, reserve } = self;
        anyhow::ensure!(
            free >= needed.saturating_add(reserve),
            "{needed} bytes are needed at {}, and {free} are free, of which {reserve} are left \
             alone",
            path.display()
        );
        Ok(())
    }
}

/// A database's files: itself, its log, the log's index, and the journal of another mode.
pub(super) fn all_of(database: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|end| {
        let mut path = database.as_os_str().to_owned();
        path.push(end);
        path.into()
    })
}

/// A folder that goes away with all that is in it unless it is kept.
pub(super) struct Unfinished {
    path: PathBuf,
    /// Locked, so that another process knows that work goes on in it. `None` once it is kept.
    lock: Option<File>,
}

impl Unfinished {
    /// Makes the folder, in the place of one that an interrupted command left.
    pub(super) fn make(path: PathBuf) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let cannot = || format!("{shown} cannot be made");
        loop {
            match make_folder(&path) {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    drop(lock(&path)?);
                    fs::remove_dir_all(&path).with_context(cannot)?;
                }
                Err(error) => return Err(error).with_context(cannot),
            }
        }
        let lock = Some(lock(&path)?);
        Ok(Self { path, lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name for good: that of nothing, or of an empty folder.
    pub(super) fn keep_as(mut self, path: &Path) -> anyhow::Result<()> {
        fs::rename(&self.path, path)
            .with_context(|| format!("{} cannot be made", path.display()))?;
        self.lock = None;
        sync_folder(folder_of(path))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.lock.is_some()
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "an unfinished folder is left");
        }
    }
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let folder = File::open(path)
        .with_context(|| format!("{} is there and cannot be opened", path.display()))?;
    folder
        .try_lock()
        .with_context(|| format!("another command is at work in {}", path.display()))?;
    Ok(folder)
}
