//! The account service, as seen from another process.

use std::time::Duration;

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use tokio::sync::{broadcast, watch};

use super::{
    ACCOUNT_CHANGES, ACCOUNT_EXISTS, INTROSPECT, X_MY_PAY_INSTALLATION,
    addresses::{Addresses, Cause, InvalidAddress, Question as Ask},
    wire::{AccountAnswer, AccountQuestion, Answer, CHANGES_MAX, Changes, Question},
};
use crate::{
    BoxFuture,
    clock::Clock,
    contract::{
        account_feed::{AccountFeed, FeedAnswer, FeedUnavailable},
        identity::{Identity, Party, Signer},
        introspection::{Introspection, IntrospectionUnavailable, TokenDigest},
        revocations::{Revocations, Subscriber},
    },
    installation::Installation,
};

/// How long one address may take to say whose a token is, before the next is asked as well. Two or
/// three fit into the time that the gateway gives all of it by default.
const INTROSPECT_PATIENCE: Duration = Duration::from_millis(700);
/// Longest wait for that, whatever the gateway gives.
const INTROSPECT_LIMIT: Duration = Duration::from_secs(30);
/// Longest wait of one long poll, whatever the reader wants: an address that falls silent must be
/// given up, and the next one asked, within the two seconds in which a suspension takes effect.
const WAIT_MAX: Duration = Duration::from_millis(700);
/// How long an address may take beyond its wait, before the next is asked as well.
const FEED_PATIENCE: Duration = Duration::from_millis(400);
/// Longest wait for an answer of the feed.
const FEED_LIMIT: Duration = Duration::from_secs(10);

/// Asks the account service at several addresses.
pub struct AccountClient {
    addresses: Addresses,
    revocations: Source,
}

enum Source {
    Heard(Subscriber),
    /// None is ever told. Senders are kept, because their end would mean something else.
    Silence(broadcast::Sender<crate::contract::revocations::Revocation>, watch::Sender<bool>),
}

impl AccountClient {
    /// The account service at these addresses, each a host and a port. Without a subscriber,
    /// revocations are not heard, and tokens are remembered for a shorter time.
    pub fn new(
        addresses: &[String],
        signer: Signer,
        subscriber: Option<Subscriber>,
        clock: Clock,
    ) -> Result<Self, InvalidAddress> {
        let addresses = Addresses::new(addresses, signer, Party::Account, clock)?;
        let revocations = match subscriber {
            Some(subscriber) => Source::Heard(subscriber),
            None => Source::Silence(broadcast::channel(1).0, watch::channel(false).0),
        };
        Ok(Self { addresses, revocations })
    }

    async fn ask_introspection(&self, token: TokenDigest) -> Result<Option<Identity>, Cause> {
        let ask = Ask {
            method: Method::POST,
            path_and_query: INTROSPECT,
            body: serde_json::to_vec(&Question::about(token))?.into(),
            patience: INTROSPECT_PATIENCE,
            limit: INTROSPECT_LIMIT,
        };
        let answer = self.addresses.ask(&ask).await?;
        let answer: Answer<'_> = serde_json::from_slice(answer.body())?;
        answer.identity().ok_or_else(|| {
            "the answer contradicts itself, or says what this version does not know".into()
        })
    }

    async fn ask_account_exists(&self, account_id: i64) -> Result<bool, Cause> {
        let ask = Ask {
            method: Method::POST,
            path_and_query: ACCOUNT_EXISTS,
            body: serde_json::to_vec(&AccountQuestion::about(account_id))?.into(),
            patience: INTROSPECT_PATIENCE,
            limit: INTROSPECT_LIMIT,
        };
        let answer = self.addresses.ask(&ask).await?;
        let answer: AccountAnswer<'_> = serde_json::from_slice(answer.body())?;
        answer.exists().ok_or_else(|| "the answer says what this version does not know".into())
    }

    async fn ask_changes(
        &self,
        after: i64,
        limit: u32,
        wait: Duration,
    ) -> Result<FeedAnswer, Cause> {
        let wait = wait.min(WAIT_MAX);
        let (limit, wait_ms) = (limit.clamp(1, CHANGES_MAX), wait.as_millis());
        let path = format!("{ACCOUNT_CHANGES}?after={after}&limit={limit}&waitMs={wait_ms}");
        let ask = Ask {
            method: Method::GET,
            path_and_query: &path,
            body: Bytes::new(),
            patience: wait + FEED_PATIENCE,
            limit: FEED_LIMIT,
        };
        let response = self.addresses.ask(&ask).await?;
        let installation = installation(response.headers())?;
        let answer: Changes<'_> = serde_json::from_slice(response.body())?;
        let changes =
            answer.understood().ok_or("the changes say what this version does not know")?;
        let sequences = || changes.iter().map(|change| change.sequence);
        let ascends = std::iter::once(after).chain(sequences()).zip(sequences());
        if changes.len() > limit as usize || !ascends.into_iter().all(|(a, b)| a < b) {
            return Err("the changes are not in order".into());
        }
        Ok(FeedAnswer { installation, changes })
    }
}

/// The installation that an answer names; none is named by earlier versions.
fn installation(headers: &HeaderMap) -> Result<Option<Installation>, Cause> {
    let Some(value) = headers.get(X_MY_PAY_INSTALLATION) else { return Ok(None) };
    Ok(Some(value.to_str()?.parse()?))
}

impl Introspection for AccountClient {
    fn introspect(
        &self,
        token: TokenDigest,
    ) -> BoxFuture<'_, Result<Option<Identity>, IntrospectionUnavailable>> {
        Box::pin(
            async move { self.ask_introspection(token).await.map_err(IntrospectionUnavailable) },
        )
    }

    fn account_exists(
        &self,
        account_id: i64,
    ) -> BoxFuture<'_, Result<bool, IntrospectionUnavailable>> {
        Box::pin(async move {
            self.ask_account_exists(account_id).await.map_err(IntrospectionUnavailable)
        })
    }

    fn revocations(&self) -> Revocations {
        match &self.revocations {
            Source::Heard(subscriber) => subscriber.revocations(),
            Source::Silence(sender, listening) => {
                Revocations::remote(sender.subscribe(), listening.subscribe())
            }
        }
    }
}

impl AccountFeed for AccountClient {
    fn changes_after(
        &self,
        sequence: i64,
        limit: u32,
        wait: Duration,
    ) -> BoxFuture<'_, Result<FeedAnswer, FeedUnavailable>> {
        Box::pin(
            async move { self.ask_changes(sequence, limit, wait).await.map_err(FeedUnavailable) },
        )
    }
}
