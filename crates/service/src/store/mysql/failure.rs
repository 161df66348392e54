//! What an error of the database means, whichever of the three it comes from.

use mysql_async::{DriverError, Error, ServerError};

/// Kinds of errors that callers treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The transaction was chosen among several that waited for each other, or met a write of
    /// another one (TiDB, Galera, Group Replication), and was rolled back.
    Deadlock,
    /// A row was locked for too long. The transaction goes on, and should not.
    LockTimeout,
    /// A key is there already.
    DuplicateKey,
    /// A value breaks a rule of its table.
    ConstraintViolated,
    /// The statement is longer than the server takes (`max_allowed_packet`). Nothing was done.
    TooLarge,
    /// The server refuses writes: it is a replica, or is no longer the primary. The statement was
    /// not executed, a commit included. A new connection may reach another server.
    ReadOnly,
    /// The connection is gone, or the server is going.
    Disconnected,
    /// The server takes no more connections now.
    TooManyConnections,
    /// The statement was ended from outside, or took longer than the server allows.
    Interrupted,
    /// The server cannot do it now: its disk is full, or a part of its cluster is not there.
    Unavailable,
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
            Self::TooLarge => "too_large",
            Self::ReadOnly => "read_only",
            Self::Disconnected => "disconnected",
            Self::TooManyConnections => "too_many_connections",
            Self::Interrupted => "interrupted",
            Self::Unavailable => "unavailable",
            Self::Other => "other",
        }
    }

    /// Whether the same may succeed in a moment, on this connection or another one.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Deadlock
            | Self::LockTimeout
            | Self::ReadOnly
            | Self::Disconnected
            | Self::Interrupted
            | Self::Unavailable => true,
            Self::DuplicateKey
            | Self::ConstraintViolated
            | Self::TooLarge
            | Self::TooManyConnections
            | Self::Other => false,
        }
    }

    /// Whether a COMMIT that fails like this has certainly committed nothing.
    pub const fn is_rollback(self) -> bool {
        match self {
            Self::Deadlock | Self::LockTimeout | Self::ReadOnly => true,
            Self::DuplicateKey
            | Self::ConstraintViolated
            | Self::TooLarge
            | Self::Disconnected
            | Self::TooManyConnections
            | Self::Interrupted
            | Self::Unavailable
            | Self::Other => false,
        }
    }
}

/// The kind of an error.
pub fn failure(error: &Error) -> Failure {
    match error {
        Error::Server(ServerError { code, .. }) => of_code(*code),
        Error::Io(_)
        | Error::Driver(
            DriverError::ConnectionClosed
            | DriverError::PoolDisconnected
            | DriverError::PacketOutOfOrder,
        ) => Failure::Disconnected,
        Error::Driver(DriverError::PacketTooLarge) => Failure::TooLarge,
        Error::Driver(_) | Error::Other(_) | Error::Url(_) => Failure::Other,
    }
}

/// Whether the connection is of no further use after this error.
pub(super) fn ends_connection(error: &Error) -> bool {
    let ended = match failure(error) {
        Failure::Disconnected | Failure::Interrupted | Failure::TooLarge => true,
        Failure::Deadlock
        | Failure::LockTimeout
        | Failure::DuplicateKey
        | Failure::ConstraintViolated
        | Failure::ReadOnly
        | Failure::TooManyConnections
        | Failure::Unavailable
        | Failure::Other => false,
    };
    ended || error.is_fatal()
}

/// Numbers are the servers' error codes. Those of MySQL are shared by all; 1020, 1927, 1969 and
/// 4025 mean this in MariaDB, 1047 comes from a Galera node that has lost its cluster, and those
/// from 8002 on are TiDB's (9001 to 9006 also `ProxySQL`'s, and mean the same).
fn of_code(code: u16) -> Failure {
    match code {
        // 3101: Group Replication has certified another transaction first.
        1020 | 1213 | 3101 | 8002 | 8022 | 8028 | 9007 => Failure::Deadlock,
        1205 | 3572 => Failure::LockTimeout,
        1062 | 1586 => Failure::DuplicateKey,
        1048 | 1264 | 1366 | 1406 | 1451 | 1452 | 3819 | 4025 => Failure::ConstraintViolated,
        1153 => Failure::TooLarge,
        // 1290: read_only or super_read_only. 1792: every transaction is READ ONLY. 1836:
        // innodb_read_only, and TiDB. 3098 and 3100: the group of servers refuses the write.
        1047 | 1290 | 1792 | 1836 | 3098 | 3100 => Failure::ReadOnly,
        1040 | 1203 | 1226 => Failure::TooManyConnections,
        // Shutting down, offline, killed, idle for too long; from 2002 on a router says so for a
        // server that it has lost.
        1053
        | 1077
        | 1079
        | 1080
        | 1152
        | 1158..=1161
        | 1184
        | 1927
        | 2002
        | 2003
        | 2006
        | 2013
        | 2055
        | 3032
        | 3169
        | 4031 => Failure::Disconnected,
        1317 | 1969 | 3024 => Failure::Interrupted,
        // Disk full, table full, out of memory, an error of the storage engine; a region, its
        // leader or the clock of a cluster is not there.
        1021 | 1026 | 1030 | 1037 | 1038 | 1041 | 1114 | 1135 | 9001..=9006 => Failure::Unavailable,
        _ => Failure::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_meaning() {
        let table: &[(Failure, &[u16])] = &[
            (Failure::Deadlock, &[1020, 1213, 3101, 8002, 8022, 8028, 9007]),
            (Failure::LockTimeout, &[1205, 3572]),
            (Failure::DuplicateKey, &[1062, 1586]),
            (Failure::ConstraintViolated, &[1048, 1264, 1366, 1406, 1451, 1452, 3819, 4025]),
            (Failure::TooLarge, &[1153]),
            (Failure::ReadOnly, &[1047, 1290, 1792, 1836, 3098, 3100]),
            (Failure::TooManyConnections, &[1040, 1203, 1226]),
            (Failure::Disconnected, &[1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161]),
            (Failure::Disconnected, &[1184, 1927, 2002, 2003, 2006, 2013, 2055, 3032, 3169, 4031]),
            (Failure::Interrupted, &[1317, 1969, 3024]),
            (Failure::Unavailable, &[1021, 1026, 1030, 1037, 1038, 1041, 1114, 1135]),
            (Failure::Unavailable, &[9001, 9002, 9003, 9004, 9005, 9006]),
            // Denied, no such table, a mistake in a statement, an undetermined commit (TiDB).
            (Failure::Other, &[1044, 1045, 1142, 1146, 1064, 1180, 8501]),
        ];
        for &(expected, codes) in table {
            for &code in codes {
                let server = ServerError { code, message: String::new(), state: String::new() };
                assert_eq!(failure(&Error::Server(server)), expected, "{code}");
            }
        }
        assert_eq!(failure(&Error::Driver(DriverError::PacketTooLarge)), Failure::TooLarge);
        assert_eq!(failure(&Error::Driver(DriverError::ConnectionClosed)), Failure::Disconnected);
    }

    #[test]
    fn only_an_answer_that_says_so_is_a_rollback() {
        let said = [Failure::Deadlock, Failure::LockTimeout, Failure::ReadOnly];
        let unknown = [Failure::Disconnected, Failure::Interrupted, Failure::Other];
        assert!(said.into_iter().all(|kind| kind.is_rollback() && kind.is_transient()));
        assert!(!unknown.into_iter().any(Failure::is_rollback));
    }
}
