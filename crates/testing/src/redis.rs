//! A private Redis that keeps nothing on disk.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    time::Duration,
};

use crate::server::Server;

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const FLUSH_ALL: &[u8] = b"*1\r\n$8\r\nFLUSHALL\r\n";

/// How long a reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// A private Redis, ended when the value is dropped.
#[derive(Debug)]
pub struct Redis {
    server: Server,
}

impl Redis {
    /// Starts one.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with further arguments of the server, such as `--requirepass`, `secret`.
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("my-pay-redis-").tempdir();
        let folder = folder.expect("a temporary folder can be made");
        let path = folder.path().display().to_string();
        let make_arguments = |address: SocketAddr| {
            let (ip, port) = (address.ip().to_string(), address.port().to_string());
            let socket = format!("{path}/socket");
            let own = ["--bind", &ip, "--port", &port, "--unixsocket", &socket, "--dir", &path];
            let off = ["--save", "", "--appendonly", "no", "--daemonize", "no"];
            let all = own.iter().chain(&off).chain(arguments);
            all.map(|&argument| argument.to_owned()).collect()
        };
        Self { server: Server::start("redis-server", folder, pongs, make_arguments) }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its address, without a password.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }

    /// Forgets everything, scripts apart.
    pub fn flush_all(&self) {
        let done = self.ask(FLUSH_ALL, b"+OK\r\n");
        done.unwrap_or_else(|error| panic!("Redis did not forget everything: {error}"));
    }

    /// Ends it at once, as a crash would: everything is forgotten.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Freezes it: connections stay open, and nothing answers.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Undoes [`Redis::stop`].
    pub fn resume(&self) {
        self.server.resume();
    }

    /// Ends it at once, if it runs, and starts it empty on the same port.
    pub fn restart(&mut self) {
        self.server.restart();
    }

    fn ask(&self, command: &[u8], expected: &[u8]) -> io::Result<()> {
        let mut connection = TcpStream::connect(self.address())?;
        connection.set_read_timeout(Some(REPLY_TIMEOUT))?;
        connection.write_all(command)?;
        let mut reply = vec![0; expected.len()];
        connection.read_exact(&mut reply)?;
        if reply == expected {
            return Ok(());
        }
        Err(io::Error::other(format!("the reply was {:?}", String::from_utf8_lossy(&reply))))
    }
}

/// Whether Redis answers. An error does too: with a password, it refuses to answer with one.
fn pongs(mut connection: UnixStream) -> bool {
    let mut reply = [0; 5];
    connection.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && connection.write_all(PING).is_ok()
        && connection.read_exact(&mut reply).is_ok()
        && (reply == *b"+PONG" || reply == *b"-NOAU")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_redis_is_at_the_same_address_and_empty() {
        let mut redis = Redis::start();
        redis.ask(b"SET a 7\r\n", b"+OK\r\n").unwrap();
        redis.ask(b"GET a\r\n", b"$1\r\n7\r\n").unwrap();
        redis.flush_all();
        redis.ask(b"GET a\r\n", b"$-1\r\n").unwrap();
        redis.ask(b"SET a 7\r\n", b"+OK\r\n").unwrap();
        redis.kill();
        redis.ask(PING, b"+PONG\r\n").unwrap_err();
        redis.restart();
        redis.ask(b"GET a\r\n", b"$-1\r\n").unwrap();
    }

    #[test]
    fn a_redis_with_a_password_starts() {
        let redis = Redis::start_with(&["--requirepass", "secret"]);
        redis.ask(PING, b"-NOAUTH").unwrap();
    }
}
