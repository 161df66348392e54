//! The socket as hyper uses it: bounds how long a client may leave an answer unread, tells when an
//! answer is written, and keeps back the bare answers that hyper itself gives to what it cannot
//! parse, so that a problem document can take their place.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::StatusCode;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::connections::Slot;

/// What a client must take of an answer within the write timeout, in bytes, if more are left. A
/// client that takes a byte now and then would otherwise hold its connection for hours.
pub(super) const PROGRESS_BYTES_MIN: usize = 16 * 1024;

/// Longest bare answer of hyper, in bytes, with room to spare.
const BARE_ANSWER_BYTES_MAX: usize = 256;

pub(super) struct Wire {
    stream: TcpStream,
    slot: Arc<Slot>,
    write_timeout: Duration,
    blocked: Option<Blocked>,
    /// Whether the client has ended its half of the connection.
    pub(super) has_ended: bool,
    /// Whether the client has left an answer unread for too long.
    pub(super) is_unread: bool,
    /// The status of hyper's own answer, which was not sent.
    pub(super) refused: Option<StatusCode>,
}

/// Since the socket took no more.
struct Blocked {
    timer: Pin<Box<Sleep>>,
    written: usize,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, slot: Arc<Slot>, write_timeout: Duration) -> Self {
        Self {
            stream,
            slot,
            write_timeout,
            blocked: None,
            has_ended: false,
            is_unread: false,
            refused: None,
        }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Takes an answer that hyper makes by itself, which it does while no request is answered.
    fn keep_back(&mut self, bytes: &[u8]) -> bool {
        if !self.slot.is_waiting() || bytes.len() > BARE_ANSWER_BYTES_MAX {
            return false;
        }
        self.refused = bare_status(bytes);
        self.refused.is_some()
    }

    /// Limits how long the socket takes nothing, or next to nothing.
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) => {
                if let Some(blocked) = &mut self.blocked {
                    blocked.written += count;
                    if blocked.written >= PROGRESS_BYTES_MIN {
                        self.blocked = None;
                    }
                }
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => {
                let timeout = self.write_timeout;
                let blocked = self
                    .blocked
                    .get_or_insert_with(|| Blocked { timer: Box::pin(sleep(timeout)), written: 0 });
                if blocked.timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.is_unread = true;
                Poll::Ready(Err(ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if matches!(read, Poll::Ready(Ok(()))) && room > 0 && buffer.remaining() == room {
            self.has_ended = true;
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.keep_back(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices
            && self.keep_back(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called by hyper once its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.blocked = None;
        self.slot.flushed();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused.is_some() {
            // The answer in place of hyper's is still to be written.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The status of an answer without a body or a header of ours, if that is what the bytes are.
fn bare_status(bytes: &[u8]) -> Option<StatusCode> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = text.split("\r\n");
    let (version, status) = lines.next()?.split_once(' ')?;
    let is_bare = lines.all(|line| {
        let name = line.split(':').next().unwrap_or_default();
        ["connection", "content-length", "date"].contains(&name)
    });
    let status = status.get(..3)?.parse().ok()?;
    (version.starts_with("HTTP/1.") && is_bare).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::bare_status;

    #[test]
    fn only_an_answer_without_headers_of_ours_is_bare() {
        let date = "date: Thu, 26 Nov 2026 14:16:52 GMT";
        let bare = format!("HTTP/1.1 431 Too\r\nconnection: close\r\ncontent-length: 0\r\n{date}");
        assert_eq!(bare_status(format!("{bare}\r\n\r\n").as_bytes()).unwrap().as_u16(), 431);
        for other in [
            bare.clone(),
            format!("{bare}\r\nx-request-id: a\r\n\r\n"),
            format!("{bare}\r\n\r\n{{}}\r\n\r\n"),
            "HTTP/1.1 100 Continue".to_owned(),
            "{}".to_owned(),
            String::new(),
        ] {
            assert_eq!(bare_status(other.as_bytes()), None, "{other}");
        }
    }
}
