//! Traces (OpenTelemetry): what one request went through, across services, with how long each part
//! took. Off until [`start`]; then a share of requests is traced. For all others a span is nothing,
//! and costs a look at whether there is one.
//!
//! The span of the work in hand is carried along by [`Span::run`], and becomes the parent of spans
//! that are begun meanwhile.

mod context;
mod export;
mod metrics;
mod request;
mod sampling;

use std::{
    pin::Pin,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use hyper::HeaderMap;
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{
        FutureExt as _, Link, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _,
    },
};
use opentelemetry_sdk::trace::SdkTracer;

pub(crate) use self::context::forget;
pub use self::{
    export::{Exporter, Invalid, TraceConfig, start},
    metrics::register,
    request::{RequestSpan, begin, traced},
};
use self::{metrics::TraceMetrics, sampling::Sampling};

/// What spans are made with, once tracing is started. One for the process, as for logs: what is
/// traced may be anywhere in it.
static TRACING: OnceLock<Tracing> = OnceLock::new();

#[derive(Debug)]
struct Tracing {
    tracer: SdkTracer,
    sampling: Sampling,
    follows_clients: bool,
    metrics: TraceMetrics,
}

/// A part of a trace, which ends when its last clone is dropped. Nothing at all where the request
/// is not traced.
#[derive(Debug, Clone, Default)]
pub struct Span(Option<Context>);

/// Where in a trace something belongs.
#[derive(Debug, Clone)]
pub struct Place(SpanContext);

impl Place {
    /// The work in hand, if it is traced.
    pub fn current() -> Option<Self> {
        TRACING.get()?;
        Context::map_current(|context| {
            let place = context.span().span_context().clone();
            place.is_sampled().then_some(Self(place))
        })
    }

    /// The trace's id, as everybody writes it.
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }
}

impl Span {
    /// A part of the work in hand, if that is traced.
    pub fn child(name: &'static str) -> Self {
        Self::of_current(SpanBuilder::from_name(name))
    }

    /// A call to another process, on behalf of the work in hand, if that is traced.
    pub fn call(name: &'static str) -> Self {
        Self::of_current(SpanBuilder::from_name(name).with_kind(SpanKind::Client))
    }

    fn of_current(builder: SpanBuilder) -> Self {
        let Some(tracing) = TRACING.get() else { return Self::default() };
        Context::map_current(|context| {
            if !context.span().span_context().is_sampled() {
                return Self::default();
            }
            tracing.span(builder, context)
        })
    }

    /// A trace of its own, for work that is done for several traces at once, and was begun so long
    /// ago. Nothing without any.
    pub fn for_all_of(
        name: &'static str,
        places: impl Iterator<Item = Place>,
        since: Duration,
    ) -> Self {
        let Some(tracing) = TRACING.get() else { return Self::default() };
        let links: Vec<_> = places.map(|place| Link::with_context(place.0)).collect();
        if links.is_empty() {
            return Self::default();
        }
        let builder = SpanBuilder::from_name(name).with_links(links).with_start_time(ago(since));
        tracing.span(builder, &Context::new())
    }

    /// Whether it is anything: what is dear to find out need not be noted otherwise.
    pub fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// A part of this span that has just ended.
    pub fn record(&self, name: &'static str, took: Duration) {
        let (Some(context), Some(tracing)) = (&self.0, TRACING.get()) else { return };
        let builder = SpanBuilder::from_name(name).with_start_time(ago(took));
        drop(builder.start_with_context(&tracing.tracer, context));
    }

    /// A part of the trace at `place` that ended so long ago, after which this span went on with
    /// it.
    pub fn take_over(&self, place: &Place, name: &'static str, took: Duration, ended: Duration) {
        let (Some(context), Some(tracing)) = (&self.0, TRACING.get()) else { return };
        let builder = SpanBuilder::from_name(name)
            .with_start_time(ago(took + ended))
            .with_links(vec![Link::with_context(context.span().span_context().clone())]);
        let parent = Context::new().with_remote_span_context(place.0.clone());
        let mut span = builder.start_with_context(&tracing.tracer, &parent);
        opentelemetry::trace::Span::end_with_timestamp(&mut span, ago(ended));
    }

    /// Runs the future as what this span measures. It stays where it is: futures of requests are
    /// large.
    pub async fn run<F: Future>(&self, future: Pin<&mut F>) -> F::Output {
        match &self.0 {
            None => future.await,
            Some(context) => future.with_context(context.clone()).await,
        }
    }

    /// Notes something about it, by a name of the semantic conventions where they have one.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Notes something that happened within it.
    pub fn event(&self, name: &'static str, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().add_event(name, vec![KeyValue::new(key, value)]);
        }
    }

    /// It failed, for a reason out of few.
    pub fn fail(&self, reason: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new("error.type", reason));
            context.span().set_status(Status::error(reason));
        }
    }

    /// Tells another process where in the trace its work belongs (W3C Trace Context).
    pub fn inject(&self, headers: &mut HeaderMap) {
        if let Some(context) = &self.0 {
            context::write(context, headers);
        }
    }

    /// Where it is, if it is anything.
    pub fn place(&self) -> Option<Place> {
        self.0.as_ref().map(|context| Place(context.span().span_context().clone()))
    }
}

/// Carries the work in hand along where the future goes, such as to a task of its own.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.with_current_context()
}

impl Tracing {
    fn span(&self, builder: SpanBuilder, parent: &Context) -> Span {
        let span = builder.start_with_context(&self.tracer, parent);
        Span(Some(parent.with_span(span)))
    }
}

/// By the clock that the library begins and ends all other spans with.
fn ago(duration: Duration) -> SystemTime {
    let now = opentelemetry::time::now();
    now.checked_sub(duration).unwrap_or(now)
}
