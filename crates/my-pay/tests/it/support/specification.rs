//! Holds every answer that a test sees against the OpenAPI documents of the services: the call, the
//! status, the code of a problem, and the body down to its last property. It knows no service by
//! itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex},
};

use hyper::Method;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::client::Response;

/// What was sent, as far as the specification has a say in it.
pub struct Sent<'a> {
    pub method: &'a Method,
    /// With its query, if there is one.
    pub path: &'a str,
    pub body: &'a [u8],
}

/// Panics if the answer is not one that the specification promises.
pub fn check(sent: &Sent<'_>, answer: &Response) {
    if let Err(fault) = find_fault(sent, answer) {
        panic!(
            "{} {} was answered {} {}, against the specification: {fault}",
            sent.method, sent.path, answer.status, answer.body
        );
    }
}

static DOCUMENTS: LazyLock<Vec<Document>> =
    LazyLock::new(|| vec![Document::new(account::openapi()), Document::new(money::openapi())]);

/// The only paths below a service's prefix that its document leaves out: they serve the document.
const DOCUMENTATION: [&str; 2] = ["/accounts/docs", "/money/docs"];
/// The gateway's own paths, which orchestrators ask for.
const HEALTH: [&str; 2] = ["/livez", "/readyz"];

fn find_fault(sent: &Sent<'_>, answer: &Response) -> Result<(), String> {
    let path = sent.path.split('?').next().unwrap_or_default();
    check_marks(answer)?;
    if answer.is_problem() {
        check_problem(path, answer)?;
    }
    for document in DOCUMENTS.iter() {
        if let Some(operation) = document.operation(sent.method, path) {
            return document.check(operation, sent, answer);
        }
    }
    // Unknown paths and methods may be refused in every way, but nothing is done there.
    let is_known = HEALTH.contains(&path)
        || DOCUMENTATION.iter().any(|prefix| path.starts_with(prefix))
        || sent.method == Method::OPTIONS;
    if answer.is_problem() || is_known {
        return Ok(());
    }
    Err("nothing is promised at this path".to_owned())
}

/// What every answer has, whoever gave it.
fn check_marks(answer: &Response) -> Result<(), String> {
    for name in ["x-request-id", "x-content-type-options", "cache-control"] {
        if answer.header(name).is_empty() {
            return Err(format!("the header {name} is missing"));
        }
    }
    Ok(())
}

/// What a problem repeats of its answer, and the headers that its status asks for.
fn check_problem(path: &str, answer: &Response) -> Result<(), String> {
    DOCUMENTS[0].validate(&json!({"$ref": "#/components/schemas/Problem"}), &answer.body)?;
    let body = &answer.body;
    let repeated = [
        ("status", json!(answer.status)),
        ("type", json!(format!("urn:my-pay:problem:{}", answer.code()))),
        ("instance", json!(path)),
        ("requestId", json!(answer.header("x-request-id"))),
    ];
    for (name, expected) in repeated {
        if body[name] != expected {
            return Err(format!("`{name}` is {} instead of {expected}", body[name]));
        }
    }
    let asked_for = match answer.status {
        401 => "www-authenticate",
        405 => "allow",
        429 | 503 => "retry-after",
        _ => return Ok(()),
    };
    if answer.header(asked_for).is_empty() {
        return Err(format!("the header {asked_for} is missing"));
    }
    Ok(())
}

/// Every call that the documents describe: its method, and the template of its path.
pub fn calls() -> Vec<(Method, String)> {
    let mut calls = Vec::new();
    for document in DOCUMENTS.iter() {
        for (path, item) in document.json["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                let method = method.to_ascii_uppercase().parse().unwrap();
                calls.push((method, path.clone()));
            }
        }
    }
    calls
}

/// One service's document.
struct Document {
    json: Value,
    /// Compiled schemas, by their text.
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

impl Document {
    fn new(document: impl serde::Serialize) -> Self {
        let mut json = serde_json::to_value(document).unwrap();
        close_objects(&mut json["components"]["schemas"]);
        Self { json, validators: Mutex::default() }
    }

    /// The description of a call. A HEAD is the GET without its body.
    fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let method = method.as_str().to_ascii_lowercase();
        let mut paths = self.json["paths"].as_object()?.iter();
        let (_, item) = paths.find(|(template, _)| fits(template, path))?;
        item.get(&method)
    }

    fn check(&self, operation: &Value, sent: &Sent<'_>, answer: &Response) -> Result<(), String> {
        let promised = &operation["responses"][answer.status.to_string()];
        let Some(description) = promised["description"].as_str() else {
            return Err("its call does not list this status".to_owned());
        };
        if answer.is_problem() && !description.contains(&format!("`{}`", answer.code())) {
            return Err(format!("its call does not list this code, but only\n{description}"));
        }
        if answer.status < 300 {
            self.check_accepted(operation, sent.body)?;
        }
        if sent.method == Method::HEAD {
            return Ok(());
        }
        match promised["content"].as_object() {
            None if answer.body.is_null() => Ok(()),
            None => Err("it should have no body".to_owned()),
            Some(content) => match content.get(answer.header("content-type")) {
                None => Err(format!("it is of type {:?}", answer.header("content-type"))),
                Some(content) => self.validate(&content["schema"], &answer.body),
            },
        }
    }

    /// What a service accepts must be what its document says that it accepts.
    fn check_accepted(&self, operation: &Value, body: &[u8]) -> Result<(), String> {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Ok(());
        }
        let body = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        self.validate(schema, &body).map_err(|fault| format!("the accepted request: {fault}"))
    }

    fn validate(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let errors: Vec<_> = self
            .validator(schema)
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
    }

    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        let compiled = validators.entry(schema.to_string()).or_insert_with(|| {
            // References lead into the components, so they are compiled along.
            let mut whole = schema.clone();
            whole["components"] = self.json["components"].clone();
            let options =
                jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            Arc::new(options.build(&whole).unwrap())
        });
        Arc::clone(compiled)
    }
}

/// Whether a path is one of those that a template such as `/accounts/{id}` stands for. An escaped
/// segment is left out: what the gateway does not route is no parameter.
fn fits(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    template.split('/').all(|expected| {
        segments.next().is_some_and(|segment| {
            let is_parameter = expected.starts_with('{');
            expected == segment || is_parameter && !segment.is_empty() && !segment.contains('%')
        })
    }) && segments.next().is_none()
}

/// Clients must bear further properties, so the schemas allow them. Tests must not.
fn close_objects(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close_objects);
            if object.get("properties").is_some_and(Value::is_object) {
                object.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close_objects),
        _ => {}
    }
}

/// Proves that the checks above can fail.
#[test]
fn what_is_against_the_specification_is_found() {
    use hyper::{HeaderMap, header::HeaderValue};

    let wallet = json!({
        "id": 1, "accountId": 10_001, "currency": "KRW", "balance": 0, "status": "active",
        "createdAt": "2027-01-15T08:00:00Z", "updatedAt": "2027-01-15T08:00:00Z",
    });
    let problem = json!({
        "type": "urn:my-pay:problem:wallet_not_found", "title": "t", "status": 404, "detail": "d",
        "instance": "/money/v1/wallets/1", "code": "wallet_not_found", "requestId": "r",
    });
    let with = |body: &Value, field: &str, value: Value| {
        let mut body = body.clone();
        body[field] = value;
        body
    };
    let check = |path: &str, status: u16, body: &Value| {
        let content_type = match body["code"] {
            Value::Null => "application/json",
            _ => "application/problem+json",
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-request-id", "r"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-type", content_type),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let answer = Response { status, headers, body: body.clone() };
        let sent = Sent { method: &Method::GET, path, body: b"" };
        find_fault(&sent, &answer)
    };
    let path = "/money/v1/wallets/1";
    assert_eq!(check(path, 200, &wallet), Ok(()));
    assert_eq!(check(path, 404, &problem), Ok(()));
    let faults = [
        check(path, 201, &wallet),
        check("/money/v1/wallet", 200, &wallet),
        check(path, 200, &Value::Null),
        check(path, 200, &with(&wallet, "owner", json!("Ann"))),
        check(path, 200, &with(&wallet, "id", json!("1"))),
        check(path, 200, &with(&wallet, "accountId", json!(0))),
        check(path, 200, &with(&wallet, "status", json!("open"))),
        check(path, 200, &with(&wallet, "createdAt", json!("yesterday"))),
        check(path, 404, &with(&problem, "cause", json!("disk"))),
        check(path, 404, &with(&problem, "instance", json!("/"))),
        check(path, 404, &with(&problem, "requestId", json!("another"))),
        check(path, 403, &with(&problem, "status", json!(403))),
        check(
            "/money/v1/transfers/1",
            404,
            &with(&problem, "instance", json!("/money/v1/transfers/1")),
        ),
    ];
    for (number, fault) in faults.iter().enumerate() {
        assert!(fault.is_err(), "fault {number} was not found");
    }
}
