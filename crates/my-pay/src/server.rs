//! The listener of a command, from the start to the end of its process.

use std::{convert::Infallible, io, net::SocketAddr};

use anyhow::Context;
use axum::{body::Body, extract::Request, response::Response};
use service::{
    http::server::{self, Limits, ListenerMetrics},
    shutdown::{self, Shutdown, Trigger},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};
use tower::Service;

/// Connections that may wait to be accepted, as far as the system allows so many: clients may come
/// all at once, such as after a restart.
const BACKLOG: u32 = 4_096;

/// What a client may leave unread before that is noticed. Answers are small.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;

/// A listener that does not accept yet.
pub(crate) struct Listener {
    listener: TcpListener,
    /// Where clients will connect to.
    pub(crate) address: SocketAddr,
}

/// A running server.
pub(crate) struct Server {
    /// Where clients connect to.
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
    stop: Trigger,
    stopping: Shutdown,
}

impl Listener {
    /// Takes the port, before anything else is touched: an occupied one must leave no traces.
    pub(crate) fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = listen(address).with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Serves from now on.
    pub(crate) fn serve<S>(self, service: S, limits: Limits, metrics: ListenerMetrics) -> Server
    where
        S: Service<Request<Body>, Response = Response, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        let (stop, stopping) = shutdown::channel();
        let task =
            tokio::spawn(server::serve(self.listener, service, limits, metrics, stopping.clone()));
        Server { address: self.address, task, stop, stopping }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart takes the port again while connections of before linger.
    socket.set_reuseaddr(true)?;
    // Connections inherit it. What clients leave unread is the system's memory.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Server {
    /// Given when the server is told to stop.
    pub(crate) fn stopping(&self) -> Shutdown {
        self.stopping.clone()
    }

    /// Lets others notice, stops accepting, and finishes what is in flight, within its bounds.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.shut_down();
        self.task.await.context("the HTTP server ended in a panic")
    }
}
