//! The real thing over TCP: every call, every error, many clients at once, and crashes.

#![expect(unreachable_pub, reason = "in a test binary `pub` marks what its modules share")]

mod support;

mod access;
mod accounts;
mod apart;
mod api_keys;
mod askers;
mod auths;
mod bad_input;
mod books;
mod clock;
mod closing;
mod concurrency;
mod crash;
mod disk;
mod docs_page;
mod documented;
mod edge;
mod faults;
mod history;
mod idempotency;
mod limits;
mod moving_money;
mod operations;
mod passwords;
mod payouts;
mod program;
mod security;
mod suspension;
mod wallets;
