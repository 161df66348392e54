//! Ids in paths. Each has one spelling, the one that the service writes, so that a resource has one
//! path: `01`, `%31` and a UUID in capital letters are no ids.

use axum::extract::{FromRequestParts, Path};
use hyper::http::request::Parts;
use uuid::Uuid;

use super::problem::Problem;

/// Largest id of an account, wallet or transaction: 2^53 - 1, exact in every JSON reader.
pub const ID_MAX: i64 = (1 << 53) - 1;

/// The one parameter of a path, read as an id.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub i64);

/// The one parameter of a path, read as a UUID.
#[derive(Debug, Clone, Copy)]
pub struct PathUuid(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        read_id(&plain_segment(parts, state).await).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathUuid {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = plain_segment(parts, state).await;
        let id = read_uuid(&text).ok_or_else(|| {
            let message = "must be a UUID in small letters, with hyphens";
            Problem::field("id", "invalid_id", message)
        })?;
        Ok(Self(id))
    }
}

/// Reads an id from its text: a whole number from 1 to 2^53 - 1, without sign or leading zeros.
pub fn read_id(text: &str) -> Result<i64, Problem> {
    let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(id) if is_plain && (1..=ID_MAX).contains(&id) => Ok(id),
        _ => {
            let message = "must be a whole number from 1 to 2^53 - 1, without leading zeros";
            Err(Problem::field("id", "invalid_id", message))
        }
    }
}

/// Reads a UUID in its one spelling: in small letters, with hyphens.
pub fn read_uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text)
}

/// The parameter as it was sent, or nothing if it was escaped: no id needs that.
async fn plain_segment<S: Send + Sync>(parts: &mut Parts, state: &S) -> String {
    if parts.uri.path().contains('%') {
        return String::new();
    }
    let text = Path::<String>::from_request_parts(parts, state).await;
    text.map_or_else(|_| String::new(), |Path(text)| text)
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, extract::Request, routing::get};
    use tower::ServiceExt;

    use super::{PathId, PathUuid};

    async fn status_of(path: &str) -> u16 {
        let router = Router::new()
            .route("/wallets/{id}", get(|_: PathId| async {}))
            .route("/transfers/{id}", get(|_: PathUuid| async {}));
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn an_id_has_one_spelling() {
        for good in ["1", "10", "9007199254740991"] {
            assert_eq!(status_of(&format!("/wallets/{good}")).await, 200, "{good}");
        }
        for bad in
            ["0", "01", "001", "+1", "-1", "%31", "1%30", "1.0", "1e3", "%20", "9007199254740992"]
        {
            assert_eq!(status_of(&format!("/wallets/{bad}")).await, 400, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_uuid_has_one_spelling() {
        let good = "018f3b9a-5c2d-7e10-8a4b-0123456789ab";
        assert_eq!(status_of(&format!("/transfers/{good}")).await, 200);
        for bad in [
            good.to_uppercase(),
            good.replace('a', "A"),
            good.replace('-', ""),
            good.replace('-', "%2D"),
            good.replacen('0', "%30", 1),
            format!("%7B{good}%7D"),
            format!("{{{good}}}"),
            format!("urn:uuid:{good}"),
            good.replace('b', "g"),
        ] {
            assert_eq!(status_of(&format!("/transfers/{bad}")).await, 400, "{bad}");
        }
    }
}
