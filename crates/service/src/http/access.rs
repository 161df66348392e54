//! Who may make which call. The service's own OpenAPI document declares it, and this middleware
//! enforces what is declared there: routes and document are one, so no call can be left out, and
//! what clients read is what happens.
//!
//! The `security` of a call has `()` for a public call, `("bearer" = ["<scope>"])` for people and
//! `("api_key" = ["<scope>"])` for API keys. Of several, one suffices.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::{
    Method,
    header::{ALLOW, HeaderValue},
};
use utoipa::openapi::{
    OpenApi, PathItem,
    path::{Operation, ParameterBuilder, ParameterIn},
    schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type},
};

use super::problem::{METHOD_NOT_ALLOWED, Problem};
use crate::contract::{
    identity::{Asker, Caller, Identity},
    scope::{Scope, Scopes},
};

/// The name of the security scheme of people's access tokens.
pub(super) const PERSON: &str = "bearer";
/// The name of the security scheme of API keys.
pub(super) const API_KEY: &str = "api_key";

/// The scopes of calls that are about the account acted for. The others are about all accounts, or
/// about the one in the path.
const ABOUT_ONE_ACCOUNT: Scopes = Scopes::PERSON.with(Scope::MoneyFund);

/// Who may make the calls of a service.
#[derive(Debug, Clone)]
pub struct Access(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    /// By path, as the router writes it: few methods each.
    calls: HashMap<String, Vec<(Method, Vec<Grant>)>>,
    more_for_people: Scopes,
}

/// One way to be allowed to make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// To everyone.
    Public,
    /// To people whose scopes include this one.
    Person(Scope),
    /// To API keys whose scopes include this one.
    ApiKey(Scope),
}

impl Access {
    /// Reads it from the document. At this service people have `more_for_people` besides
    /// [`Scopes::PERSON`].
    ///
    /// # Panics
    ///
    /// If a call does not declare who may make it, or in a form that is not known. Documents are
    /// made at start and in tests, so that such a call is never served.
    pub fn of(document: &OpenApi, more_for_people: Scopes) -> Self {
        let mut rules: HashMap<String, Vec<_>> = HashMap::new();
        for (method, path, operation) in calls(document) {
            let grants = grants(operation)
                .unwrap_or_else(|mistake| panic!("access of {method} {path}: {mistake}"));
            rules.entry(path.to_owned()).or_default().push((method, grants));
        }
        Self(Arc::new(Rules { calls: rules, more_for_people }))
    }

    /// Every call, with who may make it.
    pub fn calls(&self) -> impl Iterator<Item = (&Method, &str, &[Grant])> {
        self.0.calls.iter().flat_map(|(path, calls)| {
            calls.iter().map(|(method, grants)| (method, path.as_str(), &grants[..]))
        })
    }

    /// Nothing is served that the document does not declare, be it a path or a method.
    fn refuse(&self, request: &Request) -> Option<Response> {
        let path = request.extensions().get::<MatchedPath>();
        let Some(calls) = path.and_then(|path| self.0.calls.get(path.as_str())) else {
            return Some(Problem::internal(&UndeclaredCall).into_response());
        };
        // A HEAD is a GET whose body is not sent.
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let Some((_, grants)) = calls.iter().find(|(known, _)| known == method) else {
            return Some(method_not_allowed(calls));
        };
        self.check(grants, request).err().map(IntoResponse::into_response)
    }

    fn check(&self, grants: &[Grant], request: &Request) -> Result<(), Problem> {
        if grants.contains(&Grant::Public) {
            return Ok(());
        }
        let identity = Caller::identity(request.extensions().get())?;
        if grants.iter().any(|grant| self.allows(*grant, &identity)) {
            return Ok(());
        }
        Err(refusal(grants, identity.asker))
    }

    fn allows(&self, grant: Grant, identity: &Identity) -> bool {
        match (grant, identity.asker) {
            (Grant::Public, _) => true,
            (Grant::Person(scope), Asker::Person { .. }) => {
                identity.scopes.union(self.0.more_for_people).contains(scope)
            }
            (Grant::ApiKey(scope), Asker::ApiKey { .. }) => identity.scopes.contains(scope),
            (Grant::Person(_), Asker::ApiKey { .. }) | (Grant::ApiKey(_), Asker::Person { .. }) => {
                false
            }
        }
    }
}

/// A route that is not in the document, which cannot be: both are made together.
#[derive(Debug, thiserror::Error)]
#[error("the specification does not say who may make this call")]
struct UndeclaredCall;

fn method_not_allowed(calls: &[(Method, Vec<Grant>)]) -> Response {
    let methods: Vec<_> = calls
        .iter()
        .flat_map(|(method, _)| match *method {
            Method::GET => vec!["GET", "HEAD"],
            ref method => vec![method.as_str()],
        })
        .collect();
    let allow = HeaderValue::try_from(methods.join(","));
    let allow = allow.expect("names of methods are visible ASCII");
    ([(ALLOW, allow)], Problem::new(&METHOD_NOT_ALLOWED)).into_response()
}

/// Names the scope that would have been enough.
fn refusal(grants: &[Grant], asker: Asker) -> Problem {
    let for_keys = grants.iter().find_map(|grant| match grant {
        Grant::ApiKey(scope) => Some(*scope),
        _ => None,
    });
    let for_people = grants.iter().find_map(|grant| match grant {
        Grant::Person(scope) => Some(*scope),
        _ => None,
    });
    match (asker, for_people, for_keys) {
        (Asker::Person { .. }, Some(scope), _) | (Asker::ApiKey { .. }, _, Some(scope)) => {
            Problem::insufficient_scope(scope)
        }
        (Asker::Person { .. }, None, Some(scope)) => Problem::insufficient_scope(scope)
            .detail(format!("This call is for API keys with the scope `{scope}`, not for people.")),
        (Asker::ApiKey { .. }, Some(scope), None) => Problem::insufficient_scope(scope)
            .detail(format!("This call is for people with the scope `{scope}`, not for API keys.")),
        (_, None, None) => Problem::internal(&UndeclaredCall),
    }
}

/// Middleware for `Router::route_layer`, around everything else that reads a request.
pub async fn enforce(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.refuse(&request) {
        None => next.run(request).await,
        Some(refusal) => refusal,
    }
}

/// Says in words, for each call, who may make it, and adds the header by which an API key names the
/// account that it acts for.
pub(super) fn describe(document: &mut OpenApi) {
    for operation in document.paths.paths.values_mut().flat_map(operations_mut) {
        // A mistake is reported where the rules are made.
        let Ok(grants) = grants(operation) else { continue };
        let words: Vec<_> = grants
            .iter()
            .map(|grant| match grant {
                Grant::Public => "everyone".to_owned(),
                Grant::Person(scope) if !Scopes::PERSON.contains(*scope) => {
                    format!("people with the scope `{scope}`, if the service gives it to them")
                }
                Grant::Person(_) => "people".to_owned(),
                Grant::ApiKey(scope) => format!("API keys with the scope `{scope}`"),
            })
            .collect();
        let text = operation.description.get_or_insert_default();
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str("For ");
        text.push_str(&words.join("; "));
        text.push('.');
        let is_about_one = |grant: &Grant| match grant {
            Grant::ApiKey(scope) => ABOUT_ONE_ACCOUNT.contains(*scope),
            Grant::Public | Grant::Person(_) => false,
        };
        if grants.iter().any(is_about_one) {
            operation.parameters.get_or_insert_default().push(account_header().into());
        }
    }
}

fn account_header() -> utoipa::openapi::path::Parameter {
    let id = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(1))
        .maximum(Some(9_007_199_254_740_991_i64))
        .examples([serde_json::json!(10_001)])
        .build();
    ParameterBuilder::new()
        .name("My-Pay-Account")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "The account that an API key acts for, on calls that are about one account. People \
             act for their own account, with or without it.",
        ))
        .schema(Some(id))
        .build()
}

fn grants(operation: &Operation) -> Result<Vec<Grant>, String> {
    let declared = operation.security.as_deref().unwrap_or_default();
    if declared.is_empty() {
        return Err("nothing is declared".to_owned());
    }
    declared
        .iter()
        .map(|requirement| {
            // The type of the library hides its content.
            let value = serde_json::to_value(requirement).map_err(|error| error.to_string())?;
            let schemes = value.as_object().ok_or("a requirement is an object")?;
            let mut schemes = schemes.iter();
            let Some((scheme, scopes)) = schemes.next() else { return Ok(Grant::Public) };
            let scopes: Vec<_> = scopes.as_array().into_iter().flatten().collect();
            let scope = match scopes[..] {
                [name] if schemes.next().is_none() => name.as_str().and_then(Scope::parse),
                _ => None,
            };
            match (scheme.as_str(), scope) {
                (PERSON, Some(scope)) => Ok(Grant::Person(scope)),
                (API_KEY, Some(scope)) => Ok(Grant::ApiKey(scope)),
                _ => Err(format!("{value} is not one scheme with one scope")),
            }
        })
        .collect()
}

/// Every call of a document.
fn calls(document: &OpenApi) -> impl Iterator<Item = (Method, &str, &Operation)> {
    document.paths.paths.iter().flat_map(|(path, item)| {
        let methods = [
            (Method::GET, &item.get),
            (Method::PUT, &item.put),
            (Method::POST, &item.post),
            (Method::DELETE, &item.delete),
            (Method::OPTIONS, &item.options),
            (Method::HEAD, &item.head),
            (Method::PATCH, &item.patch),
            (Method::TRACE, &item.trace),
        ];
        let declared = methods.into_iter();
        declared.filter_map(move |(method, operation)| {
            Some((method, path.as_str(), operation.as_ref()?))
        })
    })
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    [get, put, post, delete, options, head, patch, trace].into_iter().flatten()
}

#[cfg(test)]
mod tests;
