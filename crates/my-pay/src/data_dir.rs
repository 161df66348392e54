//! The folder of the embedded databases: private to its owner, and used by one process at a time.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use prometheus_client::registry::Registry;
use rustix::fs::{StatVfs, statvfs};
use service::{files, metrics::register_observed, store::sqlite::Watch};

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
    path: PathBuf,
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
        make_folder(path)?;
        let lock = open_lock(path, LOCK)?;
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

    /// Watches the files, once both databases are open.
    pub(crate) fn watch(&self) -> anyhow::Result<Watch> {
        watch_files(&[LOCK], &self.path, &[self.account_database(), self.money_database()])
    }

    /// Refuses to begin with an empty database beside one that has content: one of two files is
    /// missing. Where neither is there, it is a first start.
    pub(crate) fn refuse_one_of_two(&self, are_accounts_empty: bool) -> anyhow::Result<()> {
        let [account, money] = [self.account_database(), self.money_database()];
        let missing = match [has_content(&account)?, has_content(&money)?] {
            [false, true] => account,
            // A first start that was interrupted between the two.
            [true, false] if !are_accounts_empty => money,
            _ => return Ok(()),
        };
        bail!(
            "{} is missing, although the data directory is not new: put both databases of one \
             backup there (`my-pay admin restore`)",
            missing.display()
        )
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
        let folder = files::folder_of(path);
        let name = path.file_name().with_context(|| format!("{} is no file", path.display()))?;
        make_folder(folder)?;
        let folder_lock = open_lock(folder, LOCK)?;
        let taken = folder_lock.try_lock_shared();
        check(taken, || format!("the data directory {}", folder.display()))?;
        refuse_half_restored(folder)?;
        let file_lock = open_lock(folder, &format!("{}.lock", name.to_string_lossy()))?;
        check(file_lock.try_lock(), || format!("the database {}", path.display()))?;
        Ok(Self { path: path.to_owned(), _folder: folder_lock, _file: file_lock })
    }

    /// Watches the file, once it is open.
    pub(crate) fn watch(&self) -> anyhow::Result<Watch> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let locks = [LOCK, &format!("{name}.lock")];
        watch_files(&locks, files::folder_of(&self.path), std::slice::from_ref(&self.path))
    }
}

fn watch_files(locks: &[&str], folder: &Path, databases: &[PathBuf]) -> anyhow::Result<Watch> {
    let locks = locks.iter().map(|name| folder.join(name));
    let logs = databases
        .iter()
        .flat_map(|database| ["-wal", "-shm"].map(|suffix| files::beside(database, suffix)));
    Watch::begin(&locks.chain(logs).collect::<Vec<_>>(), databases)
        .with_context(|| format!("the files in {} cannot be watched", folder.display()))
}

fn has_content(path: &Path) -> anyhow::Result<bool> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Makes the folder if it is not there.
fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    let is_new = files::make_folder(folder)
        .with_context(|| format!("the data directory {shown} cannot be created"))?;
    if is_new {
        tracing::warn!(data.dir = %shown, "a new data directory is made");
    }
    Ok(())
}

/// A file in the folder, to be locked.
fn open_lock(folder: &Path, name: &str) -> anyhow::Result<File> {
    let path = folder.join(name);
    files::make_file(&path)
        .and_then(|_is_new| fs::OpenOptions::new().write(true).open(path))
        .with_context(|| format!("the data directory {} cannot be written", folder.display()))
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

/// The file that holds the folder as a whole.
const LOCK: &str = "lock";

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
