//! Serves a service's OpenAPI document and a viewer for it. The viewer's assets are in the binary.
//! Also the parts of a document that every service writes alike.

use std::collections::BTreeMap;

use axum::Router;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    schema::Type,
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{finish::PROBLEM_JSON, problem::Kind};

/// `{prefix}/docs/index.html` and `{prefix}/docs/openapi.json`.
pub fn routes<S: Clone + Send + Sync + 'static>(prefix: &str, document: OpenApi) -> Router<S> {
    let specification = format!("{prefix}/docs/openapi.json");
    SwaggerUi::new(format!("{prefix}/docs"))
        .url(specification.clone(), document)
        .config(
            Config::from(specification)
                .deep_linking(true)
                .display_request_duration(true)
                .persist_authorization(true)
                .validator_url("none"),
        )
        .into()
}

/// The problems that an operation may answer: one response a status, whose description lists the
/// codes. For `utoipa::IntoResponses`; the document must have `ProblemDocument` among its schemas.
pub fn problems<'a>(
    kinds: impl IntoIterator<Item = &'a Kind>,
) -> BTreeMap<String, RefOr<Response>> {
    let mut descriptions: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for kind in kinds {
        let line = format!("`{}`: {}.", kind.code, kind.title);
        descriptions.entry(kind.status).or_default().push(line);
    }
    let responses = descriptions.into_iter().map(|(status, lines)| {
        let response = problem_response(status, lines.join("\n\n"));
        (status.to_string(), RefOr::T(response))
    });
    responses.collect()
}

fn problem_response(status: u16, description: String) -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(description).content(PROBLEM_JSON, content);
    match status {
        401 => {
            let text = ObjectBuilder::new().schema_type(Type::String).build();
            let header = HeaderBuilder::new()
                .schema(Some(text))
                .description(Some("The challenge of RFC 6750."))
                .build();
            response.header("WWW-Authenticate", header).build()
        }
        429 | 503 => {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
            let header = HeaderBuilder::new()
                .schema(Some(seconds))
                .description(Some("When to try again, in seconds."))
                .build();
            response.header("Retry-After", header).build()
        }
        _ => response.build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::{INVALID_TOKEN, MISSING_TOKEN, UNAVAILABLE};

    #[test]
    fn problems_of_one_status_share_a_response() {
        let responses = problems([&UNAVAILABLE, &MISSING_TOKEN, &INVALID_TOKEN]);
        let json = serde_json::to_value(responses).unwrap();
        assert_eq!(
            json["401"]["description"],
            "`missing_token`: An access token is required.\n\n\
             `invalid_token`: The access token is not valid."
        );
        let schema = &json["401"]["content"]["application/problem+json"]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/Problem");
        assert_eq!(json["503"]["headers"]["Retry-After"]["schema"]["type"], "integer");
    }
}
