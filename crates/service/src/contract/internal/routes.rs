//! The account service's end.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use hyper::{StatusCode, header::HeaderValue};

use super::{
    ACCOUNT_CHANGES, ACCOUNT_EXISTS, INTROSPECT, X_MY_PAY_INSTALLATION,
    wire::{AccountAnswer, AccountQuestion, Answer, CHANGES_MAX, Changes, Question},
};
use crate::{
    contract::{
        account_feed::{AccountFeed, FeedAnswer},
        identity::{Party, Verifier, guard_services},
        introspection::Introspection,
    },
    http::{
        fields::{Fields, FromFields, Query},
        finish::finish,
        health::json,
        problem::{INVALID_REQUEST, Problem},
    },
    trace,
};

/// Longest wait of a long poll, in milliseconds: shorter than any timeout on the way.
const WAIT_MS_MAX: i64 = 20_000;

#[derive(Clone)]
struct Contracts {
    introspection: Arc<dyn Introspection>,
    feed: Arc<dyn AccountFeed>,
}

/// What other services ask of the account service, for those who hold a key only. To be merged with
/// its public routes, outside of their guard.
pub fn routes(
    introspection: Arc<dyn Introspection>,
    feed: Arc<dyn AccountFeed>,
    verifier: Verifier,
) -> Router {
    let router = Router::new()
        .route(INTROSPECT, post(introspect))
        .route(ACCOUNT_EXISTS, post(account_exists))
        .route(ACCOUNT_CHANGES, get(list_account_changes))
        .with_state(Contracts { introspection, feed })
        .layer(middleware::from_fn(finish));
    guard_services(trace::traced(router), verifier, &[Party::Gateway, Party::Money])
}

async fn introspect(State(contracts): State<Contracts>, body: Bytes) -> Response {
    let question: Option<Question<'_>> = serde_json::from_slice(&body).ok();
    let Some(token) = question.and_then(|question| question.token()) else {
        return invalid("`tokenSha256` must be 32 bytes in base64url");
    };
    match contracts.introspection.introspect(token).await {
        Ok(identity) => json(StatusCode::OK, &Answer::from_identity(identity)),
        Err(error) => Problem::unavailable(&error).into_response(),
    }
}

async fn account_exists(State(contracts): State<Contracts>, body: Bytes) -> Response {
    let question: Option<AccountQuestion<'_>> = serde_json::from_slice(&body).ok();
    let Some(account_id) = question.and_then(|question| question.account_id()) else {
        return invalid("`accountId` must be an integer");
    };
    match contracts.introspection.account_exists(account_id).await {
        Ok(exists) => json(StatusCode::OK, &AccountAnswer::new(exists)),
        Err(error) => Problem::unavailable(&error).into_response(),
    }
}

async fn list_account_changes(
    State(contracts): State<Contracts>,
    Query(AfterQuery { sequence, limit, wait }): Query<AfterQuery>,
) -> Response {
    match contracts.feed.changes_after(sequence, limit, wait).await {
        Ok(FeedAnswer { installation, changes }) => {
            let mut response = json(StatusCode::OK, &Changes::new(changes));
            if let Some(installation) = installation {
                let value = HeaderValue::try_from(installation.to_string());
                let value = value.expect("hexadecimal digits are a header value");
                response.headers_mut().insert(X_MY_PAY_INSTALLATION, value);
            }
            response
        }
        Err(error) => Problem::unavailable(&error).into_response(),
    }
}

/// The feed after a sequence.
struct AfterQuery {
    sequence: i64,
    limit: u32,
    wait: Duration,
}

impl FromFields for AfterQuery {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let sequence = fields.integer("after", 0..=i64::MAX);
        let limit = fields.integer("limit", 1..=CHANGES_MAX.into());
        let wait_ms = fields.integer("waitMs", 0..=WAIT_MS_MAX);
        // Readers of later versions may ask for more than this version knows.
        fields.ignore_unknown();
        Some(Self {
            sequence: sequence?,
            limit: u32::try_from(limit?).ok()?,
            wait: Duration::from_millis(wait_ms?.unsigned_abs()),
        })
    }
}

pub(super) fn invalid(detail: &'static str) -> Response {
    Problem::new(&INVALID_REQUEST).detail(detail).into_response()
}
