//! Pools of addresses: real servers on ports of their own, good and bad, behind a whole gateway.

mod support;

mod choice;
mod drain;
mod failures;
mod identity;
mod repeats;
