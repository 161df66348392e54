//! Where in a trace a request belongs, as the headers `traceparent` and `tracestate` say it (W3C
//! Trace Context, <https://www.w3.org/TR/trace-context/>).

use hyper::{HeaderMap, header::HeaderName};
use opentelemetry::{
    Context,
    propagation::TextMapPropagator as _,
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Takes it off a request whose sender is not to be believed.
pub(crate) fn forget(headers: &mut HeaderMap) {
    for name in [TRACEPARENT, TRACESTATE, BAGGAGE] {
        headers.remove(name);
    }
}

/// Writes it into a request.
pub(super) fn write(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(headers));
}

/// Reads it from a request. `None` if there is none, or it makes no sense.
pub(super) fn read(headers: &HeaderMap) -> Option<SpanContext> {
    if !headers.contains_key(TRACEPARENT) {
        return None;
    }
    let context = TraceContextPropagator::new()
        .extract_with_context(&Context::new(), &HeaderExtractor(headers));
    let found = context.span().span_context().clone();
    found.is_valid().then_some(found)
}
