//! What a client is told to do about a request that may have been carried out or not.

use axum::extract::Request;

use super::headers::IDEMPOTENCY_KEY;

/// What the client may do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Advice {
    /// It only reads.
    TryAgain,
    /// It is known by its key.
    SendAgain,
    /// Sent again, it may be done twice.
    LookFirst,
}

impl Advice {
    pub(crate) fn about(request: &Request) -> Self {
        if request.method().is_safe() {
            Self::TryAgain
        } else if request.headers().contains_key(IDEMPOTENCY_KEY) {
            Self::SendAgain
        } else {
            Self::LookFirst
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::TryAgain => "Nothing was changed: try again.",
            Self::SendAgain => {
                "The outcome is unknown. Send the request again with the same Idempotency-Key."
            }
            Self::LookFirst => {
                "The outcome is unknown. Read what it was to change before you send it again."
            }
        }
    }
}
