//! Who operates, and why: what both services record with each action of an operator.

use axum::extract::FromRequestParts;
use hyper::http::request::Parts;

use crate::{
    contract::{
        identity::{Asker, Identity},
        scope::Scope,
    },
    http::{
        fields::{Fault, Fields, FromFields, TextRule},
        path::read_id,
        problem::Problem,
    },
};

/// A reason: text for people of 1 to 500 characters.
pub const REASON: TextRule = TextRule::new(1, 500);

/// The most operations on one page.
pub const PAGE_MAX: u32 = 200;

/// Operations on one page, unless the client asks for another number.
pub const PAGE_DEFAULT: u32 = 50;

/// Who carried out an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// A backend, with this API key.
    ApiKey(i64),
    /// A person who ran a command as this user of the operating system.
    User(String),
}

impl Operator {
    /// What a row says: the key or the user, exactly one of them.
    pub fn from_columns(api_key_id: Option<i64>, user: Option<String>) -> Option<Self> {
        match (api_key_id, user) {
            (Some(id), None) => Some(Self::ApiKey(id)),
            (None, Some(user)) => Some(Self::User(user)),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// The id of the key, if it is one.
    pub fn api_key_id(&self) -> Option<i64> {
        match self {
            Self::ApiKey(id) => Some(*id),
            Self::User(_) => None,
        }
    }

    /// The name of the user, if it is one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::ApiKey(_) => None,
            Self::User(user) => Some(user),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    /// The key that makes the request. Calls of operators are for keys, as their document says.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Identity::from_request_parts(parts, state).await?.asker {
            Asker::ApiKey { id } => Ok(Self::ApiKey(id)),
            Asker::Person { .. } => Err(Problem::insufficient_scope(Scope::Operate)),
        }
    }
}

impl std::fmt::Display for Operator {
    /// As commands and logs show it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ApiKey(id) => write!(f, "API key {id}"),
            Self::User(user) => write!(f, "command of {user}"),
        }
    }
}

/// Which part of a list of operations a client asks for.
#[derive(Debug)]
pub struct PageRequest {
    /// At most so many.
    pub limit: u32,
    /// Only those before this sequence.
    pub before: Option<i64>,
}

impl FromFields for PageRequest {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let limit = fields.optional_integer("limit", 1..=i64::from(PAGE_MAX));
        let before = fields.optional_parsed("cursor", read_cursor);
        let limit = limit?.map_or(PAGE_DEFAULT, |limit| limit.try_into().unwrap_or(PAGE_MAX));
        Some(Self { limit, before: before? })
    }
}

fn read_cursor(text: &str) -> Result<i64, Fault> {
    read_id(text).map_err(|_| ("invalid_cursor", "must be a `nextCursor` of this list".into()))
}
