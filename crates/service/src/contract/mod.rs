//! What one service asks of another, as traits and plain data. In one process the owner implements
//! the trait; apart, a client with the same interface stands in for it.

pub mod account_feed;
pub mod closing;
pub(crate) mod critical;
pub mod identity;
pub mod introspection;
pub mod revocations;
pub mod scope;

pub mod internal;
