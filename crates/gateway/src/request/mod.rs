//! What happens to a request before it is passed on, one file a step.

pub(crate) mod advice;
pub(crate) mod headers;

pub(crate) mod rate_limit;

pub(crate) mod acting_account;
pub(crate) mod authenticate;
pub(crate) mod introspection_cache;

pub(crate) mod body;
