//! The folder of the embedded databases: private to its owner, and used by one process at a time.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use prometheus_client::registry::Registry;
use rustix::fs::{StatVfs, statvfs};
use service::metrics::register_observed;

/// The folder, held. The lock ends with this value, or with the process however that ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// A database file of one service, held. Other services may have theirs in the same folder, as long
/// as nobody holds the folder as a whole.
#[derive(Debug)]
pub struct DatabaseFile {
    _folder: File,
    _file: File,
}

impl DataDir {
    /// Creates the folder if it is not there, and takes it. Refused if another process has it, or
    /// if a restore was interrupted in it.
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        let taken = Self::take_to_restore(path)?;
        refuse_half_restored(path)?;
        Ok(taken)
    }

    /// The same for the restore itself.
    pub(crate) fn take_to_restore(path: &Path) -> anyhow::Result<Self> {
        let lock = open_lock(path, "lock")?;
        let taken = lock.try_lock();
        check(taken, || format!("the data directory {}", path.display()))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Makes it readable how much room its file system has.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let room = |path: &Path, blocks: fn(StatVfs) -> u64| {
            let path = path.to_owned();
            move || statvfs(&path).ok().map(|found| found.f_frsize.saturating_mul(blocks(found)))
        };
        let help = "Free space of the file system that the data directory is on";
        let free = room(&self.path, |found| found.f_bavail);
        register_observed(registry, "mypay_data_dir_free_bytes", help, free);
        let help = "Size of the file system that the data directory is on";
        let size = room(&self.path, |found| found.f_blocks);
        register_observed(registry, "mypay_data_dir_size_bytes", help, size);
    }

    /// The account service's database.
    pub fn account_database(&self) -> PathBuf {
        account_database(&self.path)
    }

    /// The money service's database.
    pub fn money_database(&self) -> PathBuf {
        money_database(&self.path)
    }
}

impl DatabaseFile {
    /// Creates the file's folder if it is not there, and takes the file. Refused if another process
    /// has it or the folder.
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let name = path.file_name().with_context(|| format!("{} is no file", path.display()))?;
        let folder_lock = open_lock(folder, "lock")?;
        let taken = folder_lock.try_lock_shared();
        check(taken, || format!("the data directory {}", folder.display()))?;
        refuse_half_restored(folder)?;
        let file_lock = open_lock(folder, &format!("{}.lock", name.to_string_lossy()))?;
        check(file_lock.try_lock(), || format!("the database {}", path.display()))?;
        Ok(Self { _folder: folder_lock, _file: file_lock })
    }
}

/// A file in the folder to be locked. The folder is created if it is not there, for its owner only.
fn open_lock(folder: &Path, name: &str) -> anyhow::Result<File> {
    let shown = folder.display();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the data directory {shown} cannot be created"))?;
    fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(name))
        .with_context(|| format!("the data directory {shown} cannot be written"))
}

fn check(taken: Result<(), TryLockError>, what: impl Fn() -> String) -> anyhow::Result<()> {
    match taken {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => bail!("{} is in use by another process", what()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", what()))
        }
    }
}

/// There while a restore exchanges files. Who finds it without a restore at work has files of
/// before and of after.
pub(crate) const RESTORE_MARK: &str = "restore.unfinished";

fn refuse_half_restored(folder: &Path) -> anyhow::Result<()> {
    let mark = folder.join(RESTORE_MARK);
    let is_marked = mark.try_exists();
    let is_marked = is_marked.with_context(|| format!("{} cannot be read", mark.display()))?;
    anyhow::ensure!(
        !is_marked,
        "a restore into {} was interrupted while it exchanged files: run `my-pay admin restore` \
         again",
        folder.display()
    );
    Ok(())
}

/// Shows that a folder is there, for commands beside a service, which must not create one because
/// its name was misspelt. A missing permission is not a missing folder.
pub(crate) fn check_data_dir(path: &Path) -> anyhow::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => bail!("the data directory {} is no folder", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("there is no data directory {}", path.display())
        }
        Err(error) => {
            Err(error).with_context(|| format!("the data directory {} is closed", path.display()))
        }
    }
}

/// The account service's database in this folder, for commands that run beside the service.
pub fn account_database(data_dir: &Path) -> PathBuf {
    data_dir.join("account.db")
}

/// The money service's database in this folder, for commands that run beside the service.
pub fn money_database(data_dir: &Path) -> PathBuf {
    data_dir.join("money.db")
}
