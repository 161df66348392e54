//! Ids, handed out from memory. A block of them is reserved in the database at a time, in a
//! transaction of its own; what a stopped process had left of a block is never used.

use std::ops::Range;

use tokio::sync::Mutex;

use crate::store::{Error, Store};

/// What the ids are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdName {
    /// `accounts.id`.
    Accounts,
    /// `auth_tokens.id`, which sessions are named by too.
    AuthTokens,
    /// `api_keys.id`.
    ApiKeys,
}

impl IdName {
    /// As the database spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::AuthTokens => "auth_tokens",
            Self::ApiKeys => "api_keys",
        }
    }
}

/// Ids reserved at a time: one extra commit in a hundred, and at most so many lost by a stop.
const BLOCK_SIZE: u32 = 100;

/// The ids of one name.
#[derive(Debug)]
pub(crate) struct Ids {
    name: IdName,
    block: Mutex<Range<i64>>,
}

impl Ids {
    pub(crate) fn new(name: IdName) -> Self {
        Self { name, block: Mutex::new(0..0) }
    }

    /// An id that nobody had before. Others wait while a block is reserved.
    pub(crate) async fn next(&self, store: &dyn Store) -> Result<i64, Error> {
        let mut block = self.block.lock().await;
        if let Some(id) = block.next() {
            return Ok(id);
        }
        let first = store.reserve_ids(self.name, BLOCK_SIZE).await?;
        *block = first + 1..first + i64::from(BLOCK_SIZE);
        Ok(first)
    }
}
