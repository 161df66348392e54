//! The bodies that clients get.

use serde::Serialize;
use service::{clock::Timestamp, contract::account_feed::Standing};
use utoipa::ToSchema;

use crate::{Account, IssuedReset, Session, Tokens};

/// A person's account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountBody {
    /// Names the account in paths.
    #[schema(minimum = 10001, maximum = 9_007_199_254_740_991_i64, example = 10001)]
    id: i64,
    /// What the person is called.
    #[schema(min_length = 1, max_length = 100, example = "Ada Lovelace")]
    name: String,
    /// As it was written.
    #[schema(format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: String,
    /// Whether the account is in good standing: neither suspended nor closed.
    #[schema(example = true)]
    is_valid: bool,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime, example = "2025-11-23T09:00:00.000000Z")]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime, example = "2025-11-23T09:00:00.000000Z")]
    updated_at: Timestamp,
}

/// A pair of tokens. They are shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tokens)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokensBody<'a> {
    /// For every call: `Authorization: Bearer <accessToken>`.
    #[schema(
        min_length = 47,
        max_length = 47,
        pattern = "^mpa_[A-Za-z0-9_-]{43}$",
        example = "mpa_Zk4nTq8RzYw0aVbXcJ5mLs2PdGh7Ue1oKi3fNt6Hy9E"
    )]
    access_token: &'a str,
    /// When the access token ends.
    #[schema(value_type = String, format = DateTime, example = "2025-11-23T10:00:00.000000Z")]
    expired_at: Timestamp,
    /// For one refresh. Using it a second time ends the session.
    #[schema(
        min_length = 47,
        max_length = 47,
        pattern = "^mpr_[A-Za-z0-9_-]{43}$",
        example = "mpr_9yTq3mZcXwV1bNfKp0sRdLhGuJ7eAo2Ci5xHtQk8WEM"
    )]
    refresh_token: &'a str,
    /// When the refresh token, and with it the session, ends.
    #[schema(value_type = String, format = DateTime, example = "2025-12-23T09:00:00.000000Z")]
    refresh_expired_at: Timestamp,
    /// Whose they are.
    account: AccountBody,
}

/// A token with which its account's owner sets a new password. It is shown this once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reset)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResetBody<'a> {
    /// For one redemption.
    #[schema(
        min_length = 47,
        max_length = 47,
        pattern = "^mpp_[A-Za-z0-9_-]{43}$",
        example = "mpp_Wm5tKc0pXeZ7rVqJ2uYbHs8LdNf3oGa6Ti9xQk1RlEw"
    )]
    token: &'a str,
    /// When it ends.
    #[schema(value_type = String, format = DateTime, example = "2025-11-23T09:30:00.000000Z")]
    expired_at: Timestamp,
    /// Whose password it sets.
    #[schema(minimum = 10001, maximum = 9_007_199_254_740_991_i64, example = 10001)]
    account_id: i64,
}

/// A login that is still alive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionBody {
    /// Names the session.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    id: i64,
    /// When its owner logged in.
    #[schema(value_type = String, format = DateTime, example = "2025-11-23T09:00:00.000000Z")]
    created_at: Timestamp,
    /// When its tokens were last refreshed.
    #[schema(value_type = String, format = DateTime, example = "2025-11-23T09:00:00.000000Z")]
    updated_at: Timestamp,
    /// When its access token ends.
    #[schema(value_type = String, format = DateTime, example = "2025-11-23T10:00:00.000000Z")]
    expired_at: Timestamp,
    /// When it ends unless it is refreshed before.
    #[schema(value_type = String, format = DateTime, example = "2025-12-23T09:00:00.000000Z")]
    refresh_expired_at: Timestamp,
    /// Whether this call was made with its token.
    #[schema(example = true)]
    is_current: bool,
}

/// All live sessions, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sessions)]
pub(super) struct SessionsBody {
    /// At most 100.
    #[schema(max_items = 100)]
    items: Vec<SessionBody>,
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            name: account.name,
            email: account.email,
            is_valid: account.standing == Standing::Active,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

impl<'a> From<&'a Tokens> for TokensBody<'a> {
    fn from(tokens: &'a Tokens) -> Self {
        Self {
            access_token: tokens.access.as_str(),
            expired_at: tokens.expired_at,
            refresh_token: tokens.refresh.as_str(),
            refresh_expired_at: tokens.refresh_expired_at,
            account: tokens.account.clone().into(),
        }
    }
}

impl<'a> From<&'a IssuedReset> for ResetBody<'a> {
    fn from(issued: &'a IssuedReset) -> Self {
        Self {
            token: issued.token.as_str(),
            expired_at: issued.expired_at,
            account_id: issued.account_id,
        }
    }
}

impl SessionsBody {
    pub(super) fn new(sessions: Vec<Session>, current_id: Option<i64>) -> Self {
        let items = sessions.into_iter().map(|session| SessionBody {
            id: session.id,
            created_at: session.started_at,
            updated_at: session.updated_at,
            expired_at: session.expired_at,
            refresh_expired_at: session.refresh_expired_at,
            is_current: Some(session.id) == current_id,
        });
        Self { items: items.collect() }
    }
}
