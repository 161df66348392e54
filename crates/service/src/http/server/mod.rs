//! The HTTP/1.1 server: accepts, bounds and drains connections. What it serves is any tower
//! service.

mod close;
mod connection;
mod connections;
mod head;
mod limits;
mod metrics;
mod refuse;
mod unread;
mod wire;

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use hyper::Request;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tower::Service;

use self::{
    close::close_gently,
    connection::{Phases, serve_connection},
    connections::Connections,
    metrics::End,
};
pub use self::{
    limits::{AddressShare, Limits},
    metrics::ListenerMetrics,
};
use crate::{
    clock::Clock,
    shutdown::{self, Shutdown},
};

/// The address of the client's end of the connection, as a request extension.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

/// A request extension: the server is about to stop, and has been told so. Every answer then ends
/// its connection, and `/readyz` says no, so that whoever chooses among instances chooses another.
#[derive(Debug, Clone, Copy)]
pub struct Draining;

/// Connections that are refused at once and may still be read from for a moment, so that their
/// clients read why.
const REFUSED_MAX: usize = 64;

/// How long to wait for a connection that gives way before another one has to.
const GIVE_WAY_INTERVAL: Duration = Duration::from_millis(20);

/// Serves until the signal. Then, for the drain delay, goes on accepting while it says that it will
/// stop; then stops accepting, finishes what is in flight, and returns.
pub async fn serve<S>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    metrics: ListenerMetrics,
    shutdown: Shutdown,
) where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let limits = Arc::new(limits);
    let connections = Connections::new(limits.address_share.clone(), Clock::system());
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let farewells = Arc::new(Semaphore::new(REFUSED_MAX));
    metrics.set_connections_max(limits.connections_max);
    // Every connection holds a sender: the receiver ends when the last of them does.
    let (in_flight, mut all_ended) = mpsc::channel::<()>(1);
    let (finish, finishing) = shutdown::channel();
    let mut end_of_drain_delay = pin!(async {
        shutdown.clone().wait().await;
        tokio::time::sleep(limits.drain_delay).await;
    });
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut end_of_drain_delay => break,
        };
        let Some(entry) = connections.admit(peer.ip()) else {
            metrics.count_end(End::AddressShare);
            refuse_share(stream, &farewells);
            continue;
        };
        let place = tokio::select! {
            place = take_place(&places, &connections) => place,
            () = &mut end_of_drain_delay => break,
        };
        let phases = Phases { draining: shutdown.clone(), finishing: finishing.clone() };
        let (service, limits, metrics) = (service.clone(), Arc::clone(&limits), metrics.clone());
        let in_flight = in_flight.clone();
        tokio::spawn(async move {
            let open = metrics.open();
            let slot = Arc::clone(entry.slot());
            let counted = metrics.clone();
            let end = serve_connection(stream, peer, slot, service, &limits, phases, counted).await;
            metrics.count_end(end);
            drop((open, entry, place, in_flight));
        });
    }
    drop((listener, in_flight));
    finish.shut_down();
    if tokio::time::timeout(limits.drain_timeout, all_ended.recv()).await.is_err() {
        tracing::warn!(
            drain.timeout_ms = limits.drain_timeout.as_millis(),
            "some requests did not finish in time and were cut off"
        );
    }
}

/// The next connection. Out of descriptors or memory, accepting fails at once and again: waiting
/// lets connections end.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// A place for a connection. If all are taken, connections that wait for a request give way, one
/// after the other, until one place is free.
async fn take_place(places: &Arc<Semaphore>, connections: &Connections) -> OwnedSemaphorePermit {
    let mut place = pin!(Arc::clone(places).acquire_owned());
    loop {
        if places.available_permits() == 0 {
            connections.give_way();
        }
        if let Ok(place) = tokio::time::timeout(GIVE_WAY_INTERVAL, &mut place).await {
            return place.expect("the semaphore is never closed");
        }
    }
}

/// Tells a client that its address has its share, and closes. Of many at once, only some are read
/// from for a moment, without which a client that has begun to send may not read the answer.
fn refuse_share(mut stream: TcpStream, farewells: &Arc<Semaphore>) {
    refuse::address_share(&stream);
    if let Ok(permit) = Arc::clone(farewells).try_acquire_owned() {
        tokio::spawn(async move {
            close_gently(&mut stream).await;
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests;
