//! What is behind the gateway: something that answers requests and can say whether it is ready. It
//! is a router in the same process, or a pool of addresses.

mod in_process;
mod pool;

use std::error::Error;

use axum::{body::Body, extract::Request, response::Response};
use service::{BoxFuture, http::health::Readiness};

pub use self::{
    in_process::InProcess,
    pool::{Pool, PoolConfig, PooledService},
};

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
