//! Notices that files were removed, moved, replaced or overwritten under the running program. What
//! it writes from then on would be lost, or would spoil the file that was put there.

use std::{
    fs::{self, File},
    io,
    mem::ManuallyDrop,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::task::JoinHandle;

use crate::{
    fatal::Reporter,
    shutdown::{self, Shutdown, Trigger},
};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(250);

/// The header of a database: <https://sqlite.org/fileformat2.html>, 1.3.
const HEADER_BYTES: usize = 100;
/// Magic, page size and formats, which nothing changes while a service runs.
const CONSTANT: std::ops::Range<usize> = 0..24;
/// Where the number of pages is.
const PAGES: std::ops::Range<usize> = 28..32;

/// Files that are in use.
#[derive(Debug)]
pub struct Watch {
    entries: Vec<Entry>,
    databases: Vec<Content>,
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    place: Place,
}

/// What a name stands for: device and inode.
type Place = (u64, u64);

/// What is known of a database's content.
#[derive(Debug)]
struct Content {
    path: PathBuf,
    /// Never closed: that would free all POSIX locks that the process has on the file, and SQLite
    /// relies on its own.
    file: ManuallyDrop<File>,
    constant: Vec<u8>,
    pages: u32,
    bytes: u64,
}

impl Watch {
    /// Watches these files, all of which are there, and the content of these databases, which are
    /// open and have been written.
    pub fn begin(files: &[PathBuf], databases: &[PathBuf]) -> io::Result<Self> {
        let entry = |path: &PathBuf| Ok(Entry { path: path.clone(), place: place(path)? });
        let entries = files.iter().chain(databases).map(entry).collect::<io::Result<_>>()?;
        let content = |path: &PathBuf| Content::begin(path);
        let databases = databases.iter().map(content).collect::<io::Result<_>>()?;
        Ok(Self { entries, databases })
    }

    /// What has happened to the files, if anything has.
    fn look(&mut self) -> Option<String> {
        let moved = self.entries.iter().find_map(Entry::look);
        moved.or_else(|| self.databases.iter_mut().find_map(Content::look))
    }
}

impl Entry {
    fn look(&self) -> Option<String> {
        let path = self.path.display();
        match place(&self.path) {
            Ok(found) if found == self.place => None,
            Ok(_) => Some(format!("{path} is in use and was replaced by another file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(format!("{path} is in use and was removed or moved"))
            }
            Err(error) => Some(format!("{path} is in use and cannot be found any more: {error}")),
        }
    }
}

impl Content {
    fn begin(path: &Path) -> io::Result<Self> {
        let file = ManuallyDrop::new(File::open(path)?);
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0)?;
        let (constant, pages) = (header[CONSTANT].to_vec(), pages(&header));
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, constant, pages, bytes })
    }

    /// A database in use never gets smaller, as nothing is vacuumed. One that is written over by a
    /// copy of before does.
    fn look(&mut self) -> Option<String> {
        let path = self.path.display();
        let mut header = [0; HEADER_BYTES];
        let read = self.file.read_exact_at(&mut header, 0);
        let bytes = match read.and_then(|()| self.file.metadata()) {
            Ok(found) => found.len(),
            Err(error) => return Some(format!("{path} is in use and cannot be read: {error}")),
        };
        let pages = pages(&header);
        if header[CONSTANT] != self.constant[..] || pages < self.pages || bytes < self.bytes {
            return Some(format!("{path} is in use and was written over by something else"));
        }
        (self.pages, self.bytes) = (pages, bytes);
        None
    }
}

fn pages(header: &[u8; HEADER_BYTES]) -> u32 {
    let pages = header[PAGES].try_into().expect("the range has four bytes");
    u32::from_be_bytes(pages)
}

fn place(path: &Path) -> io::Result<Place> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// A watch that has begun. It ends with this value.
#[derive(Debug)]
pub struct Watching {
    stop: Trigger,
    task: JoinHandle<()>,
}

impl Watch {
    /// Looks four times a second, and reports the first thing that happens to the files.
    pub fn start(self, fatal: Reporter) -> Watching {
        let (stop, stopping) = shutdown::channel();
        Watching { stop, task: tokio::spawn(watch(self, fatal, stopping)) }
    }
}

impl Watching {
    /// Ends it. To be called before the databases are closed, which removes their logs.
    pub async fn end(self) {
        self.stop.shut_down();
        if self.task.await.is_err() {
            tracing::error!("the watch over the files ended in a panic");
        }
    }
}

async fn watch(mut watched: Watch, fatal: Reporter, mut stopping: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stopping.wait() => return,
        }
        // A look may block as long as the disk does.
        let looking = tokio::task::spawn_blocking(move || {
            let happened = watched.look();
            (watched, happened)
        });
        let (looked, happened) = looking.await.expect("a look does not panic");
        watched = looked;
        if let Some(happened) = happened {
            return fatal.report(happened);
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;
    use crate::files::beside;

    struct World {
        folder: TempDir,
        db: Connection,
        watch: Watch,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("data/a.db");
            fs::create_dir(folder.path().join("data")).unwrap();
            let db = Connection::open(&path).unwrap();
            db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE a (x)").unwrap();
            let watch = Watch::begin(&[beside(&path, "-wal")], &[path]).unwrap();
            Self { folder, db, watch }
        }

        fn grow(&self) {
            self.db.execute_batch("INSERT INTO a VALUES (zeroblob(100000))").unwrap();
            self.db.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }
    }

    #[test]
    fn whatever_happens_to_the_files_is_noticed() {
        type Deed = fn(&World) -> io::Result<()>;
        let deeds: [(&str, Deed, &str); 8] = [
            ("replaced", |w| fs::rename(w.path("copy"), w.path("data/a.db")), "a.db"),
            ("removed", |w| fs::remove_file(w.path("data/a.db")), "a.db"),
            ("moved", |w| fs::rename(w.path("data/a.db"), w.path("data/b.db")), "a.db"),
            ("folder moved", |w| fs::rename(w.path("data"), w.path("else")), "a.db-wal"),
            ("folder removed", |w| fs::remove_dir_all(w.path("data")), "a.db-wal"),
            ("log removed", |w| fs::remove_file(w.path("data/a.db-wal")), "a.db-wal"),
            (
                "written over",
                |w| fs::copy(w.path("copy"), w.path("data/a.db")).map(|_bytes| ()),
                "a.db",
            ),
            ("emptied", |w| fs::write(w.path("data/a.db"), ""), "a.db"),
        ];
        for (name, deed, file) in deeds {
            let mut world = World::new();
            fs::copy(world.path("data/a.db"), world.path("copy")).unwrap();
            assert_eq!(world.watch.look(), None, "{name}");
            world.grow();
            assert_eq!(world.watch.look(), None, "{name}: what SQLite does is right");
            deed(&world).unwrap();
            let happened = world.watch.look().unwrap_or_else(|| panic!("{name} is not noticed"));
            assert!(happened.contains(&format!("{file} is in use")), "{name}: {happened}");
        }
    }

    #[tokio::test]
    async fn the_first_thing_that_happens_is_reported() {
        let world = World::new();
        let (reporter, mut failure) = crate::fatal::channel();
        let watching = world.watch.start(reporter);
        fs::remove_file(world.folder.path().join("data/a.db")).unwrap();
        assert!(failure.wait().await.contains("was removed or moved"));
        watching.end().await;
    }
}
