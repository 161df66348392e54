//! Closing an account. Its wallets are closed first, by the money service and only if they are
//! empty; once that is done the account is closed, whatever happens in between. Each attempt is
//! recorded before the money service is asked, and a closing whose outcome was not recorded is
//! settled by another attempt, in whatever instance looks first. No HTTP and no SQL here.

use std::{sync::Arc, time::Duration};

use service::{
    contract::{
        account_feed::Standing,
        closing::{ClosesWallets, Closing, ClosingAnswer, ClosingFailure, Holding},
    },
    http::problem::chain,
    shutdown::{self, Trigger},
};
use tokio::task::JoinHandle;

use crate::{
    AccountService, Error,
    accounts::refused,
    store::{self, Account, BegunClosing, ChangeRefusal, OpenClosing},
    unbroken,
};

/// Attempts at once for one request: money that comes and goes may make several necessary.
const ATTEMPTS_MAX: u32 = 3;
/// How often it is looked for closings that are not settled.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long the newest attempt is left to the request that began it: longer than the money service
/// has to answer it.
const RESUME_AFTER: Duration = Duration::from_secs(8);
/// Closings looked at together.
const OPEN_MAX: u32 = 100;

/// Settles closings until it is stopped.
#[derive(Debug)]
pub struct Closings {
    stop: Trigger,
    task: JoinHandle<()>,
}

impl Closings {
    /// Stops at once. What is not settled is settled after the next start.
    pub async fn stop(self) {
        self.stop.shut_down();
        if self.task.await.is_err() {
            tracing::error!("the settling of closings ended in a panic");
        }
    }
}

/// Why an attempt did not close the account.
enum Unclosed {
    /// The wallets hold this, and the closing has ended. Nothing if they did only for a moment.
    Refused(Vec<Holding>),
    /// The money service did nothing.
    NotDone(ClosingFailure),
    /// The wallets may be closed.
    Unknown(ClosingFailure),
    /// The wallets are closed and the account is not, or is not known to be.
    Unsettled(store::Error),
    /// It was not recorded that the attempt was refused.
    NotEnded(store::Error),
    /// The installation of the accounts is not known. Nothing was asked.
    NotAsked(Error),
}

impl AccountService {
    /// Closes accounts by way of this money service from now on, and settles those whose closing
    /// was begun and not settled. Before, no account is closed.
    pub fn close_through(&self, wallets: Arc<dyn ClosesWallets>) -> Closings {
        let is_first = self.0.wallets.set(wallets).is_ok();
        assert!(is_first, "an account service has one money service");
        let (stop, mut stopping) = shutdown::channel();
        let service = self.clone();
        let task = tokio::spawn(async move {
            let work = async {
                loop {
                    if let Err(error) = service.settle_closings().await {
                        tracing::warn!(error = %chain(&error), "closings are not settled now");
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            tokio::select! {
                () = work => {}
                () = stopping.wait() => {}
            }
        });
        Closings { stop, task }
    }

    /// Closes an account for its owner, for good, if its wallets are empty: otherwise it is
    /// [`Error::BalancesRemain`], and nothing changes. Its history stays, and its email stays
    /// taken. After [`Error::ClosingUnknown`] it is settled within moments, one way or the other.
    pub async fn close_account(&self, id: i64) -> Result<Account, Error> {
        let service = self.clone();
        unbroken(async move {
            let closed = service.try_close(id).await;
            service.0.metrics.count_closing(&closed);
            closed
        })
        .await
    }

    async fn try_close(&self, id: i64) -> Result<Account, Error> {
        for _ in 0..ATTEMPTS_MAX {
            let begun = self.0.store.begin_closing(id, self.0.clock.now()).await?;
            let BegunClosing { attempt, is_first } = begun.map_err(refused)?;
            match self.attempt(id, attempt).await {
                Ok(account) => return Ok(account),
                Err(Unclosed::Refused(holding)) if holding.is_empty() => {}
                Err(Unclosed::Refused(holding)) => return Err(Error::BalancesRemain(holding)),
                // An attempt of before may still close the wallets.
                Err(Unclosed::NotDone(failure)) if is_first => {
                    self.0.store.end_closing(id, attempt).await?;
                    return Err(Error::ClosingNotDone(failure));
                }
                Err(Unclosed::NotDone(failure) | Unclosed::Unknown(failure)) => {
                    return Err(Error::ClosingUnknown(failure.into()));
                }
                Err(Unclosed::Unsettled(error) | Unclosed::NotEnded(error)) => {
                    return Err(Error::ClosingUnknown(error.into()));
                }
                Err(Unclosed::NotAsked(error)) => return Err(error),
            }
        }
        let restless = "money reached and left the wallets between the attempts";
        Err(Error::ClosingNotDone(ClosingFailure::NotDone(restless.into())))
    }

    /// Asks the money service, and settles what follows from its answer.
    async fn attempt(&self, account_id: i64, attempt: i64) -> Result<Account, Unclosed> {
        let inner = &self.0;
        let installation = self.installation().await.map_err(Unclosed::NotAsked)?;
        let Some(wallets) = inner.wallets.get() else {
            let early = ClosingFailure::NotDone("the money service is not known yet".into());
            return Err(Unclosed::NotDone(early));
        };
        match wallets.close(Closing { account_id, attempt, installation }).await {
            Ok(ClosingAnswer::Closed) => self.settle(account_id).await.map_err(Unclosed::Unsettled),
            Ok(ClosingAnswer::Refused { holding }) => {
                let ended = inner.store.end_closing(account_id, attempt).await;
                ended.map_err(Unclosed::NotEnded)?;
                Err(Unclosed::Refused(holding))
            }
            Err(failure @ ClosingFailure::NotDone(_)) => Err(Unclosed::NotDone(failure)),
            Err(failure @ ClosingFailure::OutcomeUnknown(_)) => Err(Unclosed::Unknown(failure)),
        }
    }

    /// Closes an account whose wallets are closed. Another attempt may have done it.
    async fn settle(&self, id: i64) -> Result<Account, store::Error> {
        match self.0.store.close_account(id, self.0.clock.now()).await? {
            Ok(changed) => Ok(self.announce(changed)),
            Err(
                ChangeRefusal::NotActive
                | ChangeRefusal::Unknown
                | ChangeRefusal::EmailTaken
                | ChangeRefusal::EmailDiffers
                | ChangeRefusal::PasswordDiffers,
            ) => {
                let account = self.0.store.account(id).await?;
                account
                    .filter(|account| account.standing == Standing::Closed)
                    .ok_or_else(|| store::Error::Failed("the account is gone".into()))
            }
        }
    }

    /// Settles the closings whose requests have ended without settling them.
    async fn settle_closings(&self) -> Result<(), store::Error> {
        let inner = &self.0;
        let open = inner.store.open_closings(OPEN_MAX).await?;
        let now = inner.clock.now();
        let oldest = open.iter().map(|closing| now.since(closing.started_at)).max();
        inner.metrics.show_open_closings(open.len(), oldest.unwrap_or_default());
        for OpenClosing { account_id, attempt, attempted_at, .. } in open {
            if now.since(attempted_at) < RESUME_AFTER {
                continue;
            }
            let resumed = inner.store.resume_closing(account_id, attempt, now).await?;
            // Another instance may have been first.
            let Some(attempt) = resumed else { continue };
            let outcome = match self.attempt(account_id, attempt).await {
                Ok(_) => "closed",
                Err(Unclosed::Refused(_)) => "refused",
                Err(Unclosed::NotDone(failure) | Unclosed::Unknown(failure)) => {
                    let error = chain(&failure);
                    tracing::warn!(account.id = account_id, error, "a closing stays open");
                    continue;
                }
                Err(Unclosed::Unsettled(error) | Unclosed::NotEnded(error)) => return Err(error),
                Err(Unclosed::NotAsked(error)) => {
                    tracing::warn!(error = %chain(&error), "closings are not settled now");
                    return Ok(());
                }
            };
            inner.metrics.count_settled_closing(outcome);
            tracing::info!(account.id = account_id, outcome, "a closing was settled afterwards");
        }
        Ok(())
    }
}
