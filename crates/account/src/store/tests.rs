//! The conformance suite: what every store must do, whatever database is beneath. Each store runs
//! it over fixtures of its own.

mod accounts;
mod api_keys;
mod attempts;
mod closings;
mod operations;
mod passwords;
mod sessions;

use std::{any::Any, sync::Arc, time::Duration};

use service::{clock::Timestamp, contract::introspection::TokenDigest};

use super::{
    Account, EmailChange, EmailTaken, InsertAccount, NewPair, Replacement, Store, UpdateAccount,
};
use crate::{email::Email, token::Salt};

/// An empty store, and what it needs to stay alive.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    /// How many rows a table has.
    pub(crate) count: Box<dyn Fn(&str) -> i64>,
    #[expect(dead_code, reason = "held for its drop")]
    pub(crate) keep: Box<dyn Any>,
}

/// Runs the suite. Every case gets a store of its own.
pub(crate) async fn check(fixture: impl AsyncFn() -> Fixture) {
    let case = async || Case(fixture().await);
    accounts::ids_are_never_handed_out_twice(case().await).await;
    accounts::accounts_are_found_by_id_and_by_email(case().await).await;
    accounts::emails_are_unique_without_regard_to_case(case().await).await;
    accounts::owners_change_what_is_theirs_while_they_may(case().await).await;
    accounts::leaving_good_standing_ends_tokens_and_tells_the_feed(case().await).await;
    closings::attempts_to_close_ascend_whatever_the_clock_says(case().await).await;
    closings::a_closing_is_open_until_its_newest_attempt_is_settled(case().await).await;
    closings::closing_begins_in_good_standing_and_ends_in_any(case().await).await;
    sessions::tokens_are_valid_from_login_to_expiry(case().await).await;
    sessions::sessions_are_listed_newest_first_and_end_apart(case().await).await;
    sessions::beyond_the_most_sessions_the_oldest_ends(case().await).await;
    sessions::refreshing_replaces_both_tokens(case().await).await;
    sessions::a_refresh_token_used_twice_ends_its_session(case().await).await;
    sessions::refresh_tokens_that_are_not_valid_do_nothing(case().await).await;
    sessions::one_of_many_simultaneous_refreshes_wins(case().await).await;
    sessions::a_refresh_token_gives_the_same_pair_again_for_moments(case().await).await;
    sessions::dead_pairs_are_purged_and_live_ones_stay(case().await).await;
    operations::operations_take_effect_and_are_recorded(case().await).await;
    operations::what_changes_nothing_is_refused_and_not_recorded(case().await).await;
    operations::operations_are_read_in_pieces(case().await).await;
    operations::simultaneous_operations_are_numbered_one_by_one(case().await).await;
    attempts::attempts_are_counted_by_email_until_they_are_forgotten(case().await).await;
    attempts::of_many_attempts_at_once_the_free_ones_are_allowed(case().await).await;
    attempts::a_record_of_the_future_is_corrected(case().await).await;
    attempts::forgotten_attempts_are_purged(case().await).await;
    passwords::a_login_needs_the_password_that_was_confirmed(case().await).await;
    passwords::a_changed_password_ends_other_sessions_and_reset_tokens(case().await).await;
    passwords::an_email_changes_with_the_confirmed_password_only(case().await).await;
    passwords::a_reset_token_is_redeemed_once(case().await).await;
    passwords::reset_tokens_end(case().await).await;
    passwords::an_account_gets_so_many_reset_tokens_in_an_hour(case().await).await;
    passwords::one_of_many_simultaneous_redemptions_wins(case().await).await;
    passwords::old_reset_tokens_are_purged(case().await).await;
    accounts::the_feed_is_read_in_pieces(case().await).await;
    accounts::the_installation_is_recorded_once(case().await).await;
    api_keys::keys_are_known_by_their_secret_until_they_end(case().await).await;
    api_keys::a_rotated_key_has_two_secrets_for_a_while(case().await).await;
    api_keys::revoked_keys_stay_revoked_and_are_told(case().await).await;
    api_keys::keys_give_nothing_that_they_lack(case().await).await;
    api_keys::live_keys_are_bounded_and_listed_first(case().await).await;
    api_keys::the_last_use_never_goes_back(case().await).await;
    api_keys::old_revocations_are_purged(case().await).await;
    case().await.store().ping().await.unwrap();
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Minutes after some moment.
fn at(minutes: u32) -> Timestamp {
    Timestamp::from_micros(1_763_888_400_000_000).plus(MINUTE * minutes)
}

fn access(id: i64) -> TokenDigest {
    TokenDigest::of(&format!("access {id}"))
}

fn refresh(id: i64) -> TokenDigest {
    TokenDigest::of(&format!("refresh {id}"))
}

/// A pair whose access token lives an hour, and whose refresh token a day.
fn pair(id: i64, now: Timestamp) -> NewPair {
    NewPair {
        id,
        access: access(id),
        expired_at: now.plus(HOUR),
        refresh: refresh(id),
        refresh_expired_at: now.plus(DAY),
        created_at: now,
    }
}

/// The same pair, to replace another. The token that it replaces may be used again for 10 s.
fn next(id: i64, now: Timestamp) -> Replacement {
    let salt = Salt([u8::try_from(id % 256).unwrap(); 32]);
    Replacement { pair: pair(id, now), salt, grace: Duration::from_secs(10) }
}

fn update(email: &str, is_valid: bool) -> UpdateAccount {
    UpdateAccount {
        name: "New Name".to_owned(),
        email: Email::parse(email).unwrap(),
        is_valid,
        email_change: EmailChange::Allowed,
    }
}

struct Case(Fixture);

impl Case {
    fn store(&self) -> &dyn Store {
        self.0.store.as_ref()
    }

    fn count(&self, table: &str) -> i64 {
        (self.0.count)(table)
    }

    async fn insert(&self, id: i64, email: &str) -> Result<Account, EmailTaken> {
        let account = InsertAccount {
            id,
            name: format!("Name {id}"),
            email: Email::parse(email).unwrap(),
            password_hash: format!("hash {id}"),
            created_at: at(0),
        };
        self.store().insert_account(account).await.unwrap()
    }

    async fn log_in(&self, account_id: i64, token_id: i64, now: Timestamp) -> Vec<TokenDigest> {
        let started = self.store().start_session(account_id, pair(token_id, now), 3).await;
        started.unwrap().expect("the account is active").ended
    }

    async fn is_valid(&self, token_id: i64, now: Timestamp) -> bool {
        self.store().introspect(access(token_id), now).await.unwrap().is_some()
    }

    async fn session_ids(&self, account_id: i64, now: Timestamp) -> Vec<i64> {
        let sessions = self.store().sessions(account_id, now).await.unwrap();
        sessions.iter().map(|session| session.id).collect()
    }
}
