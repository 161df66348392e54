//! Real servers for tests: a private MariaDB or Redis on a free port, with its data in a temporary
//! folder, ended by its process id when the value is dropped; a disk that fails on demand, a power
//! cut, and whatever else real programs meet. Only tests and the load generator use it, so its
//! errors are panics that say what went wrong.

mod disk;
mod forwarder;
mod mariadb;
mod power;
mod redis;
mod server;

pub use disk::{DiskFault, FaultyDisk};
pub use forwarder::Forwarder;
pub use mariadb::{MariaDb, Session};
pub use power::PowerRecord;
pub use redis::Redis;
pub use server::reserve_port;
