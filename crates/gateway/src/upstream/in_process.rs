//! A service in the same process: its router is called.

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, response::Response};
use service::{
    BoxFuture,
    http::health::{Check, Readiness},
};
use tower::Service;

use super::{Upstream, UpstreamError};

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
