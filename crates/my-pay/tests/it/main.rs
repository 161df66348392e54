//! The real thing over TCP: every call, every error, many clients at once, and crashes.

#![expect(unreachable_pub, reason = "in a test binary `pub` marks what its modules share")]

mod support;

mod concurrency;
mod crash;
mod docs_page;
mod program;
mod smoke;
