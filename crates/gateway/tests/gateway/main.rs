//! The gateway from outside: real requests through the whole of it, to a small service behind it.

mod support;

mod authentication;
mod bounds;
mod connections;
mod log;
mod pool;
mod rate_limits;
mod requests;
mod revocations;
