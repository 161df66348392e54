//! An address in front of servers, as a proxy or a virtual address is after a failover: new
//! connections lead to the new server, and those that were made before stay where they are.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// A listener that passes connections on, until this process ends.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
}

impl Forwarder {
    /// Starts one on a free port, to this server at first.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let target = Arc::new(Mutex::new(target));
        let shared = Arc::clone(&target);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let target = *shared.lock().unwrap_or_else(PoisonError::into_inner);
                // One that cannot be passed on is closed, as by a server that is down.
                let _closed = connection.and_then(|client| forward(client, target));
            }
        });
        Self { address, target }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads the connections that are made from now on to another server.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }
}

/// Passes bytes on in both directions, each on a thread of its own, until one side ends.
fn forward(client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || pass_on(from_client, to_server));
    thread::spawn(move || pass_on(server, client));
    Ok(())
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    // Either end may break off at any time; then the other one learns it.
    let _copied = io::copy(&mut from, &mut to);
    for stream in [from, to] {
        let _closed = stream.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// A server that greets with one letter and then repeats what it reads.
    fn echo(letter: u8) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                connection.write_all(&[letter]).unwrap();
                let mut writer = connection.try_clone().unwrap();
                thread::spawn(move || io::copy(&mut connection, &mut writer));
            }
        });
        address
    }

    fn read(connection: &mut TcpStream) -> u8 {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        byte[0]
    }

    #[test]
    fn new_connections_are_led_elsewhere_and_old_ones_stay() {
        let forwarder = Forwarder::start(echo(b'a'));
        let mut old = TcpStream::connect(forwarder.address()).unwrap();
        assert_eq!(read(&mut old), b'a');
        forwarder.lead_to(echo(b'b'));
        let mut new = TcpStream::connect(forwarder.address()).unwrap();
        assert_eq!(read(&mut new), b'b');
        old.write_all(b"x").unwrap();
        assert_eq!(read(&mut old), b'x');
    }
}
