//! The last touch to every response of a router: problems become documents, and the bare 404 and
//! 405 of the router become problems. One middleware, so that no handler can forget it.

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::{
    StatusCode, Uri,
    header::{self, HeaderValue},
};

use super::{
    problem::{METHOD_NOT_ALLOWED, NOT_FOUND, Problem},
    request_id::RequestId,
};

/// The media type of RFC 9457.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Middleware for `Router::layer(axum::middleware::from_fn(finish))`. It also leaves the matched
/// route pattern in the response's extensions, for whoever logs the request.
pub async fn finish(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let request_id = request.extensions().get::<RequestId>().cloned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = write_problem(next.run(request).await, &uri, request_id.as_ref());
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// Gives a response that carries a [`Problem`], or is a bare 404 or 405, its document.
pub fn write_problem(response: Response, uri: &Uri, request_id: Option<&RequestId>) -> Response {
    let problem = match response.extensions().get::<Problem>() {
        Some(problem) => problem.clone(),
        None if has_body(&response) => return response,
        None => match response.status() {
            StatusCode::NOT_FOUND => Problem::new(&NOT_FOUND),
            StatusCode::METHOD_NOT_ALLOWED => Problem::new(&METHOD_NOT_ALLOWED),
            _ => return response,
        },
    };
    let document = problem.document(uri.path(), request_id.map_or("", RequestId::as_str));
    let (mut parts, _) = response.into_parts();
    parts.extensions.remove::<Problem>();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(document))
}

fn has_body(response: &Response) -> bool {
    response.headers().contains_key(header::CONTENT_TYPE)
}

/// The response of a problem outside any router.
pub fn problem_response(problem: Problem, uri: &Uri, request_id: &RequestId) -> Response {
    write_problem(problem.into_response(), uri, Some(request_id))
}
