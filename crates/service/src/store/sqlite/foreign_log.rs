//! Notices a write-ahead log that is not the log of the database beside it: a copy was put in the
//! place of a file whose process had been killed, and the log was left. SQLite would apply it, and
//! silently undo the copy or spoil it.
//!
//! The format is that of <https://sqlite.org/fileformat2.html>: a database's header in its first
//! 100 bytes (1.3), the log's header of 32 bytes and frames of 24 bytes and a page each (4.1, 4.2).

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufReader, Read, Seek as _, SeekFrom},
    path::Path,
};

use super::{Error, log_of, unreadable};

const LOG_MAGIC: u32 = 0x377f_0682;
const LOG_HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The page at this place in the file is never used.
const PENDING_BYTE: u64 = 0x4000_0000;

/// Refuses a database with a log of another one, as far as that can be told.
pub(super) fn refuse(path: &Path) -> Result<(), Error> {
    let log = log_of(path);
    let look = || find(path, &log).map_err(|cause| unreadable(&log, cause));
    // A second look, because another process may have been at work during the first.
    if look()?.is_some()
        && let Some(reason) = look()?
    {
        return Err(Error::ForeignLog { path: path.to_owned(), log: log.clone(), reason });
    }
    Ok(())
}

/// What of the first page tells databases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    page_bytes: u32,
    has_log: bool,
    free_pages: u32,
    schema_cookie: u32,
    user_version: u32,
}

impl Header {
    /// `None` if this is no first page of a database.
    fn read(page: &[u8]) -> Option<Self> {
        if !page.starts_with(b"SQLite format 3\0") || page.len() < 100 {
            return None;
        }
        let page_bytes = match u16::from_be_bytes([page[16], page[17]]) {
            1 => 65_536,
            bytes => bytes.into(),
        };
        Some(Self {
            page_bytes,
            has_log: page[19] == 2,
            free_pages: big(page, 36),
            schema_cookie: big(page, 40),
            user_version: big(page, 60),
        })
    }
}

/// What a log has committed.
#[derive(Debug, Default)]
struct Committed {
    pages: HashSet<u32>,
    /// Size of the database afterwards.
    pages_after: u32,
    first: Option<Header>,
    last: Option<Header>,
}

fn find(path: &Path, log: &Path) -> io::Result<Option<&'static str>> {
    let log = match File::open(log) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut database = match File::open(path) {
        Ok(database) => database,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = database.seek(SeekFrom::End(0))?;
    database.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    database.take(100).read_to_end(&mut start)?;
    // An empty file is made into a database, and anything else is refused, by SQLite itself.
    let Some(header) = Header::read(&start) else { return Ok(None) };
    let committed = read_log(BufReader::with_capacity(1 << 20, log), header.page_bytes)?;
    Ok(committed.and_then(|committed| compare(header, size, &committed)))
}

/// Why what a log has committed does not continue this database.
fn compare(header: Header, size: u64, committed: &Committed) -> Option<&'static str> {
    if !header.has_log {
        return Some("the file was written without a log");
    }
    if let Some(first) = committed.first
        // The first commit in a log may be a migration, which changes both.
        && (header.schema_cookie > first.schema_cookie
            || header.user_version == first.user_version
                && header.schema_cookie != first.schema_cookie)
    {
        return Some("the file is a copy");
    }
    let in_file = size / u64::from(header.page_bytes);
    let unused = PENDING_BYTE / u64::from(header.page_bytes) + 1;
    let missing = (in_file + 1..=u64::from(committed.pages_after))
        .filter(|page| *page != unused)
        .filter(|page| u32::try_from(*page).is_ok_and(|page| !committed.pages.contains(&page)))
        .count();
    // A page that was added and given up again at once is written nowhere.
    let free = committed.last.unwrap_or(header).free_pages;
    (missing > free as usize).then_some("the log continues a longer file")
}

/// Reads a log as SQLite's recovery does: up to the first frame that is not whole. `None` if
/// nothing is committed in it.
fn read_log(mut log: impl Read, page_bytes: u32) -> io::Result<Option<Committed>> {
    let mut header = [0; LOG_HEADER_BYTES];
    if !read_whole(&mut log, &mut header)? {
        return Ok(None);
    }
    let magic = big(&header, 0);
    let is_big = magic & 1 == 1;
    let mut sum = Checksum { is_big, sums: (0, 0) };
    sum.add(&header[..24]);
    if magic & !1 != LOG_MAGIC || big(&header, 8) != page_bytes || !sum.is(&header[24..]) {
        return Ok(None);
    }
    let mut found = Committed::default();
    let mut pending: Vec<(u32, Option<Header>)> = Vec::new();
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes as usize];
    while read_whole(&mut log, &mut frame)? {
        let (head, page) = frame.split_at(FRAME_HEADER_BYTES);
        sum.add(&head[..8]);
        sum.add(page);
        if head[8..16] != header[16..24] || !sum.is(&head[16..]) {
            break;
        }
        let number = big(head, 0);
        pending.push((number, (number == 1).then(|| Header::read(page)).flatten()));
        let pages_after = big(head, 4);
        if pages_after != 0 {
            found.pages_after = pages_after;
            for (number, first_page) in pending.drain(..) {
                found.pages.insert(number);
                found.first = found.first.or(first_page);
                found.last = first_page.or(found.last);
            }
        }
    }
    Ok((found.pages_after != 0).then_some(found))
}

/// Whether there was enough to fill the buffer.
fn read_whole(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn big(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("it is four bytes"))
}

/// The running checksum over a log's header and frames (4.2), over pairs of numbers in the byte
/// order that the log's magic number names.
struct Checksum {
    is_big: bool,
    sums: (u32, u32),
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let number = |bytes: &[u8]| {
            let bytes = bytes.try_into().expect("it is four bytes");
            if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let (mut first, mut second) = self.sums;
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(number(&pair[..4])).wrapping_add(second);
            second = second.wrapping_add(number(&pair[4..])).wrapping_add(first);
        }
        self.sums = (first, second);
    }

    /// Whether these eight bytes are the sums.
    fn is(&self, bytes: &[u8]) -> bool {
        (big(bytes, 0), big(bytes, 4)) == self.sums
    }
}

#[cfg(test)]
mod tests;
