//! Statements with many rows, written out with their values, because a batch has another number of
//! rows each time and would have to be prepared each time. Nothing that a client chose can end a
//! literal: numbers are written as numbers, and everything else as hexadecimal digits.

use std::fmt::Write;

/// Longest statement, whatever the server takes: longer ones gain nothing.
const BYTES_MAX: usize = 768 * 1024;

/// Entries of one list in `IN`. MariaDB turns lists of a thousand values into a join, which would
/// take the rows' locks in another order.
pub(super) const LIST_MAX: usize = 400;

/// A statement for any number of rows: `head`, rows in parentheses, `tail`. It is split where the
/// next row would make it longer than the server takes.
#[derive(Debug)]
pub(super) struct Rows {
    head: &'static str,
    tail: &'static str,
    bytes_max: usize,
    done: Vec<String>,
    current: String,
}

impl Rows {
    /// Statements of at most `bytes_max` bytes, which is more than the longest row needs.
    pub(super) fn new(head: &'static str, tail: &'static str, bytes_max: usize) -> Self {
        let bytes_max = bytes_max.min(BYTES_MAX);
        Self { head, tail, bytes_max, done: Vec::new(), current: String::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, values: impl FnOnce(&mut Values<'_>)) {
        let before = self.current.len();
        self.current.push_str(if before == 0 { self.head } else { "," });
        self.current.push_str(" (");
        values(&mut Values { sql: &mut self.current, is_first: true });
        self.current.push(')');
        if before > 0 && self.current.len() + 1 + self.tail.len() > self.bytes_max {
            let row = self.current.split_off(before + ",".len());
            self.current.truncate(before);
            self.end();
            self.current.push_str(self.head);
            self.current.push_str(&row);
        }
    }

    /// The statements; none without rows.
    pub(super) fn statements(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.end();
        }
        self.done
    }

    fn end(&mut self) {
        let mut statement = std::mem::take(&mut self.current);
        statement.push(' ');
        statement.push_str(self.tail);
        self.done.push(statement);
    }
}

/// The values of one row, in the order of the columns.
pub(super) struct Values<'a> {
    sql: &'a mut String,
    is_first: bool,
}

impl Values<'_> {
    /// A number.
    pub(super) fn int(&mut self, value: i64) -> &mut Self {
        self.put(format_args!("{value}"))
    }

    /// A number, or NULL.
    pub(super) fn optional_int(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.int(value),
            None => self.null(),
        }
    }

    /// Bytes, and text that is compared byte by byte.
    pub(super) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.put(format_args!("X'{}'", Hex(value)))
    }

    /// Text of ours, or NULL.
    pub(super) fn optional_word(&mut self, value: Option<&'static str>) -> &mut Self {
        match value {
            Some(value) => self.bytes(value.as_bytes()),
            None => self.null(),
        }
    }

    /// Text for people, or NULL.
    pub(super) fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.put(format_args!("_utf8mb4 X'{}'", Hex(value.as_bytes()))),
            None => self.null(),
        }
    }

    fn null(&mut self) -> &mut Self {
        self.put(format_args!("NULL"))
    }

    fn put(&mut self, value: std::fmt::Arguments<'_>) -> &mut Self {
        if !self.is_first {
            self.sql.push(',');
        }
        self.is_first = false;
        self.sql.write_fmt(value).expect("a string takes everything");
        self
    }
}

/// Lists of entries for `IN`, each of at most [`LIST_MAX`] entries and `bytes_max` bytes.
pub(super) fn lists(entries: impl IntoIterator<Item = String>, bytes_max: usize) -> Vec<String> {
    let mut lists: Vec<(String, usize)> = Vec::new();
    for entry in entries {
        match lists.last_mut() {
            Some((list, count))
                if *count < LIST_MAX && list.len() + 1 + entry.len() <= bytes_max =>
            {
                list.push(',');
                list.push_str(&entry);
                *count += 1;
            }
            _ => lists.push((entry, 1)),
        }
    }
    lists.into_iter().map(|(list, _)| list).collect()
}

/// Numbers for `IN`.
pub(super) fn list(ids: impl IntoIterator<Item = i64>) -> String {
    let mut list = String::new();
    for id in ids {
        if !list.is_empty() {
            list.push(',');
        }
        write!(list, "{id}").expect("a string takes everything");
    }
    list
}

/// Bytes as hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut buffer = [0; 128];
        for chunk in self.0.chunks(buffer.len() / 2) {
            for (digits, byte) in buffer.chunks_exact_mut(2).zip(chunk) {
                digits[0] = DIGITS[usize::from(byte >> 4)];
                digits[1] = DIGITS[usize::from(byte & 15)];
            }
            let digits = str::from_utf8(&buffer[..2 * chunk.len()]).expect("digits are ASCII");
            f.write_str(digits)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_literals_that_nothing_can_leave() {
        let mut rows =
            Rows::new("INSERT INTO t (a, b) VALUES", "ON DUPLICATE KEY UPDATE a = a", 1_000);
        rows.row(|row| {
            row.int(-7).optional_int(None).bytes(b"'); --").optional_text(Some("김'"));
        });
        rows.row(|row| {
            row.optional_int(Some(1)).optional_word(None).optional_word(Some("x"));
        });
        assert_eq!(
            rows.statements(),
            ["INSERT INTO t (a, b) VALUES (-7,NULL,X'27293b202d2d',_utf8mb4 X'eab98027'), \
              (1,NULL,X'78') ON DUPLICATE KEY UPDATE a = a"]
        );
        assert_eq!(list([3, 1, 2]), "3,1,2");
    }

    #[test]
    fn long_statements_are_split_and_no_row_is_lost() {
        for (row_bytes, bytes_max, expected) in
            [(100_000, usize::MAX, 4), (100_000, 700_000, 4), (3_000, 15 * 1024, 5), (9, 1_000, 1)]
        {
            let mut rows = Rows::new("HEAD", "TAIL", bytes_max);
            for _ in 0..10 {
                rows.row(|row| {
                    row.bytes(&vec![0xAB; row_bytes]).int(1);
                });
            }
            let statements = rows.statements();
            assert_eq!(statements.len(), expected, "{row_bytes} {bytes_max}");
            assert_eq!(statements.iter().map(|s| s.matches('(').count()).sum::<usize>(), 10);
            for statement in statements {
                assert!(statement.len() <= bytes_max.min(BYTES_MAX));
                assert!(statement.starts_with("HEAD (X'ab") && statement.ends_with("',1) TAIL"));
                assert!(!statement.contains(",,") && !statement.contains(", TAIL"));
            }
        }
        assert_eq!(Rows::new("V", "", 1_000).statements(), Vec::<String>::new());
    }

    #[test]
    fn lists_are_split_by_entries_and_by_bytes() {
        let split = |count: usize, bytes_max| {
            let lists = lists((0..count).map(|n| format!("{:03}", n % 1000)), bytes_max);
            lists.iter().map(|list| list.split(',').count()).collect::<Vec<_>>()
        };
        assert_eq!(split(0, 100), [0; 0]);
        assert_eq!(split(401, usize::MAX), [400, 1]);
        assert_eq!(split(10, 15), [4, 4, 2]);
        assert_eq!(split(2, 1), [1, 1]);
    }
}
