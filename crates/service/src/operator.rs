//! Who operates, and why: what both services record with each action of an operator.

use crate::http::fields::TextRule;

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

impl std::fmt::Display for Operator {
    /// As commands and logs show it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ApiKey(id) => write!(f, "API key {id}"),
            Self::User(user) => write!(f, "command of {user}"),
        }
    }
}
