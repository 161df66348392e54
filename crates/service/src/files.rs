//! Files and folders for their owner only, which are found again after a power cut.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// What others than the owner may do.
const OTHERS: u32 = 0o077;

/// The folder that a file or folder is in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a folder and those above it that are missing, for their owner only whatever the umask. A
/// folder that others may enter is reported. Returns whether it was made.
pub fn make_folder(path: &Path) -> io::Result<bool> {
    let is_new = make_missing(path)?;
    let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        tracing::warn!(
            folder = %path.display(),
            mode = format!("{mode:04o}"),
            "other users of this machine may enter the folder of a database: chmod 700"
        );
    }
    Ok(is_new)
}

fn make_missing(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder_of(path) != path => {
            make_missing(folder_of(path))?;
            make_missing(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a file for its owner only, whatever the umask. One that is there is narrowed. Returns
/// whether it was made.
pub fn make_file(path: &Path) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(file) => file.set_permissions(Permissions::from_mode(FILE_MODE)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            narrow(path)?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Takes from others what they may do with a file, if it is there, and reports it.
pub fn narrow(path: &Path) -> io::Result<()> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mode = found.permissions().mode() & 0o7777;
    if !found.is_file() || mode & OTHERS == 0 {
        return Ok(());
    }
    let (file, before) = (path.display(), format!("{mode:04o}"));
    match fs::set_permissions(path, Permissions::from_mode(mode & FILE_MODE)) {
        Ok(()) => tracing::warn!(
            %file,
            mode.before = before,
            "other users of this machine could read or write a file: now only its owner can"
        ),
        Err(error) => tracing::warn!(
            %file,
            mode = before,
            %error,
            "other users of this machine may read or write a file, and that cannot be changed"
        ),
    }
    Ok(())
}

/// Makes the names of a folder's files durable, and its own name in the folders above it, as far up
/// as its file system reaches. A flush of a file says nothing about its name.
pub fn flush_names(folder: &Path) -> io::Result<()> {
    let mut folder = fs::canonicalize(folder)?;
    let device = fs::metadata(&folder)?.dev();
    flush_folder(&folder)?;
    while folder.pop() && fs::metadata(&folder)?.dev() == device {
        match flush_folder(&folder) {
            // Its names cannot be flushed alone by a user who may not read them.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            flushed => flushed?,
        }
    }
    Ok(())
}

/// Makes the names of a folder's files durable.
fn flush_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems have no flush of a folder, because they need none.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        flushed => flushed,
    }
}

/// A file beside a database that SQLite names after it, such as its `-wal`.
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn folders_and_files_are_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let [above, below] = ["a", "a/b"].map(|path| folder.path().join(path));
        assert!(make_folder(&below).unwrap());
        assert!(!make_folder(&below).unwrap());
        assert_eq!((mode(&above), mode(&below)), (0o700, 0o700));
        let file = below.join("file");
        assert!(make_file(&file).unwrap());
        assert_eq!(mode(&file), 0o600);
        for (before, after) in [(0o644, 0o600), (0o666, 0o600), (0o440, 0o400), (0o400, 0o400)] {
            fs::set_permissions(&file, Permissions::from_mode(before)).unwrap();
            assert!(!make_file(&file).unwrap());
            assert_eq!(mode(&file), after, "{before:o}");
        }
        assert!(make_folder(&file).is_err());
        narrow(&below.join("missing")).unwrap();
        flush_names(&below).unwrap();
    }
}
