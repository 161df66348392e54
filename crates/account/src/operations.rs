//! What operators do with accounts, each time with a reason that is recorded. No HTTP and no SQL
//! here.

use service::{
    clock::{Clock, Timestamp},
    contract::account_feed::Standing,
    operator::Operator,
};

use crate::{
    AccountService, Error,
    store::{self, Operated, Store},
    unbroken,
};

/// What an operator can do with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ends every token, refuses logins, and lets no money move.
    Suspend,
    /// Lifts a suspension. Tokens stay ended: the owner logs in again.
    Enable,
    /// Ends every token. The owner can log in again.
    RevokeSessions,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Suspend, Self::Enable, Self::RevokeSessions];

    /// Its name in requests, answers and databases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Enable => "enable",
            Self::RevokeSessions => "revoke_sessions",
        }
    }

    /// The action of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// An operation that is asked for.
#[derive(Debug, Clone)]
pub struct NewOperation {
    /// On which account.
    pub account_id: i64,
    /// What to do.
    pub action: Action,
    /// Why: text for people of 1 to 500 characters.
    pub reason: String,
    /// Who asks.
    pub operator: Operator,
}

/// An operation that was carried out, as it is kept for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// On which account.
    pub account_id: i64,
    /// Its place among the account's operations, from 1, without gaps.
    pub sequence: i64,
    /// What was done.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub operator: Operator,
    /// When.
    pub created_at: Timestamp,
}

/// A part of an account's operations, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationPage {
    /// The operations.
    pub items: Vec<Operation>,
    /// The sequence that the next page starts after, if there is more.
    pub next: Option<i64>,
}

/// Why an operation was not carried out. Nothing was changed or recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OperationRefusal {
    /// There is no such account.
    #[error("there is no such account")]
    Unknown,
    /// The account is closed, which is for good.
    #[error("the account was closed, which is for good")]
    Closed,
    /// The account is suspended already.
    #[error("the account is suspended already")]
    AlreadySuspended,
    /// The account is not suspended.
    #[error("the account is not suspended")]
    NotSuspended,
    /// The account has no session that could end.
    #[error("the account has no live session")]
    NoSessions,
}

/// What an operation is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    /// The account's standing.
    pub(crate) standing: Standing,
    /// Whether it has sessions that could end.
    pub(crate) has_sessions: bool,
    /// The last operation of the account that suspended or enabled it.
    pub(crate) newest: Option<Action>,
}

/// The standing that the action leads to, or why it is refused. An account that its owner has
/// suspended can be suspended by an operator, too: the record says then that it is not for the
/// owner to decide when it is enabled.
pub(crate) fn judge(action: Action, before: Before) -> Result<Standing, OperationRefusal> {
    let Before { standing, has_sessions, newest } = before;
    match (standing, action) {
        (Standing::Closed, _) => Err(OperationRefusal::Closed),
        (Standing::Suspended, Action::Suspend) if newest == Some(Action::Suspend) => {
            Err(OperationRefusal::AlreadySuspended)
        }
        (Standing::Active, Action::Enable) => Err(OperationRefusal::NotSuspended),
        (Standing::Active | Standing::Suspended, Action::Suspend) => Ok(Standing::Suspended),
        (Standing::Suspended, Action::Enable) => Ok(Standing::Active),
        (_, Action::RevokeSessions) if has_sessions => Ok(standing),
        (_, Action::RevokeSessions) => Err(OperationRefusal::NoSessions),
    }
}

impl AccountService {
    /// Carries out an operation.
    pub async fn operate(&self, new: NewOperation) -> Result<Operation, Error> {
        let service = self.clone();
        unbroken(async move {
            let now = service.0.clock.now();
            let operated = service.0.store.operate(new, now).await?;
            let Operated { operation, ended } = operated.map_err(Error::OperationRefused)?;
            service.revoke(&ended);
            service.0.feed_grew.send_replace(());
            tracing::info!(
                account.id = operation.account_id,
                action = operation.action.as_str(),
                operator = %operation.operator,
                "an operator changed an account"
            );
            Ok(operation)
        })
        .await
    }

    /// An account's operations before the sequence `before`, newest first, at most `limit`.
    pub async fn operations(
        &self,
        account_id: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Result<OperationPage, Error> {
        let page = operations(self.0.store.as_ref(), account_id, before, limit).await?;
        page.ok_or(Error::OperationRefused(OperationRefusal::Unknown))
    }
}

/// Carries out an operation beside the service, which notices by itself.
pub async fn operate(
    store: &dyn Store,
    new: NewOperation,
    clock: &Clock,
) -> Result<Result<Operation, OperationRefusal>, store::Error> {
    let operated = store.operate(new, clock.now()).await?;
    Ok(operated.map(|Operated { operation, .. }| operation))
}

/// The same page, also beside the service. None if there is no such account.
pub async fn operations(
    store: &dyn Store,
    account_id: i64,
    before: Option<i64>,
    limit: u32,
) -> Result<Option<OperationPage>, store::Error> {
    if store.account(account_id).await?.is_none() {
        return Ok(None);
    }
    let limit_length = usize::try_from(limit).expect("a page is small");
    // One more than the page tells whether there is another page.
    let mut items = store.operations(account_id, before, limit + 1).await?;
    let has_more = items.len() > limit_length;
    items.truncate(limit_length);
    let next = items.last().filter(|_| has_more).map(|last| last.sequence);
    Ok(Some(OperationPage { items, next }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_judged_by_the_standing() {
        use Action::{Enable, RevokeSessions, Suspend};
        use OperationRefusal as R;
        use Standing::{Active, Closed, Suspended};
        for (action, standing, has_sessions, newest, expected) in [
            (Suspend, Active, false, None, Ok(Suspended)),
            (Suspend, Active, true, Some(Enable), Ok(Suspended)),
            (Suspend, Suspended, false, Some(Suspend), Err(R::AlreadySuspended)),
            // By its owner.
            (Suspend, Suspended, false, None, Ok(Suspended)),
            (Suspend, Suspended, false, Some(Enable), Ok(Suspended)),
            (Suspend, Closed, false, None, Err(R::Closed)),
            (Enable, Active, true, None, Err(R::NotSuspended)),
            (Enable, Suspended, false, Some(Suspend), Ok(Active)),
            (Enable, Suspended, false, None, Ok(Active)),
            (Enable, Closed, false, Some(Suspend), Err(R::Closed)),
            (RevokeSessions, Active, true, None, Ok(Active)),
            (RevokeSessions, Active, false, None, Err(R::NoSessions)),
            (RevokeSessions, Suspended, false, Some(Suspend), Err(R::NoSessions)),
            (RevokeSessions, Closed, false, None, Err(R::Closed)),
        ] {
            let judged = judge(action, Before { standing, has_sessions, newest });
            assert_eq!(judged, expected, "{action:?} {standing:?} {newest:?}");
        }
    }

    #[test]
    fn actions_are_read_back_by_their_names() {
        for action in Action::ALL {
            assert_eq!(Action::from_name(action.as_str()), Some(action));
        }
        assert_eq!(Action::from_name("close"), None);
    }
}
