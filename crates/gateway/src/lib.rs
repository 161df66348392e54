//! The edge of my-pay: every request passes here before it reaches a service. It routes,
//! authenticates, limits and cleans requests, and marks and logs responses. It knows no account and
//! no money: what it serves is a table of prefixes and upstreams, and who is calling comes from
//! token introspection.

mod gateway;

mod config;
mod metrics;
mod routes;
mod upstream;

mod health;
mod request;

mod access_log;
mod cors;

pub use config::{Config, Rate, RateLimits};
pub use gateway::{Gateway, Shared};
pub use metrics::Metrics;
pub use request::rate_limit::RateLimitMetrics;
pub use routes::Route;
pub use upstream::{InProcess, Pool, PoolConfig, PooledService, Upstream, UpstreamError};
