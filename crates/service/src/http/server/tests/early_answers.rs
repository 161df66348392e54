//! Answers that are given before the body was read: the connection can be used again, or the answer
//! says that it cannot.

use super::*;

async fn start_plain() -> Running {
    start(Duration::from_secs(30)).await
}

fn unread(running: &Running, outcome: &str) -> u64 {
    running.count(&format!("mypay_http_unread_bodies_total{{outcome=\"{outcome}\"}}"))
}

fn says_close(answer: &str) -> bool {
    answer.contains("\r\nconnection: close\r\n")
}

#[tokio::test]
async fn a_body_that_was_not_read_does_not_spoil_the_connection() {
    let running = start_plain().await;
    let mut stream = running.connect().await;
    let bodies = [
        "Content-Length: 5\r\n\r\nhello".to_owned(),
        format!("Content-Length: 60000\r\n\r\n{}", "x".repeat(60_000)),
        "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: a\r\n\r\n".to_owned(),
    ];
    for body in &bodies {
        for path in ["/busy", "/nowhere"] {
            let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{body}");
            stream.write_all(request.as_bytes()).await.unwrap();
            let answer = read_answer(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 4") && !says_close(&answer), "{answer}");
            stream.write_all(ECHO.as_bytes()).await.unwrap();
            assert!(read_answer(&mut stream).await.ends_with("hi"));
        }
    }
    assert_eq!((unread(&running, "discarded"), unread(&running, "closed")), (8, 0));
}

/// The head and the body of a request often come in two packets.
#[tokio::test]
async fn the_answer_waits_for_a_body_that_is_on_its_way() {
    let running = start_plain().await;
    let mut stream = running.connect().await;
    for _ in 0..50 {
        let head = "POST /busy HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(b"hello").await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 429 ") && !says_close(&answer), "{answer}");
    }
}

/// Sends this after the head of a request that is not read, and the answer must close.
async fn check_closes(headers: &str, sent: &[u8]) {
    let running = start_plain().await;
    let mut stream = running.connect().await;
    let head = format!("POST /busy HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 ") && says_close(&answer), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
    assert_eq!((unread(&running, "discarded"), unread(&running, "closed")), (0, 1));
}

#[tokio::test]
async fn a_body_that_is_too_long_to_discard_ends_the_connection() {
    check_closes("Content-Length: 65537\r\n", b"x").await;
    let endless = format!("fffff\r\n{}", "x".repeat(70_000));
    check_closes("Transfer-Encoding: chunked\r\n", endless.as_bytes()).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_the_connection() {
    check_closes("Content-Length: 5\r\n", b"hel").await;
    check_closes("Transfer-Encoding: chunked\r\n", b"").await;
}

#[tokio::test]
async fn malformed_chunks_end_the_connection() {
    check_closes("Transfer-Encoding: chunked\r\n", b"five\r\nhello\r\n").await;
}

/// The client waits for leave to send the body, and gets the answer instead.
#[tokio::test]
async fn a_body_that_was_not_asked_for_is_not_waited_for() {
    for length in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        for expectation in ["100-continue", "100-Continue"] {
            check_closes(&format!("{length}Expect: {expectation}\r\n"), b"").await;
        }
    }
}

#[tokio::test]
async fn a_body_that_was_asked_for_is_read() {
    let running = start_plain().await;
    let mut stream = running.connect().await;
    let head = ECHO.replace("\r\n\r\nhi", "\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut leave = [0; 25];
    stream.read_exact(&mut leave).await.unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.ends_with("hi") && !says_close(&answer), "{answer}");
    assert_eq!((unread(&running, "discarded"), unread(&running, "closed")), (0, 0));
}
