//! A collector of traces, as OTLP over HTTP has it: what a process sends is read with the protocol's
//! own messages.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::span::SpanKind,
};
use prost::Message as _;

use super::process::PATIENCE;

/// It listens until its runtime ends.
pub struct Collector {
    pub endpoint: String,
    spans: Spans,
}

type Spans = Arc<Mutex<Vec<Span>>>;

/// A span as it was sent, with what tests look at.
#[derive(Debug, Clone)]
pub struct Span {
    /// The process that it is of.
    pub service: String,
    pub name: String,
    pub kind: SpanKind,
    pub trace_id: String,
    pub id: String,
    /// Empty if it has none.
    pub parent_id: String,
    /// Ids of the traces and spans that it is linked to.
    pub links: Vec<(String, String)>,
    pub attributes: BTreeMap<String, String>,
    pub has_failed: bool,
    /// From its begin to its end, in nanoseconds since the epoch.
    pub times: (u64, u64),
}

impl Collector {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spans = Spans::default();
        let routes = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        let limits = service::http::server::Limits {
            connections_max: 100,
            head_timeout: PATIENCE,
            drain_delay: std::time::Duration::ZERO,
            drain_timeout: PATIENCE,
            ..service::http::server::Limits::default()
        };
        let (stop, stopping) = service::shutdown::channel();
        let metrics = service::http::server::ListenerMetrics::default();
        tokio::spawn(async move {
            let _never_stopped = stop;
            service::http::server::serve(listener, routes, limits, metrics, stopping).await;
        });
        Self { endpoint, spans }
    }

    /// What has come so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(message) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut spans = spans.lock().unwrap();
    for resource in message.resource_spans {
        let about = texts(&resource.resource.unwrap().attributes);
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                service: about["service.name"].clone(),
                kind: span.kind(),
                trace_id: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent_id: hex(&span.parent_span_id),
                links: span.links.iter().map(|l| (hex(&l.trace_id), hex(&l.span_id))).collect(),
                attributes: texts(&span.attributes),
                has_failed: span.status.is_some_and(|status| status.code == 2),
                times: (span.start_time_unix_nano, span.end_time_unix_nano),
                name: span.name,
            });
        }
    }
    StatusCode::OK
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().unwrap().value.as_ref() {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
