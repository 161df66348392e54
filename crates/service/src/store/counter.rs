//! Counters of ids in the table `id_blocks`. What a counter gives next must be above all that was
//! given, or ids would be given twice. A counter that was edited, or restored without its rows, is
//! noticed at the start.

/// A counter, and where the ids go that it gives.
#[derive(Debug, Clone, Copy)]
pub struct Counter {
    /// Its row in `id_blocks`.
    pub name: &'static str,
    /// The table whose rows have its ids.
    pub table: &'static str,
    /// The primary key of that table.
    pub column: &'static str,
}

/// A counter that contradicts the rows.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// It would give ids again.
    #[error(
        "the counter `{}` in id_blocks gives {next_value} next, but the newest row of {} has \
         {} {newest}: ids would be given twice. Restore a backup whose rows and counters belong \
         together, or set the counter above {newest}",
        .counter.name, .counter.table, .counter.column
    )]
    Behind {
        /// Which.
        counter: Counter,
        /// What it gives next.
        next_value: i64,
        /// The newest id that was given.
        newest: i64,
    },
    /// It is not there.
    #[error("the counter `{}` is missing in id_blocks", .0.name)]
    Missing(Counter),
}

impl Counter {
    /// Reads the newest id that was given. A lookup in the primary key, whatever the table's size.
    pub(super) fn newest_sql(self) -> String {
        format!("SELECT MAX({}) FROM {}", self.column, self.table)
    }

    /// Reads what is given next.
    pub(super) fn next_sql(self) -> String {
        format!("SELECT next_value FROM id_blocks WHERE name = '{}'", self.name)
    }

    /// Compares. The newest id must have been read first: other instances may be giving ids.
    pub(super) fn check(
        self,
        newest: Option<i64>,
        next_value: Option<i64>,
    ) -> Result<(), CounterError> {
        let next_value = next_value.ok_or(CounterError::Missing(self))?;
        match newest {
            Some(newest) if newest >= next_value => {
                Err(CounterError::Behind { counter: self, next_value, newest })
            }
            _ => Ok(()),
        }
    }
}
