//! One connection, from its first request to its end.

use std::{convert::Infallible, net::SocketAddr, pin::Pin, sync::Arc};

use axum::{body::Body, response::Response};
use hyper::{
    Request,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1::{self, Parts},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower::{Service, ServiceExt};

use super::{
    Draining, PeerAddress,
    close::close_gently,
    connections::Slot,
    head,
    limits::Limits,
    metrics::{End, ListenerMetrics},
    refuse,
    unread::{self, Rest},
    wire::Wire,
};
use crate::{http::problem::chain, shutdown::Shutdown};

/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The two steps of stopping, each a signal.
pub(super) struct Phases {
    /// The server still serves, and says that it will stop.
    pub(super) draining: Shutdown,
    /// Nothing new is begun.
    pub(super) finishing: Shutdown,
}

/// What every request of a connection needs.
struct Context {
    peer: SocketAddr,
    slot: Arc<Slot>,
    draining: Shutdown,
    metrics: ListenerMetrics,
}

/// Serves the requests of a connection, one after the other, and tells why it ended.
pub(super) async fn serve_connection<S>(
    stream: TcpStream,
    peer: SocketAddr,
    slot: Arc<Slot>,
    service: S,
    limits: &Limits,
    phases: Phases,
    metrics: ListenerMetrics,
) -> End
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    // Answers are small and whole: waiting to fill a packet would only delay them.
    let _best_effort = stream.set_nodelay(true);
    let Phases { draining, mut finishing } = phases;
    let wire = Wire::new(stream, Arc::clone(&slot), limits.write_timeout);
    let context = Context { peer, slot: Arc::clone(&slot), draining, metrics };
    let context = &context;
    let handler =
        service_fn(move |request: Request<Incoming>| exchange(context, service.clone(), request));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(wire), handler);
    let ended = tokio::select! {
        // What has arrived is read before the connection gives way.
        biased;
        ended = &mut connection => Some(ended),
        () = finishing.wait() => None,
        () = slot.told_to_give_way() => {
            if slot.is_waiting() {
                give_way(connection.into_parts());
                return End::GaveWay;
            }
            None
        }
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        Pin::new(&mut connection).graceful_shutdown();
        (&mut connection).await
    };
    let end = finish(ended, connection.into_parts(), &finishing).await;
    if slot.is_chosen() { End::GaveWay } else { end }
}

/// One request and its answer.
async fn exchange<S>(
    context: &Context,
    service: S,
    request: Request<Incoming>,
) -> Result<Response, Infallible>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let may_be_served = context.slot.begin();
    let mut response = match head::check(&request) {
        Ok(()) if !may_be_served => head::refuse(&request, refuse::over_share()),
        Ok(()) => answer(context, service, request).await,
        Err(problem) => head::refuse(&request, problem),
    };
    // Asked after the answer: the signal may have come while it was made.
    if context.draining.is_shut_down() {
        end_connection(&mut response);
    }
    context.slot.answer();
    Ok(response)
}

async fn answer<S>(context: &Context, service: S, request: Request<Incoming>) -> Response
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let (mut request, claim) = unread::lend(request);
    request.extensions_mut().insert(PeerAddress(context.peer));
    if context.draining.is_shut_down() {
        request.extensions_mut().insert(Draining);
    }
    let Ok(mut response) = service.oneshot(request).await;
    if let Some(claim) = claim {
        match claim.settle(ends_connection(&response)).await {
            Rest::Read => {}
            Rest::Discarded => context.metrics.count_unread_body(true),
            Rest::OnItsWay => {
                context.metrics.count_unread_body(false);
                end_connection(&mut response);
            }
        }
    }
    response
}

fn ends_connection(response: &Response) -> bool {
    response.headers().get(CONNECTION).is_some_and(|value| value == "close")
}

fn end_connection(response: &mut Response) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Ends a connection on which no request is read or answered. Nothing is left to write, so the
/// client is not waited for.
fn give_way<S>(parts: Parts<TokioIo<Wire>, S>) {
    let stream = parts.io.into_inner().into_stream();
    let has_arrived = stream.try_read(&mut [0; 1024]).is_ok_and(|count| count > 0);
    if has_arrived || !parts.read_buf.is_empty() {
        refuse::gave_way(&stream);
    }
}

/// Tells the client and the log why a connection has ended, as far as it is not plain.
async fn finish<S>(
    ended: Result<(), hyper::Error>,
    parts: Parts<TokioIo<Wire>, S>,
    finishing: &Shutdown,
) -> End {
    let wire = parts.io.into_inner();
    let (has_ended, is_unread, refused) = (wire.has_ended, wire.is_unread, wire.refused);
    let mut stream = wire.into_stream();
    let end = match ended {
        Ok(()) if finishing.is_shut_down() => End::Stopped,
        Ok(()) if has_ended => End::Client,
        Ok(()) => End::Answered,
        Err(error) => {
            // The client's doing (reset, silence, not HTTP), or the end of an idle connection.
            tracing::debug!(error = %chain(&error), "a connection broke off");
            if is_unread {
                // Closing it gently would write more to a client that does not read.
                return End::Unread;
            }
            let received = &parts.read_buf;
            if error.is_timeout() && received.is_empty() {
                End::Idle
            } else if error.is_timeout() {
                refuse::slow_head(&stream);
                End::SlowHead
            } else if error.is_parse() {
                refuse::malformed(&stream, refused, &error, received, HEAD_BYTES_MAX);
                End::Malformed
            } else {
                End::Client
            }
        }
    };
    if !finishing.is_shut_down() {
        close_gently(&mut stream).await;
    }
    end
}
