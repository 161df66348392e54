//! The account service from the outside: its router as the gateway calls it, its contracts as other
//! services use them, and operators' commands. Real database, held clock.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots so")]

mod accounts;
mod api_keys;
mod auths;
mod closings;
mod contracts;
mod harness;
mod openapi;
mod operations;
mod passwords;
mod security;
