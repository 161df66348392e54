//! A service at several addresses, over HTTP/1.1. A request goes to one of the ready addresses;
//! what fails there is tried at another one, as far as that is safe and does not multiply an
//! outage.

mod config;
mod membership;
mod probe;

mod choose;
mod member;
mod random;

mod attempt;
mod retry;
mod trace;

use std::{
    net::SocketAddr,
    sync::{Arc, RwLockReadGuard, atomic::AtomicUsize},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::request::Parts,
    response::Response,
};
use http_body_util::BodyExt;
use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
use service::{
    BoxFuture,
    clock::Clock,
    contract::identity::{Caller, Party, Signer, Subject, X_MY_PAY_IDENTITY},
    counted::counted,
    http::health::{Check, Readiness},
    trace::Span,
};
use tokio::{task::JoinSet, time::timeout};

pub use self::config::PoolConfig;
use self::{
    attempt::{Outcome, attempt},
    member::{Fault, Member, Standing},
    membership::{Members, Membership, Place},
    random::Random,
    retry::{Budget, is_repeatable},
};
use super::{Upstream, UpstreamError};
use crate::metrics::{Metrics, RetryLabels, UpstreamLabels};

/// A service that runs apart from the gateway.
#[derive(Debug, Clone)]
pub struct PooledService {
    /// Its name in readiness, logs and metrics.
    pub name: &'static str,
    /// Who identities are signed for.
    pub audience: Party,
    /// `HOST:PORT` of each instance. A name stands for all addresses that it resolves to.
    pub addresses: Vec<String>,
    /// Paths at which a POST with the same `Idempotency-Key` is never done twice.
    pub keyed_paths: &'static [&'static str],
}

/// The addresses of one service.
pub struct Pool {
    service: PooledService,
    config: PoolConfig,
    clock: Clock,
    signer: Option<Signer>,
    members: Arc<Members>,
    count: Arc<AtomicUsize>,
    random: Arc<Random>,
    budget: Budget,
    metrics: Metrics,
    duration: Histogram,
    denied: Counter,
    /// Looks names up and asks for readiness, until the pool is dropped.
    _background: JoinSet<()>,
}

/// What may be done with a request besides sending it once, and what is known about it so far.
struct Progress {
    is_repeatable: bool,
    tried: Vec<SocketAddr>,
    /// Whether an earlier try may have been carried out.
    is_in_doubt: bool,
}

impl Pool {
    /// Starts a pool inside a tokio runtime. Requests carry who is calling only with a `signer`;
    /// services apart answer nothing without. The error has one line a problem.
    pub fn start(
        service: PooledService,
        config: &PoolConfig,
        signer: Option<Signer>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        let mut problems = config.problems();
        let mut places = Vec::new();
        for address in &service.addresses {
            match Place::parse(address) {
                Ok(place) => places.push(place),
                Err(problem) => problems.push(problem),
            }
        }
        if service.addresses.is_empty() {
            problems.push(format!("the {} service has no address", service.name));
        }
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        let random = Arc::new(Random::seeded());
        let new_member = {
            let (name, config) = (service.name, config.clone());
            let (clock, metrics) = (clock.clone(), metrics.clone());
            move |address| Member::new(name, address, &config, &clock, &metrics)
        };
        let membership = Membership::start(places, Arc::clone(&random), new_member);
        let (members, count) = (membership.members(), membership.count());
        let mut background = JoinSet::new();
        background.spawn(membership.run(config.resolve_interval));
        let labels = UpstreamLabels { upstream: service.name };
        for reason in Outcome::REASONS {
            let labels = RetryLabels { upstream: service.name, reason };
            drop(metrics.upstream_retries.get_or_create(&labels));
        }
        Ok(Self {
            config: config.clone(),
            clock,
            signer,
            members,
            count,
            random,
            budget: Budget::new(config.retry_percent),
            duration: metrics.upstream_duration.get_or_create_owned(&labels),
            denied: metrics.upstream_retries_denied.get_or_create_owned(&labels),
            metrics: metrics.clone(),
            service,
            _background: background,
        })
    }

    /// How many instances there are, kept up to date. Names may come to stand for more or fewer.
    pub fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.count)
    }

    async fn send(&self, request: Request<Body>) -> Result<Response, UpstreamError> {
        let (parts, body) = request.into_parts();
        // It is in memory already: this copies nothing and waits for nobody.
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return Err(UpstreamError::Unreachable(error.into())),
        };
        self.budget.pay_in();
        let path = parts.uri.path();
        let keyed_paths = self.service.keyed_paths;
        let mut progress = Progress {
            is_repeatable: is_repeatable(&parts.method, path, &parts.headers, keyed_paths),
            tried: Vec::new(),
            is_in_doubt: false,
        };
        let mut member =
            self.choose(&progress.tried, Standing::Silent).ok_or_else(|| self.nobody_left())?;
        loop {
            progress.tried.push(member.address());
            let begun = trace::begin_try(&parts.method, &progress.tried);
            let outcome = self.try_once(&member, &parts, &body, &progress, &begun.span).await;
            begun.end(&outcome);
            match self.next(&outcome, &mut progress) {
                Some(next) => {
                    self.count_retry(&outcome);
                    member = next;
                }
                None => return finish(outcome, progress.is_in_doubt),
            }
        }
    }

    /// One try. If no answer comes in time, and the request may be given to somebody else, this one
    /// is given up; otherwise it goes on until the time limit of the whole request.
    async fn try_once(
        &self,
        member: &Member,
        parts: &Parts,
        body: &Bytes,
        progress: &Progress,
        span: &Span,
    ) -> Outcome {
        let mut parts = self.sign(parts, body);
        span.inject(&mut parts.headers);
        let mut trying = std::pin::pin!(attempt(member, &parts, body));
        if !progress.is_repeatable {
            return trying.await;
        }
        if let Ok(outcome) = timeout(self.config.try_timeout, trying.as_mut()).await {
            return outcome;
        }
        let somebody_else = self.has_tries_left(progress) && self.has_another(&progress.tried);
        // Slowness counts only against an address that another one can stand in for: to leave out
        // the last one for it would turn slow answers into none.
        if somebody_else {
            member.failed(Fault::Silent, "a request was not answered in time");
        }
        if somebody_else && self.take_from_budget() { Outcome::Silent } else { trying.await }
    }

    /// Whom to try after this outcome, if anybody.
    fn next(&self, outcome: &Outcome, progress: &mut Progress) -> Option<Arc<Member>> {
        progress.is_in_doubt |= matches!(outcome, Outcome::Broken(_) | Outcome::Silent);
        if !self.has_tries_left(progress) {
            return None;
        }
        let tried = &progress.tried;
        match outcome {
            Outcome::Answered(_) => None,
            // Nothing was done and nobody was put to work, so no budget is needed; what was silent
            // was given up within the budget.
            Outcome::NotReceived(_) | Outcome::Refused | Outcome::Silent => {
                self.choose(tried, Standing::Doubtful)
            }
            Outcome::Broken(_) | Outcome::Unavailable(_) => {
                let may = progress.is_repeatable && self.has_another(tried);
                if may && self.take_from_budget() {
                    self.choose(tried, Standing::Ready)
                } else {
                    None
                }
            }
        }
    }

    fn has_tries_left(&self, progress: &Progress) -> bool {
        progress.tried.len() <= self.config.retries_max as usize
    }

    /// Whether another address is ready.
    fn has_another(&self, tried: &[SocketAddr]) -> bool {
        self.members().iter().any(|member| {
            member.standing() == Standing::Ready && !tried.contains(&member.address())
        })
    }

    fn take_from_budget(&self) -> bool {
        let taken = self.budget.take();
        if !taken {
            self.denied.inc();
        }
        taken
    }

    fn choose(&self, tried: &[SocketAddr], lowest: Standing) -> Option<Arc<Member>> {
        choose::choose(&self.members(), tried, lowest, &self.random)
    }

    fn members(&self) -> RwLockReadGuard<'_, Arc<[Arc<Member>]>> {
        self.members.read().expect("nothing panics while it holds the lock")
    }

    /// The head with the identity of the caller, which holds for seconds and for this request.
    fn sign(&self, parts: &Parts, body: &Bytes) -> Parts {
        let mut signed = parts.clone();
        if let Some(signer) = &self.signer {
            let caller = parts.extensions.get::<Caller>().copied().unwrap_or(Caller::Anonymous);
            let subject = Subject::Caller(caller);
            let identity = signer.sign(subject, self.service.audience, parts, body);
            signed.headers.insert(X_MY_PAY_IDENTITY, identity);
        }
        signed
    }

    fn count_retry(&self, outcome: &Outcome) {
        let labels = RetryLabels { upstream: self.service.name, reason: outcome.reason() };
        self.metrics.upstream_retries.get_or_create(&labels).inc();
        tracing::debug!(upstream = labels.upstream, reason = labels.reason, "one more try");
    }

    fn nobody_left(&self) -> UpstreamError {
        let all = counted(self.members().len(), "address", "addresses");
        let name = self.service.name;
        UpstreamError::Unreachable(format!("of {all} of the {name} service none answers").into())
    }
}

/// The answer to the client when nobody else is tried.
fn finish(outcome: Outcome, is_in_doubt: bool) -> Result<Response, UpstreamError> {
    match outcome {
        // "Nothing was done" is true of this try, and perhaps not of the one before.
        Outcome::Unavailable(_) if is_in_doubt => {
            Err(UpstreamError::Failed("a try broke off, and the next one was turned away".into()))
        }
        Outcome::Answered(response) | Outcome::Unavailable(response) => Ok(response),
        Outcome::Refused => in_doubt_or_not(is_in_doubt, "the signed identity was refused".into()),
        Outcome::NotReceived(error) => in_doubt_or_not(is_in_doubt, error),
        Outcome::Broken(error) => Err(UpstreamError::Failed(error)),
        Outcome::Silent => Err(UpstreamError::Failed("no address answered in time".into())),
    }
}

fn in_doubt_or_not(
    is_in_doubt: bool,
    error: Box<dyn std::error::Error + Send + Sync>,
) -> Result<Response, UpstreamError> {
    Err(if is_in_doubt { UpstreamError::Failed(error) } else { UpstreamError::Unreachable(error) })
}

/// Measures until it is dropped, which is also what becomes of a request that is given up.
struct Measured<'a> {
    pool: &'a Pool,
    started: Duration,
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        let duration = self.pool.clock.monotonic().saturating_sub(self.started);
        self.pool.duration.observe(duration.as_secs_f64());
    }
}

impl Upstream for Pool {
    fn call(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response, UpstreamError>> {
        Box::pin(async move {
            let _measured = Measured { pool: self, started: self.clock.monotonic() };
            self.send(request).await
        })
    }
}

impl Readiness for Pool {
    /// Ready as long as one address is.
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        let members = self.members();
        let ready = members.iter().filter(|member| member.standing() == Standing::Ready).count();
        let detail = format!("{ready} of {} ready", counted(members.len(), "address", "addresses"));
        let check = Check { name: self.service.name, ok: ready > 0, detail };
        Box::pin(async move { vec![check] })
    }
}
