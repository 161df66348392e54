//! The parts of an OpenAPI document that every service words the same way.

use std::collections::BTreeMap;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{
    finish::PROBLEM_JSON,
    problem::{Kind, ProblemDocument},
};

/// The problems that an operation may answer: one response a status, which lists its codes.
pub fn problem_responses(kinds: &[&'static Kind]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<&Kind>> = BTreeMap::new();
    for kind in kinds {
        by_status.entry(kind.status).or_default().push(kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status.to_string(), RefOr::T(problem_response(status, &kinds))))
        .collect()
}

fn problem_response(status: u16, kinds: &[&Kind]) -> Response {
    let codes: Vec<String> =
        kinds.iter().map(|kind| format!("`{}`: {}.", kind.code, kind.title)).collect();
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemDocument::name()))).build();
    let response = ResponseBuilder::new().description(codes.join("\n\n"));
    let response = match status {
        429 | 503 => response.header(
            "Retry-After",
            HeaderBuilder::new()
                .schema(Some(
                    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build(),
                ))
                .description(Some("Seconds to wait before asking again."))
                .build(),
        ),
        _ => response,
    };
    response.content(PROBLEM_JSON, content).build()
}

/// Adds what every document has: the problem schema and the bearer token.
pub fn add_common(document: &mut utoipa::openapi::OpenApi) {
    let components = document.components.get_or_insert_default();
    let mut schemas = Vec::new();
    ProblemDocument::schemas(&mut schemas);
    schemas.push((ProblemDocument::name().into_owned(), ProblemDocument::schema()));
    components.schemas.extend(schemas);
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("The access token of `POST /accounts/v1/auths`.".to_owned());
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
}
