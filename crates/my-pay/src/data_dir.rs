//! The folder of the embedded databases: private to its owner, and used by one process at a time.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// The folder, held. The lock ends with this value, or with the process however that ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the folder if it is not there, and takes it. Refused if another process has it.
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("the data directory {shown} cannot be created"))?;
        let lock = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .with_context(|| format!("the data directory {shown} cannot be written"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                bail!("the data directory {shown} is in use by another process")
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("the data directory {shown} cannot be locked"))
            }
        }
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

/// The account service's database in this folder, for commands that run beside the service.
pub fn account_database(data_dir: &Path) -> PathBuf {
    data_dir.join("account.db")
}

/// The money service's database in this folder, for commands that run beside the service.
pub fn money_database(data_dir: &Path) -> PathBuf {
    data_dir.join("money.db")
}
