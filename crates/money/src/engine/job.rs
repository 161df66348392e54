//! What is asked of a lane, and what it answers.

use ledger::{
    AccountId, Closing, ClosingDecision, Command, Currency, Movement, OpeningRejection, Rejection,
    Transfer, Wallet,
};
use service::contract::account_feed::AccountChange;
use tokio::sync::oneshot;

use crate::metrics::{EngineMetrics, type_of};

/// What became of a command to move money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was decided and recorded: now, or before.
    Decided {
        /// The decision, completed or failed.
        transfer: Box<Transfer>,
        /// Whether it was decided before, under the same key.
        replayed: bool,
    },
    /// It was refused, and nothing was recorded.
    Refused(Rejection),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The queue is full. Nothing was done.
    #[error("the money engine's queue is full")]
    Overloaded,
    /// The service is stopping. Nothing was done.
    #[error("the money engine is stopping")]
    ShuttingDown,
    /// The database did not take it. Nothing was done.
    #[error("the money database is unavailable")]
    Unavailable,
    /// It may have been done or not: asking again with the same key tells.
    #[error("the outcome is unknown")]
    OutcomeUnknown,
}

type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// One job, with where its answer goes.
#[derive(Debug)]
pub(super) enum Job {
    Move {
        command: Command,
        reply: Reply<Answer>,
    },
    Open {
        account_id: AccountId,
        currency: Currency,
        reply: Reply<Result<Wallet, OpeningRejection>>,
    },
    Stand {
        change: AccountChange,
        reply: Reply<()>,
    },
    Close {
        closing: Closing,
        reply: Reply<ClosingDecision>,
    },
    /// Writes a row that means nothing, to show that the database takes writes.
    Probe {
        reply: Reply<()>,
    },
}

/// The answer to a job of the same kind.
#[derive(Debug)]
pub(super) enum Done {
    Moved(Answer),
    Opened(Result<Wallet, OpeningRejection>),
    Stood,
    Closed(ClosingDecision),
    Probed,
}

impl Job {
    /// Whether new wallets may come of it: a person's, or the system's on the other side.
    pub(super) fn may_open_wallets(&self) -> bool {
        match self {
            Self::Move { command, .. } => !matches!(command.movement, Movement::Transfer { .. }),
            Self::Open { .. } => true,
            Self::Stand { .. } | Self::Close { .. } | Self::Probe { .. } => false,
        }
    }

    /// Answers the job. Whoever asked may have gone; what was committed stays committed.
    pub(super) fn answer(self, result: Result<Done, EngineError>, metrics: &EngineMetrics) {
        match self {
            Self::Move { command, reply } => {
                let pick = |done| match done {
                    Done::Moved(answer) => Some(answer),
                    Done::Opened(_) | Done::Stood | Done::Closed(_) | Done::Probed => None,
                };
                let result = picked(result, pick);
                metrics.count_outcome(type_of(&command), &result);
                let _gone = reply.send(result);
            }
            Self::Open { reply, .. } => send(reply, result, |done| match done {
                Done::Opened(opened) => Some(opened),
                Done::Moved(_) | Done::Stood | Done::Closed(_) | Done::Probed => None,
            }),
            Self::Stand { reply, .. } => send(reply, result, |done| match done {
                Done::Stood => Some(()),
                Done::Moved(_) | Done::Opened(_) | Done::Closed(_) | Done::Probed => None,
            }),
            Self::Close { reply, .. } => send(reply, result, |done| match done {
                Done::Closed(decision) => Some(decision),
                Done::Moved(_) | Done::Opened(_) | Done::Stood | Done::Probed => None,
            }),
            Self::Probe { reply } => send(reply, result, |done| match done {
                Done::Probed => Some(()),
                Done::Moved(_) | Done::Opened(_) | Done::Stood | Done::Closed(_) => None,
            }),
        }
    }
}

fn send<T>(
    reply: Reply<T>,
    result: Result<Done, EngineError>,
    pick: impl FnOnce(Done) -> Option<T>,
) {
    let _gone = reply.send(picked(result, pick));
}

fn picked<T>(
    result: Result<Done, EngineError>,
    pick: impl FnOnce(Done) -> Option<T>,
) -> Result<T, EngineError> {
    result.map(|done| pick(done).expect("an answer is of its job's kind"))
}
