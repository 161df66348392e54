//! The document that describes the service is the one in the repository, and is what the service
//! serves.

use std::collections::BTreeSet;

use expect_test::expect_file;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::harness::Harness;

#[test]
fn the_document_is_the_one_in_the_repository() {
    let json = my_pay_account::openapi().to_pretty_json().unwrap();
    expect_file!["../../openapi.json"].assert_eq(&format!("{json}\n"));
}

#[tokio::test]
async fn the_service_serves_its_document_and_a_viewer() {
    let harness = Harness::new();
    let served = harness.get("/accounts/docs/openapi.json", None).await.json();
    let generated = serde_json::to_value(my_pay_account::openapi()).unwrap();
    assert_eq!(served, generated);
    let viewer = harness.get("/accounts/docs/index.html", None).await;
    assert_eq!(viewer.status, 200);
    assert!(viewer.text.contains("swagger-ui"));
    let ping = harness.get("/accounts/health/ping", None).await;
    assert_eq!(ping.text, "ok\n");
    assert_eq!(ping.headers[CONTENT_TYPE], "text/plain; charset=utf-8");
}

/// Every `$ref` leads somewhere, and every operation says what a reader needs.
#[test]
fn the_document_is_complete() {
    let document = serde_json::to_value(my_pay_account::openapi()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut calls = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            calls += 1;
            for part in ["operationId", "summary", "description", "responses", "security"] {
                assert!(!operation[part].is_null(), "{method} {path} has no {part}");
            }
        }
    }
    assert!(calls >= 17);
}

fn collect_references(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                references.insert(reference.clone());
            }
            for value in object.values() {
                collect_references(value, references);
            }
        }
        Value::Array(items) => {
            for value in items {
                collect_references(value, references);
            }
        }
        _ => {}
    }
}
