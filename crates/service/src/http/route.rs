//! Which route answered, for whoever logs, counts and traces requests. Paths may hold what is
//! personal, and there are endlessly many of them; of patterns there are few. It is an extension of
//! the response, and between processes a header, which the gateway takes off.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use hyper::{
    Method,
    header::{HeaderName, HeaderValue},
};

/// The header between processes.
const X_MY_PAY_ROUTE: HeaderName = HeaderName::from_static("x-my-pay-route");

/// What stands for the pattern where no route is matched.
pub const UNMATCHED: &str = "unmatched";

/// A pattern that does not come from a router of this process.
#[derive(Debug, Clone)]
struct Pattern(HeaderValue);

/// The pattern of the route that answered, such as `/money/v1/wallets/{id}`.
pub fn pattern(response: &Response) -> &str {
    let extensions = response.extensions();
    let elsewhere = || extensions.get::<Pattern>().and_then(|pattern| pattern.0.to_str().ok());
    extensions.get::<MatchedPath>().map(MatchedPath::as_str).or_else(elsewhere).unwrap_or(UNMATCHED)
}

/// Names the route of an answer that has none.
pub fn name(response: &mut Response, pattern: &'static str) {
    let extensions = response.extensions_mut();
    if extensions.get::<MatchedPath>().is_none() && extensions.get::<Pattern>().is_none() {
        extensions.insert(Pattern(HeaderValue::from_static(pattern)));
    }
}

/// Middleware outside a service's routes: tells the pattern to another process.
pub async fn tell(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let pattern = response.extensions().get::<MatchedPath>();
    if let Some(Ok(value)) = pattern.map(|pattern| HeaderValue::from_str(pattern.as_str())) {
        response.headers_mut().insert(X_MY_PAY_ROUTE, value);
    }
    response
}

/// Takes off what another process has told.
pub fn hear(response: &mut Response) {
    if let Some(pattern) = response.headers_mut().remove(X_MY_PAY_ROUTE) {
        response.extensions_mut().insert(Pattern(pattern));
    }
}

/// A method as a label. Clients may invent methods, and must not invent labels.
pub fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
