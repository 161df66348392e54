//! A disk that fails when a test says so, for the real program: a small library in C that is
//! compiled here, preloaded into the program, and stands in front of its calls of the C library.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// How a disk can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// A flush (fsync, fdatasync) fails with EIO.
    Flush,
    /// What would make a file longer fails with ENOSPC, as on a file system without room.
    Full,
    /// Every write fails with EIO.
    Write,
    /// Every read fails with EIO.
    Read,
}

impl DiskFault {
    /// As the library spells it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Flush => "flush",
            Self::Full => "full",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// A disk that works until it is told to fail. One value serves any number of processes.
#[derive(Debug)]
pub struct FaultyDisk {
    library: PathBuf,
    /// One file a fault.
    faults: TempDir,
    _compiled: TempDir,
}

impl FaultyDisk {
    /// Compiles the library, with the C compiler that building the program needs anyway.
    pub fn new() -> Self {
        let (compiled, library) = compile("disk", include_str!("disk.c"));
        let faults = tempfile::tempdir().expect("a folder for the faults");
        Self { library, faults, _compiled: compiled }
    }

    /// Puts the disk under a program that is about to be started.
    pub fn under<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.variables())
    }

    /// The variables that put the disk under a program.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        let text = |path: &Path| path.to_str().expect("paths of tests are text").to_owned();
        [("LD_PRELOAD", text(&self.library)), ("FAULTY_DISK", text(self.faults.path()))]
    }

    /// From now on the disk fails like this for files whose path, with a `$` behind it, contains
    /// `paths`: `money.db` is the database with its log, `money.db$` the database alone.
    pub fn fail(&self, fault: DiskFault, paths: &str) {
        let marker = self.faults.path().join(fault.as_str());
        let unfinished = marker.with_extension("new");
        fs::write(&unfinished, paths).expect("a fault can be written");
        fs::rename(unfinished, marker).expect("a fault can be named");
    }

    /// The disk works again in this respect.
    pub fn mend(&self, fault: DiskFault) {
        fs::remove_file(self.faults.path().join(fault.as_str())).expect("it was failing");
    }
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self::new()
    }
}

/// Compiles a library that can be preloaded.
pub(crate) fn compile(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for the library");
    let source = folder.path().join(name).with_extension("c");
    fs::write(&source, text).expect("the library's source can be written");
    let library = source.with_extension("so");
    let ended = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .stdin(Stdio::null())
        .output()
        .expect("the C compiler `cc`, which this test needs, cannot be started");
    let message = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "the library does not compile: {message}");
    (folder, library)
}
