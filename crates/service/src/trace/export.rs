//! Sending spans to a collector, by OTLP over HTTP
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>). Nothing waits for it: spans that the
//! collector does not take in time are lost, and counted.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response, Uri};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry::{Context, KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{
        BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData,
        SpanExporter as ExportSpans, SpanProcessor,
    },
};
use tokio::runtime::Handle;

use super::{TRACING, Tracing, metrics::TraceMetrics, sampling::Sampling};
use crate::http::problem::chain;

/// Spans that may wait to be sent, or be on their way; more are lost.
const QUEUE_SPANS_MAX: usize = 16_384;
/// Spans in one message.
const MESSAGE_SPANS_MAX: usize = 1_024;
/// How long a span waits for others to be sent with.
const SEND_INTERVAL: Duration = Duration::from_secs(2);
/// How long the collector may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last spans.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);
/// Requests that the span of a batch may be linked to.
const LINKS_MAX: u32 = 1_024;
/// Largest answer of a collector, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is traced, and who is told.
#[derive(Debug, Clone)]
pub struct TraceConfig {
    /// The collector's address, such as `http://collector:4318`; or of its traces, with their path.
    pub endpoint: String,
    /// The share of requests that are traced, from 0 to 1.
    pub sampling_ratio: f64,
    /// Whether a client that sends `traceparent` decides whether its requests are traced, and they
    /// become part of its own trace.
    pub follows_clients: bool,
}

/// A setting makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// The endpoint is not one.
    #[error("`{0}` is not an address such as `http://collector:4318`")]
    Endpoint(String),
    /// The sampling ratio is not one.
    #[error("`{0}` is not a sampling ratio from 0 to 1")]
    SamplingRatio(f64),
}

impl TraceConfig {
    /// The first setting that makes no sense.
    pub fn validate(&self) -> Result<(), Invalid> {
        if !(0.0..=1.0).contains(&self.sampling_ratio) {
            return Err(Invalid::SamplingRatio(self.sampling_ratio));
        }
        self.address().map(|_| ())
    }

    /// Where traces are sent to. As the specification has it, they have a path of their own below
    /// an endpoint without one.
    fn address(&self) -> Result<String, Invalid> {
        let invalid = || Invalid::Endpoint(self.endpoint.clone());
        let uri: Uri = self.endpoint.parse().map_err(|_| invalid())?;
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if uri.scheme_str() != Some("http") || !has_host || self.endpoint.contains(['@', '#']) {
            return Err(invalid());
        }
        if uri.path_and_query().is_none_or(|path| path.as_str() == "/") {
            return Ok(format!("{}/v1/traces", self.endpoint.trim_end_matches('/')));
        }
        Ok(self.endpoint.clone())
    }
}

/// Sends what is traced, until it is ended.
#[derive(Debug)]
pub struct Exporter(SdkTracerProvider);

/// Starts tracing for the process, inside a tokio runtime. `service` is the name under which it is
/// seen. Fails if it was started before.
pub fn start(config: &TraceConfig, service: &'static str) -> Result<Exporter, String> {
    config.validate().map_err(|error| error.to_string())?;
    let metrics = TraceMetrics::default();
    let sender = Sender::new();
    let cause = Arc::clone(&sender.failure);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(sender)
        .with_endpoint(config.address().map_err(|error| error.to_string())?)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(SEND_TIMEOUT)
        .build()
        .map_err(|error| error.to_string())?;
    let waiting = Arc::default();
    let watched = Watched {
        exporter,
        metrics: metrics.clone(),
        waiting: Arc::clone(&waiting),
        is_refused: AtomicBool::default(),
        cause,
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_SPANS_MAX)
        .with_max_export_batch_size(MESSAGE_SPANS_MAX)
        .with_scheduled_delay(SEND_INTERVAL)
        .build();
    let processor = Bounded {
        processor: BatchSpanProcessor::builder(watched).with_batch_config(batches).build(),
        metrics: metrics.clone(),
        waiting,
        is_ended: AtomicBool::default(),
    };
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        // What is not to be traced has no span in the first place.
        .with_sampler(Sampler::AlwaysOn)
        .with_max_links_per_span(LINKS_MAX)
        .with_resource(resource)
        .build();
    let tracing = Tracing {
        tracer: provider.tracer("my-pay"),
        sampling: Sampling::new(config.sampling_ratio),
        follows_clients: config.follows_clients,
        metrics,
    };
    TRACING.set(tracing).map_err(|_| "tracing was started before".to_owned())?;
    Ok(Exporter(provider))
}

impl Exporter {
    /// Sends what is left, within seconds, and ends.
    pub async fn end(self) {
        let end = move || self.0.shutdown_with_timeout(LAST_TIMEOUT);
        match tokio::task::spawn_blocking(end).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not sent"),
            Err(error) => tracing::error!(%error, "sending spans ended in a panic"),
        }
    }
}

/// Bounds what waits. The library's processor has the same bound, but does not tell what it drops.
#[derive(Debug)]
struct Bounded {
    processor: BatchSpanProcessor,
    metrics: TraceMetrics,
    waiting: Arc<AtomicUsize>,
    is_ended: AtomicBool,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.processor.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let is_full = self.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE_SPANS_MAX;
        if is_full || self.is_ended.load(Ordering::Relaxed) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.metrics.count_lost(1);
            return;
        }
        self.processor.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.is_ended.store(true, Ordering::Relaxed);
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}

/// Counts what is sent, and says so once when it begins to fail and once when that is over.
#[derive(Debug)]
struct Watched {
    exporter: SpanExporter,
    metrics: TraceMetrics,
    waiting: Arc<AtomicUsize>,
    is_refused: AtomicBool,
    cause: Failure,
}

impl ExportSpans for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        match exported {
            Ok(()) => {
                self.metrics.count_sent(spans);
                if self.is_refused.swap(false, Ordering::Relaxed) {
                    tracing::info!("the collector takes traces again");
                }
            }
            Err(error) => {
                self.metrics.count_lost(spans);
                let cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner).take();
                if !self.is_refused.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        error = %chain(&error),
                        cause,
                        "the collector does not take traces"
                    );
                }
            }
        }
        // It is told here, and there is nobody else who could do anything about it.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Why the newest message that did not reach the collector did not: the library does not tell.
type Failure = Arc<Mutex<Option<String>>>;

/// Sends messages from the exporter's own thread, by the runtime.
struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    failure: Failure,
}

impl Sender {
    fn new() -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, runtime: Handle::current(), failure: Failure::default() }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sender")
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sending = self.client.request(request.map(Full::new));
        let answer = async {
            let (parts, body) = sending.await?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(parts, body))
        };
        let in_time = async { tokio::time::timeout(SEND_TIMEOUT, answer).await };
        let sent: Result<_, HttpError> = match self.runtime.spawn(in_time).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => Err("the collector did not answer in time".into()),
            Err(ended) => Err(ended.into()),
        };
        if let Err(error) = &sent {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            *failure = Some(chain(&**error));
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Tracer as _;

    use super::*;

    #[track_caller]
    fn check(endpoint: &str, expected: Option<&str>) {
        let endpoint = endpoint.to_owned();
        let config = TraceConfig { endpoint, sampling_ratio: 1.0, follows_clients: false };
        assert_eq!(config.address().ok().as_deref(), expected);
    }

    #[test]
    fn an_endpoint_is_a_collector_or_a_path_of_it() {
        check("http://localhost:4318", Some("http://localhost:4318/v1/traces"));
        check("http://localhost:4318/", Some("http://localhost:4318/v1/traces"));
        check("http://[::1]:4318", Some("http://[::1]:4318/v1/traces"));
        check("http://host/api/v2/otlp", Some("http://host/api/v2/otlp"));
        check("https://host", None);
        check("host:4318", None);
        check("localhost", None);
        check("http://", None);
        check("http://user:secret@host", None);
        check("", None);
    }

    #[test]
    fn a_ratio_is_from_zero_to_one() {
        for (ratio, is_valid) in [(0.0, true), (1.0, true), (-0.1, false), (1.1, false)] {
            let endpoint = "http://localhost:4318".to_owned();
            let config = TraceConfig { endpoint, sampling_ratio: ratio, follows_clients: false };
            assert_eq!(config.validate().is_ok(), is_valid, "{ratio}");
        }
    }

    /// Takes everything, and tells nobody: for the bound, all of it goes on waiting.
    #[derive(Debug)]
    struct Silent;

    impl ExportSpans for Silent {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Ok(())
        }
    }

    #[test]
    fn what_is_too_much_to_wait_is_counted_as_lost() {
        let metrics = TraceMetrics::default();
        let bounded = Bounded {
            processor: BatchSpanProcessor::builder(Silent).build(),
            metrics: metrics.clone(),
            waiting: Arc::default(),
            is_ended: AtomicBool::default(),
        };
        let provider = SdkTracerProvider::builder().with_span_processor(bounded).build();
        let tracer = provider.tracer("test");
        for _ in 0..QUEUE_SPANS_MAX {
            drop(tracer.start("in time"));
        }
        assert_eq!(metrics.lost(), 0);
        drop(tracer.start("one too many"));
        assert_eq!(metrics.lost(), 1);
        provider.shutdown().unwrap();
        drop(tracer.start("after the end"));
        assert_eq!(metrics.lost(), 1, "the library makes no spans any more");
    }
}
