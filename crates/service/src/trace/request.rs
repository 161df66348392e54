//! The span of a request, from its head to the head of its answer. Names and attributes are those
//! of OpenTelemetry's semantic conventions for HTTP. A path may hold what is personal, so it is the
//! route's pattern that is told.

use std::pin::{Pin, pin};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use hyper::{HeaderMap, Method};
use opentelemetry::{
    Context,
    trace::{Link, SpanBuilder, SpanContext, SpanKind, TraceContextExt as _, TraceState},
};

use super::{Place, Span, TRACING, context};
use crate::http::{
    request_id::RequestId,
    route::{self, known_method},
};

/// The span of a request that is not answered yet.
#[derive(Debug)]
pub struct RequestSpan {
    span: Span,
    method: &'static str,
    is_answered: bool,
}

/// Begins the trace of a request that comes from outside, if it is one of the share. What a client
/// says of its own trace is believed only where that is configured; otherwise the new trace has a
/// link to it.
pub fn begin(method: &Method, headers: &HeaderMap, request_id: &RequestId) -> RequestSpan {
    let span = begin_from_outside(method, headers);
    span.set("my_pay.request.id", request_id.as_str().to_owned());
    RequestSpan::new(span, method)
}

fn begin_from_outside(method: &Method, headers: &HeaderMap) -> Span {
    let Some(tracing) = TRACING.get() else { return Span::default() };
    let client = context::read(headers);
    let mut builder = SpanBuilder::from_name(known_method(method)).with_kind(SpanKind::Server);
    let mut parent = Context::new();
    let is_traced = match client {
        Some(client) if tracing.follows_clients => {
            let is_sampled = client.is_sampled();
            parent = parent.with_remote_span_context(client);
            is_sampled
        }
        client => {
            builder.links = client.map(|client| vec![Link::with_context(without_state(&client))]);
            tracing.sampling.takes_next()
        }
    };
    if is_traced { tracing.span(builder, &parent) } else { Span::default() }
}

/// A client may write anything into `tracestate`, and much: only who is believed may add it.
fn without_state(client: &SpanContext) -> SpanContext {
    let (trace_id, span_id) = (client.trace_id(), client.span_id());
    SpanContext::new(trace_id, span_id, client.trace_flags(), true, TraceState::NONE)
}

/// The routes of a service, to be put inside whatever checks who is calling. If tracing was
/// started, their requests go on with the trace that the gateway has begun, which is in hand in the
/// same process, and in a header from another.
pub fn traced(routes: Router) -> Router {
    if TRACING.get().is_some() { routes.layer(from_fn(serve)) } else { routes }
}

async fn serve(request: Request, next: Next) -> Response {
    let span = RequestSpan::new(continue_trace(&request), request.method());
    let response = span.run(pin!(next.run(request))).await;
    span.finish(&response);
    response
}

fn continue_trace(request: &Request) -> Span {
    let Some(tracing) = TRACING.get() else { return Span::default() };
    let builder =
        SpanBuilder::from_name(known_method(request.method())).with_kind(SpanKind::Server);
    if Place::current().is_some() {
        return Span::of_current(builder);
    }
    match context::read(request.headers()) {
        Some(caller) if caller.is_sampled() => {
            tracing.span(builder, &Context::new().with_remote_span_context(caller))
        }
        _ => Span::default(),
    }
}

impl RequestSpan {
    /// For a request that is not to be traced.
    pub fn none() -> Self {
        Self { span: Span::default(), method: "", is_answered: false }
    }

    fn new(span: Span, method: &Method) -> Self {
        let method = known_method(method);
        span.set("http.request.method", method);
        Self { span, method, is_answered: false }
    }

    /// Runs the future as what this span measures.
    pub fn run<F: Future>(&self, future: Pin<&mut F>) -> impl Future<Output = F::Output> {
        self.span.run(future)
    }

    /// Where it is, if the request is traced.
    pub fn place(&self) -> Option<Place> {
        self.span.place()
    }

    /// The request is answered. The pattern of its route is an extension of the response.
    pub fn finish(mut self, response: &Response) {
        self.is_answered = true;
        let Some(context) = &self.span.0 else { return };
        let (route, status) = (route::pattern(response), response.status());
        context.span().update_name(format!("{} {route}", self.method));
        self.span.set("http.route", route.to_owned());
        self.span.set("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            self.span.fail("5xx");
        }
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        if !self.is_answered {
            self.span.fail(if std::thread::panicking() { "panic" } else { "client_gone" });
        }
    }
}
