//! The call that says that the service answers.

use service::http::health;

use super::problems::PingProblems;

/// Say that the service answers
///
/// The text `ok`. It tells neither the version nor the load; that is for operators.
#[utoipa::path(
    get,
    path = "/accounts/health/ping",
    operation_id = "ping_accounts",
    tag = "health",
    security(()),
    responses(
        (
            status = 200,
            description = "The service answers.",
            body = String,
            content_type = "text/plain; charset=utf-8",
            example = "ok\n",
        ),
        PingProblems,
    ),
)]
pub(super) async fn ping() -> &'static str {
    health::PONG
}
