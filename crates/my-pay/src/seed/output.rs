//! The file of `my-pay seed`: there only when all of it is, and then in the place of the one
//! before. It never touches anything but a regular file, such as a device that root could replace.

use std::{
    fs::{self, FileType, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use rustix::fs::OFlags;
use serde_json::Value;
use tempfile::NamedTempFile;

/// The file, while it is written beside its place. For its owner only, as it holds tokens. Removed
/// if it is dropped unfinished.
pub(super) struct Output {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Output {
    /// Fails if there is something at `path` that may not be replaced, or no file can be made
    /// there.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        check_place(path)?;
        let cannot = || cannot_write(path);
        let name = path.file_name().with_context(|| format!("{} is no file", path.display()))?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(name)
            .suffix(".unfinished")
            .tempfile_in(folder)
            .map_err(without_path)
            .with_context(cannot)?;
        Ok(Self { file: BufWriter::new(file), path: path.to_owned() })
    }

    pub(super) fn write(&mut self, line: &Value) -> anyhow::Result<()> {
        writeln!(self.file, "{line}")
            .map_err(without_path)
            .with_context(|| cannot_write(&self.path))
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let cannot = || cannot_write(&self.path);
        let file = self.file.into_inner().map_err(|error| without_path(error.into_error()));
        let file = file.with_context(cannot)?;
        file.as_file().sync_all().with_context(cannot)?;
        // Something else may be there by now.
        check_place(&self.path)?;
        file.persist(&self.path).map_err(|error| error.error).with_context(cannot)?;
        Ok(())
    }
}

/// Succeeds if there is nothing at this path, or a regular file that this user may write. A
/// symbolic link is refused, because replacing it would replace the link and not the file.
fn check_place(path: &Path) -> anyhow::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| cannot_write(path)),
    };
    if !found.is_file() {
        bail!("--output needs a regular file, but {} is {}", path.display(), kind(found));
    }
    // What is replaced here could be replaced by anyone who may write the folder, but a file
    // without the right to write was protected on purpose. Not to follow or to block is for what
    // may take the file's place in this moment.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .with_context(|| cannot_write(path))?;
    Ok(())
}

fn kind(found: FileType) -> &'static str {
    if found.is_symlink() {
        "a symbolic link"
    } else if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a named pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn cannot_write(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}

/// The library puts the temporary file's path behind the cause, which says nothing to a user.
fn without_path(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((cause, _)) => io::Error::new(error.kind(), cause.to_owned()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    };

    use serde_json::json;

    use super::*;

    fn write(path: &Path) -> anyhow::Result<()> {
        let mut output = Output::create(path)?;
        output.write(&json!({"new": true}))?;
        output.finish()
    }

    #[test]
    fn a_file_is_created_or_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.jsonl");
        for before in [None, Some("old\n")] {
            if let Some(before) = before {
                fs::write(&path, before).unwrap();
            }
            let mut unfinished = Output::create(&path).unwrap();
            unfinished.write(&json!(1)).unwrap();
            drop(unfinished);
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), before);
            write(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "{\"new\":true}\n");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn anything_but_a_regular_file_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("directory")).unwrap();
        fs::write(at("file"), "old").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        symlink("/dev/full", at("to-a-device")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), mode).unwrap();
        for (path, kind) in [
            (at("directory"), "a directory"),
            (at("link"), "a symbolic link"),
            (at("dangling"), "a symbolic link"),
            (at("to-a-device"), "a symbolic link"),
            (at("socket"), "a socket"),
            (at("pipe"), "a named pipe"),
            (PathBuf::from("/dev/full"), "a device"),
            (PathBuf::from("/dev/null"), "a device"),
            (PathBuf::from(".."), "a directory"),
        ] {
            let before = fs::symlink_metadata(&path).unwrap().file_type();
            let refused = write(&path).unwrap_err().to_string();
            let shown = path.display();
            assert_eq!(refused, format!("--output needs a regular file, but {shown} is {kind}"));
            assert_eq!(fs::symlink_metadata(&path).unwrap().file_type(), before);
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 7, "nothing else is left");
    }

    #[test]
    fn what_takes_the_place_in_the_meantime_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.jsonl");
        let output = Output::create(&path).unwrap();
        symlink("/dev/full", &path).unwrap();
        assert!(output.finish().is_err());
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere/seed.jsonl");
        let refused = format!("{:#}", write(&path).unwrap_err());
        let shown = path.display();
        let cause = "No such file or directory (os error 2)";
        assert_eq!(refused, format!("{shown} cannot be written: {cause}"));
    }
}
