//! What is behind the gateway: something that answers requests and can say whether it is ready.
//! Here it is a router in the same process; a pool of addresses has the same shape.

use std::{error::Error, sync::Arc};

use axum::{Router, body::Body, extract::Request, response::Response};
use service::{
    BoxFuture,
    http::health::{Check, Readiness},
};
use tower::Service;

/// A service as the gateway sees it. Its readiness is part of the gateway's `/readyz`.
pub trait Upstream: Readiness {
    /// Answers a request. Its body is whole and bounded, its identity headers are gone, and its
    /// extensions hold `RequestId` and `Caller`. The gateway gives up after its time limit by
    /// dropping the future; what must not stop half-way then belongs to somebody else than the
    /// future.
    fn call(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response, UpstreamError>>;
}

/// Why an upstream has no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It cannot be reached, and has not seen the request: trying again is safe.
    #[error("a service cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// It was given the request and broke off: what it did is unknown.
    #[error("a service broke off before its answer")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// A service in the same process.
pub struct InProcess {
    router: Router,
    readiness: Arc<dyn Readiness>,
}

impl InProcess {
    /// The service with this router. `readiness` is asked for `/readyz`.
    pub fn new(router: Router, readiness: Arc<dyn Readiness>) -> Self {
        Self { router, readiness }
    }
}

impl Upstream for InProcess {
    fn call(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response, UpstreamError>> {
        // A router is always ready and never fails, and its clone is one more reference.
        let answer = self.router.clone().call(request);
        Box::pin(async { answer.await.map_err(|never| match never {}) })
    }
}

impl Readiness for InProcess {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        self.readiness.check()
    }
}
