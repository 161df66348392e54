//! The feed of changes in standing, for readers who wait.

use std::time::Duration;

use service::{
    BoxFuture,
    contract::account_feed::{AccountFeed, FeedAnswer, FeedUnavailable},
};

use crate::AccountService;

/// Most changes in one answer.
const LIMIT_MAX: u32 = 1000;
/// Longest wait for a change.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// How often a waiting reader looks although this process appended nothing: an operator's command
/// is another process, and appends too.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl AccountFeed for AccountService {
    fn changes_after(
        &self,
        sequence: i64,
        limit: u32,
        wait: Duration,
    ) -> BoxFuture<'_, Result<FeedAnswer, FeedUnavailable>> {
        Box::pin(async move {
            let limit = limit.clamp(1, LIMIT_MAX);
            let installation = self.installation().await;
            let installation = installation.map_err(|error| FeedUnavailable(error.into()))?;
            let answer = |changes| Ok(FeedAnswer { installation: Some(installation), changes });
            let read = async || {
                let changes = self.0.store.changes_after(sequence, limit).await;
                changes.map_err(|error| FeedUnavailable(error.into()))
            };
            // Subscribed before the first look, so that no change falls between look and wait.
            let mut grew = self.0.feed_grew.subscribe();
            let changes = read().await?;
            if !changes.is_empty() {
                return answer(changes);
            }
            let until_there_are_some = async {
                loop {
                    // Whether it grew or it is time to look again, the answer is to look.
                    let _either = tokio::time::timeout(LOOK_AGAIN, grew.changed()).await;
                    let changes = read().await?;
                    if !changes.is_empty() {
                        return Ok(changes);
                    }
                }
            };
            let waited = tokio::time::timeout(wait.min(WAIT_MAX), until_there_are_some).await;
            answer(waited.unwrap_or(Ok(Vec::new()))?)
        })
    }
}
