//! Rate, errors and duration of requests, by route pattern and status.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, extract::Request, response::Response};
use hyper::Method;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use tower::Service;

use super::duration_histogram;
use crate::{
    BoxFuture,
    clock::Clock,
    http::route::{self, known_method},
};

/// What stands for the status of a request whose client went away before the answer, as in nginx.
const CLIENT_GONE: u16 = 499;

/// What all services of a process count; clones share everything.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    durations: Family<RequestLabels, Histogram>,
    in_flight: Family<ServiceLabels, Gauge>,
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
    }

    /// The part of one service.
    pub fn of(&self, service: &'static str, clock: &Clock) -> ServiceHttp {
        let in_flight = self.in_flight.get_or_create_owned(&ServiceLabels { service });
        ServiceHttp(Arc::new(Inner {
            service,
            clock: clock.clone(),
            durations: self.durations.clone(),
            in_flight,
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
        }
    }
}

/// A request that is not answered yet.
pub struct Measurement<'a> {
    inner: &'a Inner,
    method: &'static str,
    started: Duration,
}

impl Measurement<'_> {
    /// The request is answered. The pattern of its route is an extension of the response.
    pub fn finish(self, response: &Response) {
        self.count(route::pattern(response), response.status().as_u16());
        std::mem::forget(self);
    }

    fn count(&self, route: &str, status: u16) {
        let Inner { service, clock, durations, in_flight } = self.inner;
        in_flight.dec();
        let labels =
            RequestLabels { service, method: self.method, route: route.to_owned(), status };
        let duration = clock.monotonic().saturating_sub(self.started);
        durations.get_or_create(&labels).observe(duration.as_secs_f64());
    }
}

impl Drop for Measurement<'_> {
    fn drop(&mut self) {
        self.count(route::UNMATCHED, CLIENT_GONE);
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
            let measurement = http.start(request.method());
            let response = routes.call(request).await?;
            measurement.finish(&response);
            Ok(response)
        })
    }
}
