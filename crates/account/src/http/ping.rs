//! The call that says who answers.

use service::http::health;

use super::problems::PingProblems;

/// Say who answers
///
/// The service, its version and its process, as text.
#[utoipa::path(
    get,
    path = "/accounts/health/ping",
    tag = "health",
    security(()),
    responses(
        (
            status = 200,
            description = "The service answers.",
            body = String,
            content_type = "text/plain; charset=utf-8",
            example = "my-pay account 0.1.0 (process 4711)\n",
        ),
        PingProblems,
    ),
)]
pub(super) async fn ping() -> String {
    health::ping("account")
}
