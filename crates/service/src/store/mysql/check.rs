//! What a connection is asked: what its server takes, and whether it takes writes.

use mysql_async::{Conn, prelude::Queryable as _};

use super::{Error, Failure, failure};

/// The least `max_allowed_packet` that the services work with. The longest row of a batch, a
/// transfer with a summary of 200 characters of four bytes each, needs less than a sixth of it.
pub const PACKET_BYTES_LEAST: usize = 16 * 1024;

/// What a server is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    TakesWrites,
    ReadOnly,
    /// It does not answer as a server does that goes on.
    Gone,
}

/// `super_read_only` implies the first; a reader of a cluster with one storage has the second. All
/// three databases have both.
const IS_READ_ONLY: &str = "SELECT @@GLOBAL.read_only, @@GLOBAL.innodb_read_only";

/// Asks whether the server takes writes.
pub(super) async fn ask(conn: &mut Conn) -> State {
    match conn.query_first::<(String, String), _>(IS_READ_ONLY).await {
        Ok(Some((all, engine))) if [&all, &engine].into_iter().any(|value| is_on(value)) => {
            State::ReadOnly
        }
        Ok(_) => State::TakesWrites,
        Err(error) => match failure(&error) {
            Failure::ReadOnly => State::ReadOnly,
            // It does not know the question, and writes will tell.
            Failure::Other if !error.is_fatal() => State::TakesWrites,
            _ => State::Gone,
        },
    }
}

/// A variable may be a switch, a number, or a word that says how much is refused.
fn is_on(value: &str) -> bool {
    !matches!(value.to_ascii_uppercase().as_str(), "0" | "OFF")
}

/// The longest packet that the server takes on this connection, if it is long enough.
pub(super) async fn packet_bytes_max(conn: &mut Conn) -> Result<usize, Error> {
    let found = conn.query_first::<u64, _>("SELECT @@max_allowed_packet").await?;
    let found = usize::try_from(found.unwrap_or(0)).unwrap_or(usize::MAX);
    if found < PACKET_BYTES_LEAST {
        return Err(Error::PacketTooSmall { found, least: PACKET_BYTES_LEAST });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_not_off_is_on() {
        for value in ["ON", "1", "NO_LOCK", "NO_LOCK_NO_ADMIN"] {
            assert!(is_on(value), "{value}");
        }
        for value in ["OFF", "off", "0"] {
            assert!(!is_on(value), "{value}");
        }
    }
}
