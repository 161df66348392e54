//! The account service's ordered feed of changes in what an account may do. The money service pulls
//! it and keeps the sequence it has reached beside the effect, so nothing is lost and nothing is
//! done twice.

use std::time::Duration;

use crate::{BoxFuture, clock::Timestamp, installation::Installation};

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Everything.
    Active,
    /// Nothing, until an operator enables it again.
    Suspended,
    /// Nothing, for good.
    Closed,
}

/// One change, as committed together with its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountChange {
    /// Position in the feed: ascending, without meaning otherwise.
    pub sequence: i64,
    /// The account that changed.
    pub account_id: i64,
    /// What it may do from here on.
    pub standing: Standing,
    /// When it was committed, by the account service's clock: how far behind a reader is.
    pub created_at: Timestamp,
}

/// What a reader gets at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedAnswer {
    /// Which installation's accounts these are. `None` if the answer comes from a version of the
    /// account service that does not tell.
    pub installation: Option<Installation>,
    /// The changes, in order.
    pub changes: Vec<AccountChange>,
}

/// The feed cannot be read now; ask again.
#[derive(Debug, thiserror::Error)]
#[error("the account feed cannot be read")]
pub struct FeedUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The feed, as its readers see it.
pub trait AccountFeed: Send + Sync {
    /// Changes after `sequence`, in order, at most `limit`. If there is none it waits for one, at
    /// most `wait`, and may then answer with none. An answer with none, or with fewer than `limit`,
    /// means that the reader had caught up when it was given.
    fn changes_after(
        &self,
        sequence: i64,
        limit: u32,
        wait: Duration,
    ) -> BoxFuture<'_, Result<FeedAnswer, FeedUnavailable>>;
}
