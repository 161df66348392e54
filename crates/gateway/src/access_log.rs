//! One event a request, for whoever runs the service. It holds no token, name or body, and of the
//! path only the pattern, so that nothing personal that a path may carry is logged.

use std::time::Duration;

use axum::{extract::Request, http::Method, response::Response};
use service::{
    clock::Clock,
    contract::identity::{Asker, Caller},
    http::{request_id::RequestId, route},
    trace::Place,
};

use crate::gateway::Findings;
use tracing::Level;

const TARGET: &str = "my_pay_gateway::access";

/// The status that is logged for a request whose client went away before the answer, as nginx does.
const CLIENT_GONE: u16 = 499;

/// Logs a request when it ends, or when it is dropped because its client is gone.
pub(crate) struct AccessLog<'a>(Option<Entry<'a>>);

struct Entry<'a> {
    clock: &'a Clock,
    started: Duration,
    request_id: RequestId,
    method: Method,
    trace: Option<Place>,
    findings: &'a Findings,
}

impl<'a> AccessLog<'a> {
    /// Starts the time. Does nothing, now and later, if nobody wants these events.
    pub(crate) fn start(
        clock: &'a Clock,
        request: &Request,
        request_id: &RequestId,
        trace: Option<Place>,
        findings: &'a Findings,
    ) -> Self {
        Self(tracing::enabled!(target: TARGET, Level::INFO).then(|| Entry {
            clock,
            started: clock.monotonic(),
            request_id: request_id.clone(),
            method: request.method().clone(),
            trace,
            findings,
        }))
    }

    /// The request is answered.
    pub(crate) fn finish(mut self, response: &Response) {
        let Some(entry) = self.0.take() else { return };
        entry.write(route::pattern(response), response.status().as_u16());
    }
}

impl Entry<'_> {
    fn write(&self, route: &str, status: u16) {
        let identity = match self.findings.caller.get() {
            Some(Caller::Known(identity)) => Some(identity),
            Some(Caller::Anonymous | Caller::Refused) | None => None,
        };
        let api_key_id = identity.and_then(|identity| match identity.asker {
            Asker::Person { .. } => None,
            Asker::ApiKey { id } => Some(id),
        });
        let duration = self.clock.monotonic().saturating_sub(self.started);
        tracing::event!(
            target: TARGET,
            Level::INFO,
            {
                request.id = self.request_id.as_str(),
                http.method = self.method.as_str(),
                http.route = route,
                http.status = status,
                duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
                account.id = identity.and_then(|identity| identity.account_id),
                api_key.id = api_key_id,
                trace.id = self.trace.as_ref().map(Place::trace_id),
            },
            "request"
        );
    }
}

impl Drop for AccessLog<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.0.take() {
            let place = entry.findings.place.get();
            entry.write(place.copied().unwrap_or(route::UNMATCHED), CLIENT_GONE);
        }
    }
}
