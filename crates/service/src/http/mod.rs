//! HTTP as every service speaks it.

pub mod access;
pub mod docs;
pub mod fields;
pub mod finish;
pub mod health;
pub mod network;
pub mod openapi;
pub mod path;
pub mod problem;
pub mod request_id;
pub mod route;
pub mod server;
pub mod strict_query;
