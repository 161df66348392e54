//! Refuses the parameters of calls that have none. The service's own OpenAPI document says which
//! calls these are, and routes and document are one, so no new call can be left out. A call with
//! parameters reads them with [`super::fields::Query`], which is as strict; pages that are not in
//! the document, such as `/livez` and the documentation, bear parameters.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::Method;
use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::{
    fields::{Fields, NoParameters},
    problem::Problem,
};

/// What a service's document says about the queries of its calls.
#[derive(Debug, Clone)]
pub struct Queries(Arc<HashMap<String, Vec<Call>>>);

#[derive(Debug)]
struct Call {
    method: String,
    has_parameters: bool,
}

impl Queries {
    /// Reads it from the document.
    pub fn of(document: &OpenApi) -> Self {
        let document = serde_json::to_value(document).expect("a document is plain JSON");
        let paths = document["paths"].as_object().into_iter().flatten();
        let calls = paths.map(|(path, item)| {
            let operations = item.as_object().into_iter().flatten();
            (path.clone(), operations.map(|(method, operation)| read(method, operation)).collect())
        });
        Self(Arc::new(calls.collect()))
    }

    fn call(&self, request: &Request) -> Option<&Call> {
        let path = request.extensions().get::<MatchedPath>()?;
        // A HEAD is a GET whose body is not sent.
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let mut calls = self.0.get(path.as_str())?.iter();
        calls.find(|call| call.method.eq_ignore_ascii_case(method.as_str()))
    }
}

fn read(method: &str, operation: &Value) -> Call {
    let parameters = operation["parameters"].as_array();
    Call {
        method: method.to_owned(),
        has_parameters: parameters
            .is_some_and(|parameters| parameters.iter().any(|one| one["in"] == "query")),
    }
}

/// Middleware for `Router::route_layer`, inside of [`super::access::enforce`]: a caller without a
/// token learns that first, as on every other call.
pub async fn refuse_unknown(
    State(queries): State<Queries>,
    request: Request,
    next: Next,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    if query.is_empty() || queries.call(&request).is_none_or(|call| call.has_parameters) {
        return next.run(request).await;
    }
    let read: Result<NoParameters, Problem> = Fields::read_query(Some(query));
    match read {
        Ok(NoParameters) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
