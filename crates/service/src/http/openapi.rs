//! The parts of an OpenAPI document that every service words the same way.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, Header, HeaderBuilder, Object, ObjectBuilder, OpenApi, Ref, RefOr,
        Response, ResponseBuilder, Schema, Server, Type,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    access,
    finish::PROBLEM_JSON,
    problem::{Kind, ProblemDocument},
};

/// Declares types that stand for the problems of a call in the `responses(...)` of its
/// `utoipa::path`. Each has a name, and one or more slices of kinds:
///
/// ```text
/// service::problem_sets! {
///     /// Problems of opening a wallet.
///     OpenProblems = ANY_CALL, WITH_TOKEN, &[&WALLET_EXISTS];
/// }
/// ```
#[macro_export]
macro_rules! problem_sets {
    ($(#[doc = $doc:literal] $name:ident = $($kinds:expr),+;)+) => {$(
        #[doc = $doc]
        pub(super) struct $name;

        impl ::utoipa::IntoResponses for $name {
            fn responses() -> ::std::collections::BTreeMap<
                ::std::string::String,
                ::utoipa::openapi::RefOr<::utoipa::openapi::Response>,
            > {
                let kinds: &[&[&'static $crate::http::problem::Kind]] = &[$($kinds),+];
                $crate::http::openapi::problem_responses(&kinds.concat())
            }
        }
    )+};
}

/// The problems that a call may answer: one response a status, whose description lists its codes.
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

/// What a name or a summary looks like, as far as an expression says it that every language's
/// library reads: nothing that breaks, reorders or excludes text, and something visible. The rule
/// itself is [`super::fields::TextRule`]'s, which knows more invisible characters than this.
pub const SHOWN_PATTERN: &str = concat!(
    // White space around the text does not count.
    r"^\s*",
    // Then nothing visible, for as long as that goes on,
    r"[ \u00a0\u00ad\u0300-\u036f\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200b",
    r"\u202f\u205f-\u2065\u2800\u3000\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8]*",
    // a visible character,
    r"[^\s\u0000-\u001f\u007f-\u009f\u00ad\u0300-\u036f\u061c\u115f\u1160\u17b4\u17b5",
    r"\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufdd0-\ufdef",
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff]",
    // and all that is allowed.
    r"[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufdd0-\ufdef",
    r"\ufeff\ufff9-\ufffb\ufffe\uffff]*\s*$",
);

/// Text without control characters, as keys, tokens and passwords are.
pub const PLAIN_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$";

/// Changes a property's schema in a way that has no attribute, or would have to be repeated.
pub fn refine(
    document: &mut OpenApi,
    schema: &str,
    property: &str,
    change: impl FnOnce(&mut Object),
) {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    let object = schemas.and_then(|schemas| match schemas.get_mut(schema) {
        Some(RefOr::T(Schema::Object(object))) => object.properties.get_mut(property),
        _ => None,
    });
    let Some(RefOr::T(Schema::Object(object))) = object else {
        // The documents are made at start and in tests: a mistake cannot stay.
        panic!("the document has no {schema}.{property}");
    };
    change(object);
}

/// Lists the values of an optional text. Null, which is as good as absent, is one of them.
pub fn allow_only<'a>(text: &mut Object, values: impl Iterator<Item = &'a str>) {
    text.enum_values = Some(values.map(Value::from).chain([Value::Null]).collect());
}

/// Adds what every document has: the server, the problem's schema, the two ways to authenticate,
/// and who may make which call.
pub fn add_common(document: &mut OpenApi) {
    let mut server = Server::new("/");
    server.description = Some("The gateway that serves this document.".to_owned());
    document.servers = Some(vec![server]);
    let components = document.components.get_or_insert_default();
    let mut schemas = vec![(ProblemDocument::name().into_owned(), ProblemDocument::schema())];
    ProblemDocument::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for (name, description) in [
        (access::PERSON, "A person: the `accessToken` of a login or a refresh."),
        (access::API_KEY, "A company's backend: an API key, with the scopes that it was given."),
    ] {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(description))
            .build();
        components.add_security_scheme(name, SecurityScheme::Http(scheme));
    }
    access::describe(document);
}

fn problem_response(status: u16, kinds: &[&Kind]) -> Response {
    let codes: Vec<String> =
        kinds.iter().map(|kind| format!("`{}`: {}.", kind.code, kind.title)).collect();
    let schema = Ref::from_schema_name(ProblemDocument::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response =
        ResponseBuilder::new().description(codes.join("\n\n")).content(PROBLEM_JSON, content);
    let response = match status {
        401 => response.header("WWW-Authenticate", text("The challenge of RFC 6750.")),
        415 => response.header(
            "Accept-Encoding",
            text("`identity`, if the body was compressed or otherwise encoded."),
        ),
        429 => response
            .header("RateLimit", text("For each limit that applies, the requests that are left."))
            .header("RateLimit-Policy", text("Each limit that applies.")),
        _ => response,
    };
    match status {
        429 | 503 => response.header("Retry-After", seconds("When to try again, in seconds.")),
        _ => response,
    }
    .build()
}

fn text(description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

fn seconds(description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::problem::{INVALID_TOKEN, MISSING_TOKEN, UNAVAILABLE};

    #[test]
    fn problems_of_one_status_share_a_response() {
        let responses = problem_responses(&[&UNAVAILABLE, &MISSING_TOKEN, &INVALID_TOKEN]);
        let json = serde_json::to_value(responses).unwrap();
        assert_eq!(
            json["401"]["description"],
            "`missing_token`: An access token or an API key is required.\n\n\
             `invalid_token`: The access token or API key is not valid."
        );
        let schema = &json["401"]["content"]["application/problem+json"]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/Problem");
        assert_eq!(json["503"]["headers"]["Retry-After"]["schema"]["type"], "integer");
    }
}
