//! The gateway as a service. [`Edge::pass_on`] is the list of what happens to a request, in order.

use std::{
    any::Any,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, OnceLock, Weak},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::header::{CONNECTION, HeaderValue},
    response::Response,
};
use service::{
    BoxFuture,
    clock::Clock,
    contract::{
        identity::{Caller, Identity},
        introspection::Introspection,
    },
    http::{
        finish::problem_response,
        health::{self, Check, Readiness},
        problem::{INTERNAL_ERROR, Problem, UNAVAILABLE, UPSTREAM_FAILED, UPSTREAM_TIMEOUT, chain},
        request_id::RequestId,
        route,
        server::{Draining, PeerAddress},
    },
    metrics::{HttpMetrics, ServiceHttp},
    redis::Redis,
    trace::{self, RequestSpan},
};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;

use crate::{
    access_log::AccessLog,
    config::Config,
    cors,
    health::Health,
    metrics::{InFlight, Metrics},
    request::{
        acting_account::{self, ActingAccounts},
        advice::Advice,
        authenticate::{Credentials, take_credentials},
        body, headers,
        introspection_cache::IntrospectionCache,
        rate_limit::{RateLimitMetrics, RateLimiters, Standing},
    },
    routes::{Route, Routes, to_origin_form},
    upstream::UpstreamError,
};

/// The gateway: a service for `service::http::server::serve`. Clones share everything.
#[derive(Clone)]
pub struct Gateway(Arc<Edge>);

struct Edge {
    config: Config,
    clock: Clock,
    cors: Option<CorsLayer>,
    health: Health,
    rate_limiters: Arc<RateLimiters>,
    routes: Routes,
    identities: Arc<IntrospectionCache>,
    acting_accounts: ActingAccounts,
    in_flight: Semaphore,
    http: ServiceHttp,
    metrics: Metrics,
    /// Hears revocations and sweeps rate limits, until the last clone of the gateway is dropped:
    /// that is, also while requests in flight are finished at shutdown.
    _background: JoinSet<()>,
}

/// What was found out about a request on its way, for metrics and the log, which also tell of
/// requests that are not answered.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Who is calling.
    pub(crate) caller: OnceLock<Caller>,
    /// The service or page that it is for, in place of a route's pattern.
    pub(crate) place: OnceLock<&'static str>,
}

/// What a gateway has in common with others, and with whoever watches it.
#[derive(Default)]
pub struct Shared {
    /// Where rate limits are counted for all gateways; each counts its own without it.
    pub redis: Option<Redis>,
    /// What rate limiting counts.
    pub rate_limits: RateLimitMetrics,
    /// What everything else counts.
    pub metrics: Metrics,
    /// What all services of the process count about requests.
    pub http: HttpMetrics,
}

impl Gateway {
    /// Starts a gateway inside a tokio runtime. The error has one line for each bad setting or
    /// route.
    pub fn start(
        config: Config,
        routes: Vec<Route>,
        introspection: Arc<dyn Introspection>,
        clock: Clock,
    ) -> Result<Self, String> {
        let shared = Shared::default();
        Self::start_shared(config, routes, introspection, clock, shared)
    }

    /// Starts a gateway that shares its rate limits with all gateways on a Redis.
    pub fn start_shared(
        config: Config,
        routes: Vec<Route>,
        introspection: Arc<dyn Introspection>,
        clock: Clock,
        shared: Shared,
    ) -> Result<Self, String> {
        let Shared { redis, rate_limits, metrics, http } = shared;
        config.validate()?;
        let routes = Routes::new(routes)?;
        let mut background = JoinSet::new();
        let revocations = introspection.revocations();
        let acting_accounts = ActingAccounts::new(&config, Arc::clone(&introspection));
        let identities = Arc::new(IntrospectionCache::new(
            &config,
            introspection,
            clock.clone(),
            metrics.introspection.clone(),
        ));
        background.spawn(Arc::clone(&identities).listen(revocations));
        let rate_limiters = RateLimiters::new(config.rate_limits, &clock, redis, rate_limits);
        let rate_limiters = Arc::new(rate_limiters);
        if !rate_limiters.are_off() {
            let rate_limiters = Arc::clone(&rate_limiters);
            background.spawn(async move { rate_limiters.sweep().await });
        }
        let in_flight_max = config.requests_in_flight_max;
        metrics.in_flight_max.set(i64::try_from(in_flight_max).unwrap_or(i64::MAX));
        Ok(Self(Arc::new(Edge {
            http: http.of("gateway", &clock),
            metrics,
            cors: cors::layer(&config.cors_origins),
            health: Health::default(),
            rate_limiters,
            routes,
            identities,
            acting_accounts,
            in_flight: Semaphore::new(in_flight_max),
            _background: background,
            config,
            clock,
        })))
    }
}

impl Gateway {
    /// Says whether the gateway can work, and what is wrong if not. It does not keep the gateway.
    pub fn readiness(&self) -> Weak<dyn Readiness> {
        let edge: Arc<dyn Readiness> = Arc::clone(&self.0) as _;
        Arc::downgrade(&edge)
    }
}

impl Readiness for Edge {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(self.health.checks(&self.routes, &self.clock))
    }
}

impl Service<Request<Body>> for Gateway {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let edge = Arc::clone(&self.0);
        Box::pin(async move { Ok(edge.serve(request).await) })
    }
}

impl Edge {
    /// Names and logs the request, and marks whatever answers it.
    async fn serve(&self, mut request: Request) -> Response {
        let request_id = RequestId::accept_or_make(request.headers(), self.clock.now());
        let span = begin_trace(&request, &request_id);
        let findings = Findings::default();
        let log = AccessLog::start(&self.clock, &request, &request_id, span.place(), &findings);
        let measurement = self.http.start(request.method()).placed_by(&findings.place);
        to_origin_form(request.uri_mut());
        request.extensions_mut().insert(request_id.clone());
        let answer = pin!(self.answer_to_origin(request, &request_id, &findings));
        let mut response = span.run(answer).await;
        headers::mark_response(response.headers_mut(), &request_id);
        log.finish(&response);
        measurement.finish(&response);
        span.finish(&response);
        response
    }

    /// Answers pages of other origins as configured, and everything else as it comes.
    async fn answer_to_origin(
        &self,
        request: Request,
        request_id: &RequestId,
        findings: &Findings,
    ) -> Response {
        let Some(cors) = &self.cors else {
            return self.answer(request, request_id, findings).await;
        };
        let answer = service_fn(|request| async {
            Ok::<_, Infallible>(self.answer(request, request_id, findings).await)
        });
        match cors.layer(answer).oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Answers with the service's response or with a problem, also if something panics.
    async fn answer(
        &self,
        request: Request,
        request_id: &RequestId,
        findings: &Findings,
    ) -> Response {
        let uri = request.uri().clone();
        let mut standing = Standing::default();
        let passed_on = self.pass_on(request, request_id, findings, &mut standing);
        let passed_on = catch_panic(passed_on).await;
        let answer = passed_on.unwrap_or_else(|message| {
            tracing::error!(request.id = request_id.as_str(), message, "a request panicked");
            Err(Problem::new(&INTERNAL_ERROR))
        });
        let mut response = answer.unwrap_or_else(|problem| {
            let ends_connection = body::ends_connection(problem.kind);
            let mut response = problem_response(problem, &uri, request_id);
            if ends_connection {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        });
        self.rate_limiters.tell(standing, response.headers_mut());
        if let Some(place) = findings.place.get() {
            route::name(&mut response, place);
        }
        response
    }

    async fn pass_on(
        &self,
        mut request: Request,
        request_id: &RequestId,
        findings: &Findings,
        standing: &mut Standing,
    ) -> Result<Response, Problem> {
        let (method, uri) = (request.method(), request.uri());
        let is_draining = request.extensions().get::<Draining>().is_some();
        let (routes, clock) = (&self.routes, &self.clock);
        if let Some(place) = health::route_of(uri.path()) {
            found(&findings.place, place);
            let health = self.health.answer(method, uri, is_draining, request_id, routes, clock);
            return Ok(health.await);
        }
        let peer = request.extensions().get::<PeerAddress>().copied();
        let route = self.routes.find(request.uri().path());
        let acts_for = acting_account::read_header(request.headers());
        headers::clean_request(request.headers_mut(), request_id);
        let credentials = take_credentials(request.headers_mut());
        let known = if route.is_ok() { self.recall(&credentials) } else { None };
        self.rate_limiters.take_address(peer, known.as_ref(), standing).await?;
        let route = route?;
        found(&findings.place, route.prefix);
        let mut caller = self.identify(credentials).await?;
        let admitted = self.admit(&mut caller, acts_for, standing).await;
        found(&findings.caller, caller);
        admitted?;
        request.extensions_mut().insert(caller);
        let bounds = body::Bounds {
            bytes_max: self.config.body_bytes_max,
            timeout: self.config.body_timeout,
        };
        let request = body::read(request, bounds).await?;
        let mut response = self.call(route, request).await?;
        headers::clean_response(response.headers_mut());
        Ok(response)
    }

    /// Who is calling, if that is known without asking and is of use before the address is counted.
    fn recall(&self, credentials: &Credentials) -> Option<Identity> {
        if self.rate_limiters.are_off() {
            return None;
        }
        match credentials {
            Credentials::None | Credentials::Malformed => None,
            Credentials::Token(token) => self.identities.recall(*token),
        }
    }

    /// Who is calling. A bad token is not refused here: the service knows whether it matters.
    async fn identify(&self, credentials: Credentials) -> Result<Caller, Problem> {
        let token = match credentials {
            Credentials::None => return Ok(Caller::Anonymous),
            Credentials::Malformed => {
                self.metrics.count_refused_token("malformed");
                return Ok(Caller::Refused);
            }
            Credentials::Token(token) => token,
        };
        match self.identities.identify(token).await {
            Ok(Some(identity)) => Ok(Caller::Known(identity)),
            Ok(None) => {
                self.metrics.count_refused_token("inactive");
                Ok(Caller::Refused)
            }
            Err(error) => Err(Problem::unavailable(&error)),
        }
    }

    /// Counts a request of a caller who is known, and finds out the account that it acts for.
    async fn admit(
        &self,
        caller: &mut Caller,
        acts_for: Result<Option<i64>, Problem>,
        standing: &mut Standing,
    ) -> Result<(), Problem> {
        if let Caller::Known(identity) = caller {
            self.rate_limiters.take_caller(identity, standing).await?;
            *identity = self.acting_accounts.act_for(*identity, acts_for?).await?;
        }
        Ok(())
    }

    /// Has the service answer, bounded in number and time.
    async fn call(&self, route: &Route, request: Request) -> Result<Response, Problem> {
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Err(Problem::new(&UNAVAILABLE)
                .detail("Too many requests are in flight. Nothing was done: try again.")
                .retry_after(Duration::from_secs(1)));
        };
        let _counted = InFlight::begin(&self.metrics.in_flight);
        let advice = Advice::about(&request);
        match timeout(self.config.upstream_timeout, route.upstream.call(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error @ UpstreamError::Unreachable(_))) => Err(Problem::unavailable(&error)),
            Ok(Err(error @ UpstreamError::Failed(_))) => {
                tracing::error!(route = route.prefix, error = %chain(&error), "an upstream failed");
                Err(Problem::new(&UPSTREAM_FAILED).detail(advice.text()))
            }
            Err(_) => {
                let waited_ms = self.config.upstream_timeout.as_millis();
                tracing::warn!(route = route.prefix, waited_ms, "an upstream did not answer");
                Err(Problem::new(&UPSTREAM_TIMEOUT).detail(advice.text()))
            }
        }
    }
}

/// Keeps what is found out once a request.
fn found<T>(finding: &OnceLock<T>, value: T) {
    let set = finding.set(value);
    debug_assert!(set.is_ok(), "found out twice");
}

/// Orchestrators ask for health all the time, which is of no use to see.
fn begin_trace(request: &Request, request_id: &RequestId) -> RequestSpan {
    if health::route_of(request.uri().path()).is_some() {
        return RequestSpan::none();
    }
    trace::begin(request.method(), request.headers(), request_id)
}

/// The future's output, or the message of its panic. Costs nothing unless there is one.
async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        // The future is not polled again after a panic. What it shares with other requests is
        // atomics and locks that are not poisoned.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(message_of(&*panic))),
        }
    })
    .await
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
