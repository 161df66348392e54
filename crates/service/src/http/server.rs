//! The HTTP/1.1 server: accepts, bounds and drains connections. What it serves is any tower
//! service.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::{body::Body, response::Response};
use hyper::{
    HeaderMap, Request,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tower::{Service, ServiceExt};

use super::{
    finish::PROBLEM_JSON,
    problem::{Problem, REQUEST_TIMEOUT, chain},
    request_id::RequestId,
};
use crate::{
    clock::Clock,
    shutdown::{self, Shutdown},
};

/// The address of the client's end of the connection, as a request extension.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

/// Bounds of a server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's backlog.
    pub connections_max: usize,
    /// How long the head of a request may take to arrive, which is also how long an idle connection
    /// is kept.
    pub head_timeout: Duration,
    /// How long to go on accepting and answering after the signal to shut down, as [`Draining`]
    /// says. Whoever spreads requests over several instances needs this time to notice. Zero where
    /// nobody does.
    pub drain_delay: Duration,
    /// How long requests in flight may take once nothing new is accepted.
    pub drain_timeout: Duration,
}

/// A request extension: the server is about to stop, and has been told so. Every answer then ends
/// its connection, and `/readyz` says no, so that whoever chooses among instances chooses another.
#[derive(Debug, Clone, Copy)]
pub struct Draining;

/// What a listener counts; clones share everything.
#[derive(Debug, Clone, Default)]
pub struct ListenerMetrics {
    connections: Gauge,
    connections_max: Gauge,
}

impl ListenerMetrics {
    /// Makes them readable.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "mypay_http_connections",
            "Connections of clients that are open",
            self.connections.clone(),
        );
        registry.register(
            "mypay_http_connections_max",
            "Connections of clients that may be open; more wait to be accepted",
            self.connections_max.clone(),
        );
    }
}

/// A connection that is counted as long as it is open.
struct Open(Gauge);

impl Open {
    fn count(connections: &Gauge) -> Self {
        connections.inc();
        Self(connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// How long a client may keep sending after the last answer on its connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

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
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    metrics.connections_max.set(i64::try_from(limits.connections_max).unwrap_or(i64::MAX));
    // Every connection holds a sender: the receiver ends when the last of them does.
    let (in_flight, mut all_ended) = mpsc::channel::<()>(1);
    let (finish, finishing) = shutdown::channel();
    let mut end_of_drain_delay = pin!(async {
        shutdown.clone().wait().await;
        tokio::time::sleep(limits.drain_delay).await;
    });
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit.expect("never closed"),
            () = &mut end_of_drain_delay => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause_after(&error).await;
                    continue;
                }
            },
            () = &mut end_of_drain_delay => break,
        };
        let phases = Phases { draining: shutdown.clone(), finishing: finishing.clone() };
        let connection = serve_connection(stream, peer, service.clone(), limits, phases);
        let in_flight = in_flight.clone();
        let open = Open::count(&metrics.connections);
        tokio::spawn(async move {
            connection.await;
            drop((permit, in_flight, open));
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

/// The two steps of stopping, each a signal.
struct Phases {
    /// The server still serves, and says that it will stop.
    draining: Shutdown,
    /// Nothing new is begun.
    finishing: Shutdown,
}

/// Out of descriptors or memory, accepting fails at once and again: waiting lets connections end.
async fn pause_after(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn serve_connection<S>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    limits: Limits,
    phases: Phases,
) where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    // Answers are small and whole: waiting to fill a packet would only delay them.
    let _best_effort = stream.set_nodelay(true);
    let Phases { draining, mut finishing } = phases;
    let draining = &draining;
    let handler = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddress(peer));
        if draining.is_shut_down() {
            request.extensions_mut().insert(Draining);
        }
        let answer = service.clone().oneshot(request);
        async move {
            let Ok(mut response) = answer.await;
            // Asked after the answer: the signal may have come while it was made.
            if draining.is_shut_down() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), handler);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = finishing.wait() => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        Pin::new(&mut connection).graceful_shutdown();
        (&mut connection).await
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    if let Err(error) = ended {
        // The client's doing (reset, silence, not HTTP), or the end of an idle connection.
        tracing::debug!(error = %chain(&error), "a connection broke off");
        if error.is_timeout() && !parts.read_buf.is_empty() {
            refuse_slow_head(&stream);
        }
    }
    if !finishing.is_shut_down() {
        close_gently(&mut stream).await;
    }
}

/// Answers a client whose request began but did not get past its head in time.
fn refuse_slow_head(stream: &TcpStream) {
    let request_id = RequestId::accept_or_make(&HeaderMap::new(), Clock::system().now());
    let document = Problem::new(&REQUEST_TIMEOUT)
        .detail("The head of the request did not arrive in time.")
        .document("", request_id.as_str());
    let head = format!(
        "HTTP/1.1 408 Request Timeout\r\n\
         Content-Type: {PROBLEM_JSON}\r\n\
         Content-Length: {}\r\n\
         Cache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n\
         X-Request-Id: {}\r\n\
         Connection: close\r\n\r\n",
        document.len(),
        request_id.as_str(),
    );
    // One attempt, without waiting: it fails if an earlier answer is still stuck in the socket,
    // which must not be continued with this one.
    let written = stream.try_write(&[head.as_bytes(), &document].concat());
    tracing::debug!(request.id = request_id.as_str(), ?written, "a head arrived too slowly");
}

/// Ends the sending half, then discards what the client still sends, for a while. Closing at once
/// would reset the connection under a client that is still sending, and could take the last answer
/// (413, 408) from it before it has read it (RFC 9112, section 9.6).
async fn close_gently(stream: &mut TcpStream) {
    let discard = async {
        stream.shutdown().await?;
        let mut discarded = [0; 4096];
        while stream.read(&mut discarded).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Either outcome is the end of the connection: closed by the client, broken, or out of
    // patience.
    let _closed_or_not = tokio::time::timeout(CLOSE_TIMEOUT, discard).await;
}

#[cfg(test)]
mod tests;
