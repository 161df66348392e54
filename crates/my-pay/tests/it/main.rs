//! The real thing over TCP: every call, every error, many clients at once, and crashes.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots so")]
#![expect(unreachable_pub, reason = "in a test binary `pub` marks what its modules share")]

mod support;

mod accounts;
mod auths;
mod concurrency;
mod crash;
mod docs_page;
mod program;
mod smoke;
mod wallets;
