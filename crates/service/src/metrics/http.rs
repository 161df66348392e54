//! Rate, errors and duration of requests, by route pattern and status; and how many of them the
//! service failed, from zero, for whoever watches its error budget.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, extract::Request, response::Response};
use hyper::Method;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use tower::Service;

use super::duration_histogram;
use crate::{
    BoxFuture,
    clock::Clock,
    http::{
        health,
        route::{self, known_method},
    },
};

/// What stands for the status of a request whose client went away before the answer, as in nginx.
const CLIENT_GONE: u16 = 499;
/// What stands for it if there was none because of a panic.
const PANICKED: u16 = 500;
/// A client that went away after it had waited so long was failed, whatever it was waiting for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What all services of a process count; clones share everything.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    durations: Family<RequestLabels, Histogram>,
    in_flight: Family<ServiceLabels, Gauge>,
    failures: Family<ServiceLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    service: &'static str,
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    service: &'static str,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            durations: Family::new_with_constructor(duration_histogram),
            in_flight: Family::default(),
            failures: Family::default(),
        }
    }
}

impl HttpMetrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "mypay_http_request_duration",
            "Time from the head of a request to the head of its answer",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            "mypay_http_requests_in_flight",
            "Requests that are not answered yet",
            self.in_flight.clone(),
        );
        registry.register(
            "mypay_http_failures",
            "Requests that were answered 5xx, or whose client gave up after more than a second; \
             health checks do not count",
            self.failures.clone(),
        );
    }

    /// The part of one service.
    pub fn of(&self, service: &'static str, clock: &Clock) -> ServiceHttp {
        let labels = ServiceLabels { service };
        ServiceHttp(Arc::new(Inner {
            service,
            clock: clock.clone(),
            durations: self.durations.clone(),
            in_flight: self.in_flight.get_or_create_owned(&labels),
            failures: self.failures.get_or_create_owned(&labels),
        }))
    }
}

/// What one service counts; clones share everything.
#[derive(Clone)]
pub struct ServiceHttp(Arc<Inner>);

struct Inner {
    service: &'static str,
    clock: Clock,
    durations: Family<RequestLabels, Histogram>,
    in_flight: Gauge,
    failures: Counter,
}

impl ServiceHttp {
    /// Starts the time of a request, which is counted when it is finished, or dropped because its
    /// client is gone.
    pub fn start(&self, method: &Method) -> Measurement<'_> {
        self.0.in_flight.inc();
        Measurement {
            inner: &self.0,
            method: known_method(method),
            started: self.0.clock.monotonic(),
            place: None,
        }
    }
}

/// A request that is not answered yet.
pub struct Measurement<'a> {
    inner: &'a Inner,
    method: &'static str,
    started: Duration,
    /// What stands for the route if there is no answer.
    place: Option<&'a OnceLock<&'static str>>,
}

impl<'a> Measurement<'a> {
    /// Where to look for what the request is for, as far as that was found out before its client
    /// went away.
    #[must_use]
    pub fn placed_by(mut self, place: &'a OnceLock<&'static str>) -> Self {
        self.place = Some(place);
        self
    }

    /// The request is answered. The pattern of its route is an extension of the response.
    pub fn finish(self, response: &Response) {
        self.count(route::pattern(response), response.status().as_u16());
        std::mem::forget(self);
    }

    fn count(&self, route: &str, status: u16) {
        let Inner { service, clock, durations, in_flight, failures } = self.inner;
        in_flight.dec();
        let duration = clock.monotonic().saturating_sub(self.started);
        let is_failed = status >= 500 || (status == CLIENT_GONE && duration > PATIENCE);
        if is_failed && health::route_of(route).is_none() {
            failures.inc();
        }
        let labels =
            RequestLabels { service, method: self.method, route: route.to_owned(), status };
        durations.get_or_create(&labels).observe(duration.as_secs_f64());
    }
}

impl Drop for Measurement<'_> {
    fn drop(&mut self) {
        let place = self.place.and_then(OnceLock::get).copied();
        let status = if std::thread::panicking() { PANICKED } else { CLIENT_GONE };
        self.count(place.unwrap_or(route::UNMATCHED), status);
    }
}

/// A service's routes, whose requests are counted. Less work a request than a middleware.
#[derive(Clone)]
pub struct Measured {
    routes: Router,
    http: ServiceHttp,
}

impl Measured {
    /// Counts the requests of these routes.
    pub fn new(routes: Router, http: ServiceHttp) -> Self {
        Self { routes, http }
    }
}

impl Service<Request> for Measured {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (http, mut routes) = (self.http.clone(), self.routes.clone());
        Box::pin(async move {
            let place = health::route_of(request.uri().path()).map(OnceLock::from);
            let place = place.unwrap_or_default();
            let measurement = http.start(request.method()).placed_by(&place);
            let response = routes.call(request).await?;
            measurement.finish(&response);
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use hyper::StatusCode;

    use super::*;
    use crate::clock::Timestamp;

    /// What is shown after one request that took so long and came to this.
    fn shown(took: Duration, end: impl FnOnce(Measurement<'_>)) -> String {
        let (http, mut registry) = (HttpMetrics::default(), Registry::default());
        http.register(&mut registry);
        let clock = Clock::held(Timestamp::from_micros(0));
        let service = http.of("gateway", &clock);
        let measurement = service.start(&Method::POST);
        clock.advance(took);
        end(measurement);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("mypay_http_requests_in_flight{service=\"gateway\"} 0\n"), "{text}");
        text
    }

    #[track_caller]
    fn check(text: &str, route: &str, status: u16, failures: u64) {
        let labels =
            format!("service=\"gateway\",method=\"POST\",route=\"{route}\",status=\"{status}\"");
        let count = format!("mypay_http_request_duration_seconds_count{{{labels}}} 1\n");
        assert!(text.contains(&count), "{text}");
        let failures = format!("mypay_http_failures_total{{service=\"gateway\"}} {failures}\n");
        assert!(text.contains(&failures), "{text}");
    }

    #[test]
    fn an_answer_of_the_service_that_is_an_error_is_a_failure() {
        let answered = |status: StatusCode, route| {
            let mut response = status.into_response();
            route::name(&mut response, route);
            shown(Duration::from_secs(2), |measurement| measurement.finish(&response))
        };
        check(&answered(StatusCode::OK, "/money"), "/money", 200, 0);
        check(&answered(StatusCode::CONFLICT, "/money"), "/money", 409, 0);
        check(&answered(StatusCode::BAD_GATEWAY, "/money"), "/money", 502, 1);
        check(&answered(StatusCode::SERVICE_UNAVAILABLE, "/readyz"), "/readyz", 503, 0);
    }

    #[test]
    fn a_client_that_gave_up_is_counted_where_it_was_going() {
        let place = OnceLock::from("/money");
        let gone = |took| shown(took, |measurement| drop(measurement.placed_by(&place)));
        check(&gone(Duration::from_secs(1)), "/money", 499, 0);
        check(&gone(Duration::from_millis(1_001)), "/money", 499, 1);
        let nowhere = OnceLock::new();
        let text = shown(Duration::ZERO, |measurement| drop(measurement.placed_by(&nowhere)));
        check(&text, route::UNMATCHED, 499, 0);
    }

    #[test]
    fn a_panic_is_no_fault_of_the_client() {
        let place = OnceLock::from("/money");
        let text = shown(Duration::ZERO, |measurement| {
            let panicking = std::panic::AssertUnwindSafe(|| {
                let _measurement = measurement.placed_by(&place);
                panic!("on purpose");
            });
            std::panic::catch_unwind(panicking).unwrap_err();
        });
        check(&text, "/money", 500, 1);
    }
}
