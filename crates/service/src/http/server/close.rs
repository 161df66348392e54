//! The end of a connection whose client may still be sending.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long a client may pause while it sends what is not read any more.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long all of that may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many bytes of it there may be.
const BYTES_MAX: usize = 64 << 20;

/// Ends the sending half, then discards what the client still sends, for a while. Closing at once
/// would reset the connection under a client that is still sending, and could take the last answer
/// (413, 408) from it before it has read it (RFC 9112, section 9.6).
pub(super) async fn close_gently(stream: &mut TcpStream) {
    // Either outcome is the end of the connection: closed by the client, broken, or out of
    // patience.
    let _closed_or_not = tokio::time::timeout(CLOSE_TIMEOUT, discard(stream)).await;
}

async fn discard(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    let mut buffer = vec![0; 16 * 1024];
    let mut left = BYTES_MAX;
    while left > 0 {
        match tokio::time::timeout(SILENCE_TIMEOUT, stream.read(&mut buffer)).await {
            Err(_) | Ok(Ok(0)) => break,
            Ok(read) => left = left.saturating_sub(read?),
        }
    }
    Ok(())
}
