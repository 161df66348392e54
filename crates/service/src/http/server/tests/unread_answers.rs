//! Clients that ask and do not read.

use super::*;

fn limits(write_timeout: Duration) -> Limits {
    Limits { connections_max: 2, write_timeout, ..Limits::default() }
}

const GET_LARGE: &str = "POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let running = start_within(limits(Duration::from_millis(100))).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = running.connect().await;
        stream.write_all(GET_LARGE.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    running.until_ended("unread", 2).await;
    let mut other = running.connect().await;
    other.write_all(ECHO.as_bytes()).await.unwrap();
    assert!(read_answer(&mut other).await.ends_with("hi"));
}

/// Answers to pipelined requests fill the buffers as one large answer does.
#[tokio::test]
async fn a_client_that_pipelines_and_does_not_read_is_cut() {
    let running = start_within(limits(Duration::from_millis(100))).await;
    let mut stream = running.connect().await;
    let body = "x".repeat(60_000);
    let request =
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let sent = async { while stream.write_all(request.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_mins(1), sent).await.unwrap();
    running.until_ended("unread", 1).await;
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_its_answer() {
    let running = start_within(limits(Duration::from_secs(20))).await;
    let mut stream = running.connect().await;
    stream.write_all(GET_LARGE.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    while answer.len() < LARGE {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let count = stream.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "cut after {} bytes", answer.len());
        answer.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(running.ended("unread"), 0);
}
