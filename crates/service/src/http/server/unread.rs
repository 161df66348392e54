//! What becomes of a body that the service has not read when it answers. The next request on the
//! connection begins after it, so either its rest is read and discarded, within bounds of size and
//! time, or the answer says that the connection closes (RFC 9112, section 9.3). Otherwise a client
//! that uses its connection again would find it cut.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Request,
    body::{Frame, Incoming, SizeHint},
    header::EXPECT,
};

/// Most bytes of an unread body that are discarded: as many as a body of ours may have.
const DISCARDED_BYTES_MAX: usize = crate::http::fields::BODY_BYTES_MAX;

/// How long the answer waits for them.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// The server's claim on the body of a request that a service has.
pub(super) struct Claim {
    place: Arc<Mutex<Place>>,
    /// The client may wait for `100 Continue` before it sends the body, which reading it sends.
    expects_continue: bool,
}

/// Where a body is.
enum Place {
    /// The service has it.
    Lent,
    /// It was read to its end.
    Read,
    /// The service has dropped it.
    Dropped { body: Incoming, is_begun: bool },
    /// It broke off.
    Broken,
}

/// What became of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// The service has read all of it.
    Read,
    /// The rest was discarded.
    Discarded,
    /// The rest may still be on its way, so that nothing can follow it.
    OnItsWay,
}

/// Lends the body to a service. Nothing is claimed of a request without one.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Body>, Option<Claim>) {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return (Request::from_parts(parts, Body::empty()), None);
    }
    let place = Arc::new(Mutex::new(Place::Lent));
    let expects_continue = parts.headers.contains_key(EXPECT);
    let lent =
        LentBody { body: Some(body), place: Arc::clone(&place), is_begun: false, has_ended: false };
    (Request::from_parts(parts, Body::new(lent)), Some(Claim { place, expects_continue }))
}

impl Claim {
    /// Discards what the service has not read. With `is_last`, the connection closes anyway.
    pub(super) async fn settle(self, is_last: bool) -> Rest {
        let place = std::mem::replace(&mut *lock(&self.place), Place::Lent);
        match place {
            Place::Read => Rest::Read,
            Place::Lent | Place::Broken => Rest::OnItsWay,
            Place::Dropped { body, is_begun } => {
                let is_awaited = self.expects_continue && !is_begun;
                let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
                if is_last || is_awaited || declared > DISCARDED_BYTES_MAX {
                    return Rest::OnItsWay;
                }
                match tokio::time::timeout(DISCARD_TIMEOUT, discard(body)).await {
                    Ok(true) => Rest::Discarded,
                    Ok(false) | Err(_) => Rest::OnItsWay,
                }
            }
        }
    }
}

/// Reads a body to its end; tells whether there was one within the bound.
async fn discard(body: Incoming) -> bool {
    let mut body = Limited::new(body, DISCARDED_BYTES_MAX);
    loop {
        match body.frame().await {
            None => return true,
            Some(Ok(_)) => {}
            Some(Err(_)) => return false,
        }
    }
}

fn lock(place: &Mutex<Place>) -> std::sync::MutexGuard<'_, Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A body that comes back to the server when the service drops it.
struct LentBody {
    /// None only while it is dropped.
    body: Option<Incoming>,
    place: Arc<Mutex<Place>>,
    is_begun: bool,
    has_ended: bool,
}

impl HttpBody for LentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_begun = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        match &frame {
            None => self.has_ended = true,
            Some(Ok(_)) => {}
            Some(Err(_)) => {
                self.body = None;
                *lock(&self.place) = Place::Broken;
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        let is_read = self.is_end_stream();
        if let Some(body) = self.body.take() {
            *lock(&self.place) = if is_read {
                Place::Read
            } else {
                Place::Dropped { body, is_begun: self.is_begun }
            };
        }
    }
}
