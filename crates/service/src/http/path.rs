//! Ids in paths.

use axum::extract::{FromRequestParts, Path};
use hyper::http::request::Parts;

use super::problem::Problem;

/// Largest id of an account, wallet or transaction: 2^53 - 1, exact in every JSON reader.
pub const ID_MAX: i64 = (1 << 53) - 1;

/// The one parameter of a path, read as an id.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What cannot be decoded is not an id either, and is answered in the same way.
        let text = Path::<String>::from_request_parts(parts, state).await;
        read_id(text.as_ref().map_or("", |Path(text)| text)).map(Self)
    }
}

/// Reads the `{id}` of a path: a whole number from 1 to 2^53 - 1.
pub fn read_id(text: &str) -> Result<i64, Problem> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(id) if is_digits && (1..=ID_MAX).contains(&id) => Ok(id),
        _ => Err(Problem::field("id", "invalid_id", "must be a whole number from 1 to 2^53 - 1")),
    }
}
