//! A power cut, for the real program: what a disk must still have afterwards, and nothing that it
//! only may have. A small library in C, preloaded into the program, records each flush; an image is
//! made of what was flushed until some moment. A name survives if its folder was flushed, a content
//! if its file was.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::UNIX_EPOCH,
};

use tempfile::TempDir;

use crate::disk::compile;

/// A folder whose flushes are recorded, for one run of a program. All that is in it at first is on
/// disk.
#[derive(Debug)]
pub struct PowerRecord {
    root: PathBuf,
    library: PathBuf,
    before: BTreeMap<String, State>,
    record: TempDir,
    _compiled: TempDir,
}

/// What the disk has of a file or folder.
#[derive(Debug, Clone)]
enum State {
    File(Vec<u8>),
    Folder(Vec<Entry>),
}

#[derive(Debug, Clone)]
struct Entry {
    is_folder: bool,
    id: String,
    name: String,
}

impl PowerRecord {
    /// Compiles the library, and takes what is in the folder for durable.
    pub fn begin(root: &Path) -> Self {
        let root = fs::canonicalize(root).expect("the folder is there");
        let (compiled, library) = compile("power", include_str!("power.c"));
        let record = tempfile::tempdir().expect("a folder for the record");
        let mut before = BTreeMap::new();
        remember(&root, &mut before);
        Self { root, library, before, record, _compiled: compiled }
    }

    /// Records the flushes of a program that is about to be started.
    pub fn of<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LD_PRELOAD", &self.library)
            .env("POWER_ROOT", &self.root)
            .env("POWER_RECORD", self.record.path())
    }

    /// How many flushes have ended so far.
    pub fn flushes(&self) -> usize {
        self.recorded().len()
    }

    /// Makes in this folder, which is empty, what the disk has after so many flushes.
    pub fn image(&self, flushes: usize, to: &Path) {
        let mut states = self.before.clone();
        for path in self.recorded().into_iter().take(flushes) {
            let name = path.file_name().expect("a record has a name").to_string_lossy();
            let mut parts = name.splitn(3, '-').skip(1);
            let (kind, id) = (parts.next(), parts.next());
            let id = id.expect("a record names what was flushed").to_owned();
            let content = fs::read(&path).expect("the record is there");
            let state = match kind {
                Some("folder") => State::Folder(entries(&content)),
                _ => State::File(content),
            };
            states.insert(id, state);
        }
        restore(&states, &id(&self.root), to);
    }

    /// The finished records, in order.
    fn recorded(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.record.path()).expect("the record is there");
        let paths = folder.map(|entry| entry.expect("the record can be read").path());
        let mut paths: Vec<_> = paths.filter(|path| !path.ends_with("unfinished")).collect();
        paths.sort();
        paths
    }
}

fn remember(path: &Path, states: &mut BTreeMap<String, State>) {
    if !path.is_dir() {
        let content = fs::read(path).expect("the file can be read");
        states.insert(id(path), State::File(content));
        return;
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        entries.push(Entry { is_folder: path.is_dir(), id: id(&path), name });
        remember(&path, states);
    }
    states.insert(id(path), State::Folder(entries));
}

/// As the library writes it.
fn id(path: &Path) -> String {
    let found = fs::metadata(path).expect("it is there");
    let made = found.created().expect("the file system keeps when a file was made");
    let made = made.duration_since(UNIX_EPOCH).expect("it is after 1970");
    format!("{}.{}.{}", found.ino(), made.as_secs(), made.subsec_nanos())
}

fn entries(record: &[u8]) -> Vec<Entry> {
    let text = String::from_utf8_lossy(record);
    let entry = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let mut next = || parts.next().expect("an entry has three parts").to_owned();
        Entry { is_folder: next() == "d", id: next(), name: next() }
    };
    text.split_terminator('\0').map(entry).collect()
}

fn restore(states: &BTreeMap<String, State>, id: &str, to: &Path) {
    // A folder that was never flushed has no entries for certain.
    let Some(State::Folder(entries)) = states.get(id) else { return };
    for Entry { is_folder, id, name } in entries {
        let path = to.join(name);
        if *is_folder {
            fs::create_dir(&path).expect("the image can be made");
            restore(states, id, &path);
        } else {
            let content = match states.get(id) {
                Some(State::File(content)) => content.as_slice(),
                _ => &[],
            };
            fs::write(&path, content).expect("the image can be made");
        }
    }
}
