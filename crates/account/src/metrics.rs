//! The account service's metrics, all of them. The names are in docs/metrics.md.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use service::{
    contract::identity::{Asker, Identity},
    metrics::{counted_from_zero, duration_histogram},
    store::mysql::Failure,
};

use crate::{Error, password::HashError};

/// What use cases come to; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registrations: Family<OutcomeLabels, Counter>,
    logins: Family<OutcomeLabels, Counter>,
    refreshes: Family<OutcomeLabels, Counter>,
    introspections: Family<OutcomeLabels, Counter>,
    pub(crate) revocation_looks_failed: Counter,
    pub(crate) key_use_writes_failed: Counter,
    closings: Family<OutcomeLabels, Counter>,
    closings_settled: Family<OutcomeLabels, Counter>,
    closings_open: Gauge,
    closing_age: Gauge<f64, AtomicU64>,
    password_checks: Family<OutcomeLabels, Counter>,
    password_changes: Family<OutcomeLabels, Counter>,
    password_resets: Family<OutcomeLabels, Counter>,
    password_redemptions: Family<OutcomeLabels, Counter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let family = |outcomes: &[&'static str]| {
            counted_from_zero(outcomes.iter().map(|outcome| OutcomeLabels { outcome }))
        };
        Self {
            registrations: family(&["completed", "email_taken", "busy", "failed", ABANDONED]),
            logins: family(&[
                "completed",
                "wrong_credentials",
                "too_many_attempts",
                "suspended",
                "busy",
                "failed",
                ABANDONED,
            ]),
            refreshes: family(&["completed", "repeated", "invalid", "reused", "failed"]),
            introspections: family(&["active", "active_api_key", "inactive", "failed"]),
            revocation_looks_failed: Counter::default(),
            key_use_writes_failed: Counter::default(),
            closings: family(&[
                "completed",
                "balances_remain",
                "suspended",
                "not_done",
                "unknown",
                "failed",
            ]),
            closings_settled: family(&["closed", "refused"]),
            closings_open: Gauge::default(),
            closing_age: Gauge::default(),
            password_checks: family(&[
                "completed",
                "wrong_password",
                "too_many_attempts",
                "suspended",
                "busy",
                "failed",
                ABANDONED,
            ]),
            password_changes: family(&[
                "completed",
                "unfit",
                "wrong_password",
                "too_many_attempts",
                "suspended",
                "busy",
                "failed",
                ABANDONED,
            ]),
            password_resets: family(&[
                "completed",
                "no_account",
                "closed",
                "too_many",
                "failed",
                ABANDONED,
            ]),
            password_redemptions: family(&[
                "completed",
                "invalid",
                "unfit",
                "busy",
                "failed",
                ABANDONED,
            ]),
        }
    }
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_account_registrations",
            "Attempts to register, by what became of them",
            self.registrations.clone(),
        );
        registry.register(
            "mypay_account_logins",
            "Attempts to log in, by what became of them",
            self.logins.clone(),
        );
        registry.register(
            "mypay_account_token_refreshes",
            "Attempts to replace tokens; `repeated` got the pair of moments before once more, \
             `reused` is a refresh token that had been used before, by a thief or its owner",
            self.refreshes.clone(),
        );
        registry.register(
            "mypay_account_introspections",
            "Questions whose an access token or API key is, by the answer; `active` is a person's \
             token",
            self.introspections.clone(),
        );
        registry.register(
            "mypay_account_revocation_looks_failed",
            "Failed reads of what operators have revoked; each instance looks every 250 ms",
            self.revocation_looks_failed.clone(),
        );
        registry.register(
            "mypay_account_api_key_use_writes_failed",
            "Failed writes of when API keys were last used; each is tried again",
            self.key_use_writes_failed.clone(),
        );
        self.register_closings(registry);
        self.register_passwords(registry);
    }

    fn register_passwords(&self, registry: &mut Registry) {
        registry.register(
            "mypay_account_password_checks",
            "Checks of a current password that confirms a change, by what became of them",
            self.password_checks.clone(),
        );
        registry.register(
            "mypay_account_password_changes",
            "Attempts to change a password, by what became of them",
            self.password_changes.clone(),
        );
        registry.register(
            "mypay_account_password_resets",
            "Attempts to issue a reset token, by what became of them",
            self.password_resets.clone(),
        );
        registry.register(
            "mypay_account_password_redemptions",
            "Attempts to set a password with a reset token, by what became of them",
            self.password_redemptions.clone(),
        );
    }

    fn register_closings(&self, registry: &mut Registry) {
        registry.register(
            "mypay_account_closings",
            "Attempts of owners to close an account, by what they were told",
            self.closings.clone(),
        );
        registry.register(
            "mypay_account_closings_settled",
            "Closings whose outcome was not recorded at once, by what became of them; each is \
             counted by the instance that settled it",
            self.closings_settled.clone(),
        );
        registry.register(
            "mypay_account_closings_open",
            "Closings whose outcome is not recorded yet, in all instances; at most 100 are counted",
            self.closings_open.clone(),
        );
        registry.register_with_unit(
            "mypay_account_closing_age",
            "How long ago the oldest of these was begun; 0 if there is none",
            Unit::Seconds,
            self.closing_age.clone(),
        );
    }

    pub(crate) fn count_closing<T>(&self, result: &Result<T, Error>) {
        count(&self.closings, outcome(result));
    }

    pub(crate) fn count_settled_closing(&self, outcome: &'static str) {
        count(&self.closings_settled, outcome);
    }

    pub(crate) fn show_open_closings(&self, open: usize, oldest: Duration) {
        self.closings_open.set(i64::try_from(open).unwrap_or(i64::MAX));
        self.closing_age.set(oldest.as_secs_f64());
    }

    pub(crate) fn begin_registration(&self) -> Attempt<'_> {
        Attempt { family: &self.registrations, outcome: ABANDONED }
    }

    pub(crate) fn begin_login(&self) -> Attempt<'_> {
        Attempt { family: &self.logins, outcome: ABANDONED }
    }

    pub(crate) fn begin_password_check(&self) -> Attempt<'_> {
        Attempt { family: &self.password_checks, outcome: ABANDONED }
    }

    pub(crate) fn begin_password_change(&self) -> Attempt<'_> {
        Attempt { family: &self.password_changes, outcome: ABANDONED }
    }

    pub(crate) fn begin_reset(&self) -> Attempt<'_> {
        Attempt { family: &self.password_resets, outcome: ABANDONED }
    }

    pub(crate) fn begin_redemption(&self) -> Attempt<'_> {
        Attempt { family: &self.password_redemptions, outcome: ABANDONED }
    }

    pub(crate) fn count_refresh<T>(
        &self,
        result: &Result<T, Error>,
        use_before: Option<UseBefore>,
    ) {
        let outcome = match use_before {
            Some(UseBefore::Repeated) => "repeated",
            Some(UseBefore::Reused) => "reused",
            None => outcome(result),
        };
        count(&self.refreshes, outcome);
    }

    pub(crate) fn count_introspection<E>(&self, result: &Result<Option<Identity>, E>) {
        let outcome = match result.as_ref().map(|found| found.map(|identity| identity.asker)) {
            Ok(Some(Asker::Person { .. })) => "active",
            Ok(Some(Asker::ApiKey { .. })) => "active_api_key",
            Ok(None) => "inactive",
            Err(_) => "failed",
        };
        count(&self.introspections, outcome);
    }
}

/// A refresh token had been used before it was presented.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UseBefore {
    /// Moments ago, and the same answer was given.
    Repeated,
    /// Longer ago, or its successor had been used too: the session was ended.
    Reused,
}

/// An attempt whose client went away before the answer.
const ABANDONED: &str = "abandoned";

/// Counts what becomes of an attempt when it ends, or is dropped.
pub(crate) struct Attempt<'a> {
    family: &'a Family<OutcomeLabels, Counter>,
    outcome: &'static str,
}

impl Attempt<'_> {
    pub(crate) fn end<T>(mut self, result: &Result<T, Error>) {
        self.outcome = outcome(result);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        count(self.family, self.outcome);
    }
}

fn count(family: &Family<OutcomeLabels, Counter>, outcome: &'static str) {
    family.get_or_create(&OutcomeLabels { outcome }).inc();
}

/// What a use case came to, as a label.
fn outcome<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "completed",
        Err(Error::EmailTaken) => "email_taken",
        Err(Error::InvalidCredentials) => "wrong_credentials",
        Err(Error::InvalidCurrentPassword) => "wrong_password",
        Err(Error::TooManyAttempts { .. }) => "too_many_attempts",
        Err(Error::UnfitPassword(_)) => "unfit",
        Err(Error::InvalidRefreshToken | Error::InvalidResetToken) => "invalid",
        Err(Error::TooManyResets { .. }) => "too_many",
        Err(Error::AccountNotFound) => "no_account",
        Err(Error::AccountClosed) => "closed",
        Err(Error::AccountDisabled) => "suspended",
        Err(Error::BalancesRemain(_)) => "balances_remain",
        Err(Error::ClosingNotDone(_)) => "not_done",
        Err(Error::ClosingUnknown(_)) => "unknown",
        Err(Error::Hash(HashError::Busy)) => "busy",
        Err(_) => "failed",
    }
}

/// What hashing passwords takes; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct HasherMetrics {
    duration: Histogram,
    wait: Histogram,
    waiting: Gauge,
    pub(crate) waiting_max: Gauge,
    pub(crate) refused: Counter,
}

impl Default for HasherMetrics {
    fn default() -> Self {
        Self {
            duration: duration_histogram(),
            wait: duration_histogram(),
            waiting: Gauge::default(),
            waiting_max: Gauge::default(),
            refused: Counter::default(),
        }
    }
}

impl HasherMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "mypay_account_password_hash_duration",
            "Time that a password hash (Argon2id) took, by itself",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register_with_unit(
            "mypay_account_password_hash_wait",
            "Time that a password waited for its turn to be hashed",
            Unit::Seconds,
            self.wait.clone(),
        );
        registry.register(
            "mypay_account_password_hashes_waiting",
            "Passwords that wait to be hashed",
            self.waiting.clone(),
        );
        registry.register(
            "mypay_account_password_hashes_waiting_max",
            "Passwords that may wait; more are refused",
            self.waiting_max.clone(),
        );
        registry.register(
            "mypay_account_password_hashes_refused",
            "Passwords that were refused because too many waited",
            self.refused.clone(),
        );
    }

    pub(crate) fn observe_duration(&self, took: Duration) {
        self.duration.observe(took.as_secs_f64());
    }

    pub(crate) fn observe_wait(&self, waited: Duration) {
        self.wait.observe(waited.as_secs_f64());
    }

    /// Counts as waiting until it is dropped.
    pub(crate) fn wait(&self) -> Waiting {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }
}

/// A password that waits, or whose client does no more.
pub(crate) struct Waiting(Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What the store on MySQL counts; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct StoreMetrics {
    retries: Family<RetryLabels, Counter>,
}

/// Transactions that may have to be run again. Others are not counted before that happens.
const TRANSACTIONS: [&str; 21] = [
    "reserve_ids",
    "insert_account",
    "update_account",
    "close_account",
    "operate",
    "begin_closing",
    "resume_closing",
    "end_closing",
    "start_session",
    "log_in",
    "forget_attempts",
    "change_password",
    "insert_reset",
    "redeem_reset",
    "rotate",
    "end_session",
    "end_sessions",
    "insert_api_key",
    "rotate_api_key",
    "revoke_api_key",
    "note_api_key_uses",
];

/// What mostly stands in their way.
const REASONS: [Failure; 2] = [Failure::Deadlock, Failure::Disconnected];

impl Default for StoreMetrics {
    fn default() -> Self {
        let labels = TRANSACTIONS.iter().flat_map(|transaction| {
            REASONS.map(|reason| RetryLabels { transaction, reason: reason.as_str() })
        });
        Self { retries: counted_from_zero(labels) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RetryLabels {
    transaction: &'static str,
    reason: &'static str,
}

impl StoreMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_account_store_retries",
            "Transactions that were run again, by their name and what stood in their way",
            self.retries.clone(),
        );
    }

    pub(crate) fn count_retry(&self, transaction: &'static str, reason: Failure) {
        let reason = reason.as_str();
        self.retries.get_or_create(&RetryLabels { transaction, reason }).inc();
    }
}
