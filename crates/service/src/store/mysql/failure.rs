//! What an error of the database means, whichever of the three it comes from.

use mysql_async::{DriverError, Error, ServerError};

/// Kinds of errors that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The transaction was chosen among several that waited for each other, or met a write of
    /// another one (TiDB), and was rolled back.
    Deadlock,
    /// A row was locked for too long. The transaction goes on, and should not.
    LockTimeout,
    /// A key is there already.
    DuplicateKey,
    /// A value breaks a rule of its table.
    ConstraintViolated,
    /// The connection is gone, or the server is going.
    Disconnected,
    /// The server takes no more connections now.
    TooManyConnections,
    /// Anything else.
    Other,
}

impl Failure {
    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deadlock => "deadlock",
            Self::LockTimeout => "lock_timeout",
            Self::DuplicateKey => "duplicate_key",
            Self::ConstraintViolated => "constraint_violated",
            Self::Disconnected => "disconnected",
            Self::TooManyConnections => "too_many_connections",
            Self::Other => "other",
        }
    }
}

/// The kind of an error. Numbers are the servers' error codes: those of MySQL are shared by all,
/// 1020 and 4025 mean this in MariaDB, and those from 8002 on are TiDB's.
pub fn failure(error: &Error) -> Failure {
    match error {
        Error::Server(ServerError { code, .. }) => match code {
            1020 | 1213 | 8002 | 8022 | 8028 | 9007 => Failure::Deadlock,
            1205 | 3572 => Failure::LockTimeout,
            1062 | 1586 => Failure::DuplicateKey,
            1048 | 1264 | 1366 | 1406 | 1451 | 1452 | 3819 | 4025 => Failure::ConstraintViolated,
            1040 | 1203 | 1226 => Failure::TooManyConnections,
            // Shutting down, killed, idle for too long, or a replica that must not be written to.
            1053 | 1158..=1161 | 1290 | 1317 | 1836 | 1927 | 3169 | 4031 => Failure::Disconnected,
            _ => Failure::Other,
        },
        Error::Io(_)
        | Error::Driver(
            DriverError::ConnectionClosed
            | DriverError::PoolDisconnected
            | DriverError::PacketOutOfOrder,
        ) => Failure::Disconnected,
        Error::Driver(_) | Error::Other(_) | Error::Url(_) => Failure::Other,
    }
}
