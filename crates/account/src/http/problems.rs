//! The catalogue of this service's problems: what clients can rely on, and which call answers what.

use std::time::Duration;

use service::{
    contract::{closing::Holding, scope::Scope},
    http::problem::{
        ACCOUNT_NOT_FOUND, ANY_CALL, Balance, INVALID_TOKEN, Kind, Problem, WITH_BODY, WITH_TOKEN,
        chain, kind,
    },
};

use crate::{
    Error, api_keys::KeyRefusal, operations::OperationRefusal, password::HashError, store,
};

/// The email belongs to an account already, perhaps a closed one.
pub(super) const EMAIL_TAKEN: Kind = kind(409, "email_taken", "The email belongs to an account");
/// No account has this email and this password.
pub(super) const INVALID_CREDENTIALS: Kind =
    kind(401, "invalid_credentials", "The email or the password is wrong");
/// The account is suspended or closed.
pub(super) const ACCOUNT_DISABLED: Kind =
    kind(403, "account_disabled", "The account is suspended or closed");
/// The account's wallets hold money.
pub(super) const BALANCES_REMAIN: Kind =
    kind(409, "balances_remain", "The account's wallets hold money");
/// The current password, which confirms the change, is wrong. The access token is right.
pub(super) const INVALID_CURRENT_PASSWORD: Kind =
    kind(403, "invalid_current_password", "The current password is wrong");
/// The refresh token is unknown, expired, revoked or used before.
pub(super) const INVALID_REFRESH_TOKEN: Kind =
    kind(401, "invalid_refresh_token", "The refresh token is not valid");
/// The account cannot be suspended once more.
const ACCOUNT_ALREADY_SUSPENDED: Kind =
    kind(409, "account_already_suspended", "The account is suspended already");
/// There is no suspension to lift.
const ACCOUNT_NOT_SUSPENDED: Kind =
    kind(409, "account_not_suspended", "The account is not suspended");
/// Nothing is done with a closed account any more.
const ACCOUNT_CLOSED: Kind = kind(409, "account_closed", "The account is closed for good");
/// There is no session to end.
const NO_LIVE_SESSIONS: Kind = kind(409, "no_live_sessions", "The account has no live session");
/// There is no such API key.
pub(super) const API_KEY_NOT_FOUND: Kind =
    kind(404, "api_key_not_found", "There is no such API key");
/// A key that is revoked or expired gets no other secret.
pub(super) const API_KEY_ENDED: Kind =
    kind(409, "api_key_ended", "The API key is revoked or has expired");
/// There are as many keys as there may be.
pub(super) const TOO_MANY_API_KEYS: Kind =
    kind(409, "too_many_api_keys", "There are as many API keys as there may be");
/// A key would get the secret of a key that ends later than it does.
pub(super) const OUTLIVES_OWN_KEY: Kind =
    kind(403, "outlives_own_key", "The API key would end later than the one that asks");
/// The password was tried too often lately. Nothing was verified.
pub(super) const TOO_MANY_ATTEMPTS: Kind =
    kind(429, "too_many_attempts", "The password was tried too often");
/// The reset token is unknown, expired, void or used before.
pub(super) const INVALID_RESET_TOKEN: Kind =
    kind(401, "invalid_reset_token", "The reset token is not valid");
/// The account has got too many reset tokens lately.
pub(super) const TOO_MANY_RESETS: Kind =
    kind(429, "too_many_resets", "The account has got too many reset tokens");

/// The database did not say whether a change was made.
pub(super) const OUTCOME_UNKNOWN: Kind =
    kind(503, "outcome_unknown", "The change may have been made or not; look before asking again");

/// What an action that would change nothing is answered.
const OPERATING: &[&Kind] =
    &[&ACCOUNT_CLOSED, &ACCOUNT_ALREADY_SUSPENDED, &ACCOUNT_NOT_SUSPENDED, &NO_LIVE_SESSIONS];

service::problem_sets! {
    /// Problems of registering.
    CreateAccountProblems = ANY_CALL, WITH_BODY, &[&EMAIL_TAKEN, &OUTCOME_UNKNOWN];
    /// Problems of reading an account.
    GetAccountProblems = ANY_CALL, WITH_TOKEN;
    /// Problems of changing an account.
    UpdateAccountProblems = ANY_CALL, WITH_TOKEN, WITH_BODY,
        &[&ACCOUNT_DISABLED, &EMAIL_TAKEN, &INVALID_CURRENT_PASSWORD,
            &TOO_MANY_ATTEMPTS, &OUTCOME_UNKNOWN];
    /// Problems of changing a password.
    ChangePasswordProblems = ANY_CALL, WITH_TOKEN, WITH_BODY,
        &[&ACCOUNT_DISABLED, &INVALID_CURRENT_PASSWORD, &TOO_MANY_ATTEMPTS,
            &OUTCOME_UNKNOWN];
    /// Problems of issuing a reset token.
    IssueResetProblems = ANY_CALL, WITH_TOKEN, WITH_BODY,
        &[&ACCOUNT_NOT_FOUND, &ACCOUNT_CLOSED, &TOO_MANY_RESETS, &OUTCOME_UNKNOWN];
    /// Problems of redeeming a reset token.
    RedeemResetProblems = ANY_CALL, WITH_BODY, &[&INVALID_RESET_TOKEN, &OUTCOME_UNKNOWN];
    /// Problems of closing an account.
    CloseAccountProblems = ANY_CALL, WITH_TOKEN, WITH_BODY,
        &[&ACCOUNT_DISABLED, &INVALID_CURRENT_PASSWORD, &TOO_MANY_ATTEMPTS, &BALANCES_REMAIN,
            &OUTCOME_UNKNOWN];
    /// Problems of logging in.
    LogInProblems = ANY_CALL, WITH_BODY,
        &[&INVALID_CREDENTIALS, &ACCOUNT_DISABLED, &TOO_MANY_ATTEMPTS, &OUTCOME_UNKNOWN];
    /// Problems of refreshing tokens.
    RefreshProblems = ANY_CALL, WITH_BODY, &[&INVALID_REFRESH_TOKEN, &OUTCOME_UNKNOWN];
    /// Problems of listing sessions.
    ListSessionsProblems = ANY_CALL, WITH_TOKEN;
    /// Problems of ending sessions.
    EndSessionsProblems = ANY_CALL, WITH_TOKEN, &[&OUTCOME_UNKNOWN];
    /// Problems of an operator's action.
    OperateProblems = ANY_CALL, WITH_TOKEN, WITH_BODY, OPERATING, &[&OUTCOME_UNKNOWN];
    /// Problems of listing operators' actions.
    ListOperationsProblems = ANY_CALL, WITH_TOKEN;
    /// Problems of creating an API key.
    CreateApiKeyProblems = ANY_CALL, WITH_TOKEN, WITH_BODY,
        &[&OUTLIVES_OWN_KEY, &TOO_MANY_API_KEYS, &OUTCOME_UNKNOWN];
    /// Problems of listing API keys.
    ListApiKeysProblems = ANY_CALL, WITH_TOKEN;
    /// Problems of reading an API key.
    GetApiKeyProblems = ANY_CALL, WITH_TOKEN, &[&API_KEY_NOT_FOUND];
    /// Problems of rotating an API key.
    RotateApiKeyProblems = ANY_CALL, WITH_TOKEN, WITH_BODY,
        &[&OUTLIVES_OWN_KEY, &API_KEY_NOT_FOUND, &API_KEY_ENDED, &OUTCOME_UNKNOWN];
    /// Problems of revoking an API key.
    RevokeApiKeyProblems = ANY_CALL, WITH_TOKEN, &[&API_KEY_NOT_FOUND, &OUTCOME_UNKNOWN];
    /// Problems of a ping.
    PingProblems = ANY_CALL;
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match &error {
            Error::EmailTaken => Self::new(&EMAIL_TAKEN)
                .detail("An account with this email exists. Emails of closed accounts stay taken."),
            Error::InvalidCredentials => Self::new(&INVALID_CREDENTIALS),
            Error::AccountDisabled => Self::new(&ACCOUNT_DISABLED)
                .detail("A suspended account is enabled again by an operator; a closed one never."),
            Error::InvalidRefreshToken => Self::new(&INVALID_REFRESH_TOKEN)
                .detail("The refresh token is unknown, expired, revoked or used before: log in."),
            Error::AccountNotFound => Self::new(&ACCOUNT_NOT_FOUND),
            Error::OperationRefused(refusal) => operation_refused(*refusal),
            Error::ApiKey(refusal) => refused_key(*refusal),
            Error::BalancesRemain(holding) => Self::new(&BALANCES_REMAIN)
                .detail("Nothing was changed. Send or withdraw what `balances` names first.")
                .balances(holding.iter().map(balance).collect()),
            Error::ClosingNotDone(_) => Self::unavailable(&error)
                .detail("The wallets cannot be closed now; nothing was done."),
            Error::ClosingUnknown(_) => {
                tracing::error!(error = %chain(&error), "the outcome of a closing is unknown");
                Self::new(&OUTCOME_UNKNOWN)
                    .retry_after(Duration::from_secs(1))
                    .detail("The closing is under way, and ends by itself within moments.")
            }
            Error::TooManyAttempts { wait } => Self::new(&TOO_MANY_ATTEMPTS)
                .retry_after(whole_seconds(*wait))
                .detail("It was not verified this time. `Retry-After` says when it may be."),
            Error::InvalidCurrentPassword => Self::new(&INVALID_CURRENT_PASSWORD),
            Error::CurrentPasswordRequired => {
                Self::field("currentPassword", "required", "is required to change the email")
            }
            Error::UnfitPassword(unfit) => {
                Self::field("newPassword", unfit.code(), unfit.to_string())
            }
            Error::InvalidResetToken => Self::new(&INVALID_RESET_TOKEN).detail(
                "The reset token is unknown, expired, void or used before: ask for another.",
            ),
            Error::TooManyResets { wait } => Self::new(&TOO_MANY_RESETS)
                .retry_after(whole_seconds(*wait))
                .detail("`Retry-After` says when it may have another. The newest one is valid."),
            Error::AccountClosed => {
                Self::new(&ACCOUNT_CLOSED).detail("A closed account is closed for good.")
            }
            Error::Store(store::Error::Busy(_)) => Self::unavailable(&error)
                .retry_after(Duration::from_secs(1))
                .detail("The database cannot do it now; nothing was done."),
            Error::Hash(HashError::Busy) => {
                Self::unavailable(&error).retry_after(Duration::from_secs(1))
            }
            Error::Store(store::Error::OutcomeUnknown(_)) => {
                tracing::error!(error = %chain(&error), "the outcome of a change is unknown");
                Self::new(&OUTCOME_UNKNOWN).retry_after(Duration::from_secs(1))
            }
            Error::Store(store::Error::Failed(_))
            | Error::Hash(
                HashError::Failed(_) | HashError::Randomness(_) | HashError::BrokeOff(_),
            )
            | Error::Randomness(_)
            | Error::BrokeOff(_) => Self::internal(&error),
        }
    }
}

fn balance(holding: &Holding) -> Balance {
    let Holding { wallet_id, currency, balance } = holding.clone();
    Balance { wallet_id, currency, balance }
}

fn operation_refused(refusal: OperationRefusal) -> Problem {
    let kind = match refusal {
        OperationRefusal::Unknown => return Problem::new(&ACCOUNT_NOT_FOUND),
        OperationRefusal::Closed => &ACCOUNT_CLOSED,
        OperationRefusal::AlreadySuspended => &ACCOUNT_ALREADY_SUSPENDED,
        OperationRefusal::NotSuspended => &ACCOUNT_NOT_SUSPENDED,
        OperationRefusal::NoSessions => &NO_LIVE_SESSIONS,
    };
    Problem::new(kind).detail("Nothing was changed, and nothing is recorded.")
}

fn refused_key(refusal: KeyRefusal) -> Problem {
    match refusal {
        KeyRefusal::ManagerEnded => {
            Problem::new(&INVALID_TOKEN).detail("The API key was revoked or has expired.")
        }
        KeyRefusal::Unknown => Problem::new(&API_KEY_NOT_FOUND),
        KeyRefusal::Revoked => Problem::new(&API_KEY_ENDED).detail("The API key is revoked."),
        KeyRefusal::Expired => Problem::new(&API_KEY_ENDED).detail("The API key has expired."),
        KeyRefusal::BeyondScopes(missing) => {
            let first = missing.iter().next().unwrap_or(Scope::KeysWrite);
            let names: Vec<_> = missing.iter().map(|scope| format!("`{scope}`")).collect();
            Problem::insufficient_scope(first).detail(format!(
                "A key gives only scopes that it has itself. It lacks {}.",
                names.join(", ")
            ))
        }
        KeyRefusal::Outlives(end) => Problem::new(&OUTLIVES_OWN_KEY)
            .detail(format!("The key that asks ends at {end}, and the other one would go on.")),
        KeyRefusal::TooMany => Problem::new(&TOO_MANY_API_KEYS)
            .detail("At most 1000 can be in force. Revoke some that are not used."),
    }
}

/// Rounded up: a client that waits so long does not come too early.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash;
    use axum::response::IntoResponse as _;
    use http::header::RETRY_AFTER;
    use service::{
        clock::Timestamp,
        contract::{closing::ClosingFailure, scope::Scopes},
    };

    use super::*;
    use crate::password::UnfitPassword;

    #[test]
    fn a_wait_is_rounded_up() {
        for (wait, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (60_000, 60)] {
            let rounded = whole_seconds(Duration::from_millis(wait));
            assert_eq!(rounded, Duration::from_secs(seconds), "{wait}");
        }
    }

    #[tokio::test]
    async fn every_error_has_its_answer() {
        let broke_off = async || {
            let task = tokio::spawn(std::future::pending::<()>());
            task.abort();
            task.await.unwrap_err()
        };
        let table = [
            (Error::EmailTaken, 409, "email_taken"),
            (Error::InvalidCredentials, 401, "invalid_credentials"),
            (Error::AccountDisabled, 403, "account_disabled"),
            (Error::InvalidRefreshToken, 401, "invalid_refresh_token"),
            (Error::AccountNotFound, 404, "account_not_found"),
            (Error::OperationRefused(OperationRefusal::Unknown), 404, "account_not_found"),
            (Error::OperationRefused(OperationRefusal::Closed), 409, "account_closed"),
            (
                Error::OperationRefused(OperationRefusal::AlreadySuspended),
                409,
                "account_already_suspended",
            ),
            (Error::OperationRefused(OperationRefusal::NotSuspended), 409, "account_not_suspended"),
            (Error::OperationRefused(OperationRefusal::NoSessions), 409, "no_live_sessions"),
            (Error::ApiKey(KeyRefusal::ManagerEnded), 401, "invalid_token"),
            (Error::ApiKey(KeyRefusal::Unknown), 404, "api_key_not_found"),
            (Error::ApiKey(KeyRefusal::Revoked), 409, "api_key_ended"),
            (Error::ApiKey(KeyRefusal::Expired), 409, "api_key_ended"),
            (Error::ApiKey(KeyRefusal::BeyondScopes(Scopes::ALL)), 403, "insufficient_scope"),
            (
                Error::ApiKey(KeyRefusal::Outlives(Timestamp::from_micros(0))),
                403,
                "outlives_own_key",
            ),
            (Error::ApiKey(KeyRefusal::TooMany), 409, "too_many_api_keys"),
            (Error::InvalidCurrentPassword, 403, "invalid_current_password"),
            (Error::BalancesRemain(Vec::new()), 409, "balances_remain"),
            (Error::ClosingNotDone(ClosingFailure::NotDone("secret".into())), 503, "unavailable"),
            (Error::ClosingUnknown("secret".into()), 503, "outcome_unknown"),
            (Error::TooManyAttempts { wait: Duration::ZERO }, 429, "too_many_attempts"),
            (Error::CurrentPasswordRequired, 400, "invalid_request"),
            (Error::UnfitPassword(UnfitPassword::EqualsName), 400, "invalid_request"),
            (Error::InvalidResetToken, 401, "invalid_reset_token"),
            (Error::TooManyResets { wait: Duration::ZERO }, 429, "too_many_resets"),
            (Error::AccountClosed, 409, "account_closed"),
            (Error::Store(store::Error::Busy("secret".into())), 503, "unavailable"),
            (Error::Store(store::Error::OutcomeUnknown("secret".into())), 503, "outcome_unknown"),
            (Error::Store(store::Error::Failed("secret".into())), 500, "internal_error"),
            (Error::Hash(HashError::Busy), 503, "unavailable"),
            (Error::Hash(HashError::Failed(password_hash::Error::Internal)), 500, "internal_error"),
            (
                Error::Hash(HashError::Randomness(getrandom::Error::UNEXPECTED)),
                500,
                "internal_error",
            ),
            (Error::Hash(HashError::BrokeOff(broke_off().await)), 500, "internal_error"),
            (Error::Randomness(getrandom::Error::UNEXPECTED), 500, "internal_error"),
            (Error::BrokeOff(broke_off().await), 500, "internal_error"),
        ];
        for (error, status, code) in table {
            let problem = Problem::from(error);
            assert_eq!((problem.kind.status, problem.kind.code), (status, code));
            let document = String::from_utf8(problem.document("/", "r")).unwrap();
            assert!(!document.contains("secret"), "{document}");
            let retry_after = problem.into_response().headers().contains_key(RETRY_AFTER);
            assert_eq!(retry_after, matches!(status, 429 | 503), "{code}");
        }
    }
}
