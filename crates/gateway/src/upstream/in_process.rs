//! A service in the same process: its router is called.

use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, response::Response};
use service::{
    BoxFuture,
    http::health::{Check, Readiness},
    metrics::ServiceHttp,
};
use tower::Service;

use super::{Upstream, UpstreamError};

/// A service in the same process.
pub struct InProcess {
    router: Router,
    http: Option<ServiceHttp>,
    readiness: Arc<dyn Readiness>,
}

impl InProcess {
    /// The service with this router. `readiness` is asked for `/readyz`.
    pub fn new(router: Router, readiness: Arc<dyn Readiness>) -> Self {
        Self { router, http: None, readiness }
    }

    /// The same, whose requests are counted.
    #[must_use]
    pub fn measured(self, http: ServiceHttp) -> Self {
        Self { http: Some(http), ..self }
    }
}

impl Upstream for InProcess {
    fn call(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response, UpstreamError>> {
        let measurement = self.http.as_ref().map(|http| http.start(request.method()));
        // A router is always ready and never fails, and its clone is one more reference.
        let answer = self.router.clone().call(request);
        Box::pin(async {
            let Ok(response) = answer.await;
            if let Some(measurement) = measurement {
                measurement.finish(&response);
            }
            Ok(response)
        })
    }
}

impl Readiness for InProcess {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        self.readiness.check()
    }
}
