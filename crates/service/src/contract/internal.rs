//! The contracts over HTTP, for services that run apart: the account service serves [`routes()`],
//! and an [`AccountClient`] stands in for it elsewhere; the money service serves
//! [`money_routes()`], and a [`MoneyClient`] stands in for it. JSON, signed with the identity of a
//! service, below a prefix that the gateway never routes.
//!
//! `POST /internal/v1/introspect` has the shape of RFC 7662, but it is asked with the digest of a
//! token or API key (`tokenSha256`, base64url), because tokens themselves do not cross services.
//! Times are in microseconds. `POST /internal/v1/account-exists` asks about an account that an API
//! key acts for. `GET /internal/v1/account-changes` is a long poll.

mod addresses;
mod client;
mod closing;
mod resolver;
mod routes;
#[cfg(test)]
mod tests;
mod wire;

use hyper::header::HeaderName;

pub use self::{
    addresses::InvalidAddress,
    client::AccountClient,
    closing::{MoneyClient, money_routes},
    routes::routes,
};

/// Where introspection is asked for.
const INTROSPECT: &str = "/internal/v1/introspect";
/// Where it is asked whether an account exists.
const ACCOUNT_EXISTS: &str = "/internal/v1/account-exists";
/// Where the account feed is read.
const ACCOUNT_CHANGES: &str = "/internal/v1/account-changes";
/// Where the money service is asked to close wallets.
const CLOSINGS: &str = "/internal/v1/closings";
/// The installation of the account service that answers with its feed. A header, because readers of
/// earlier versions refuse an unknown field, and ignore a header.
const X_MY_PAY_INSTALLATION: HeaderName = HeaderName::from_static("x-my-pay-installation");
