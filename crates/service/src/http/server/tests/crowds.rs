//! More connections than there are places, from one address and from many.

use super::*;

fn limits(connections_max: usize, of_an_address: Option<usize>) -> Limits {
    let address_share =
        AddressShare { connections_max: of_an_address, ..AddressShare::unlimited() };
    Limits { connections_max, address_share, ..Limits::default() }
}

async fn is_served(running: &Running) -> bool {
    let served = async {
        let mut stream = running.connect().await;
        stream.write_all(ECHO.as_bytes()).await.unwrap();
        read_answer(&mut stream).await.ends_with("hi")
    };
    tokio::time::timeout(Duration::from_mins(1), served).await.unwrap_or(false)
}

/// Connections that have sent this much of a request.
async fn connect_many(running: &Running, count: usize, sent: &str) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = running.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    streams
}

#[tokio::test]
async fn connections_that_send_no_request_keep_no_place() {
    for sent in ["", "POST /echo HTTP/1.1\r\nHo"] {
        let running = start_within(limits(50, None)).await;
        let idle = connect_many(&running, 60, sent).await;
        for _ in 0..7 {
            assert!(is_served(&running).await);
        }
        assert!(running.ended("gave_way") >= 10, "{}", running.ended("gave_way"));
        drop(idle);
    }
}

#[tokio::test]
async fn a_head_that_gives_way_is_answered() {
    let running = start_within(limits(1, None)).await;
    let mut slow = connect_many(&running, 1, "POST /echo HTTP/1.1\r\nHo").await;
    assert!(is_served(&running).await);
    let answer = read_to_end(&mut slow[0]).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn connections_at_work_keep_their_place() {
    let running = start_within(limits(2, None)).await;
    let slow = "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let mut at_work = connect_many(&running, 2, slow).await;
    assert!(is_served(&running).await);
    for stream in &mut at_work {
        assert!(read_answer(stream).await.ends_with("did not know"));
    }
}

/// All of them are made and have sent a head before the server looks at the first: nothing runs
/// beside this test on its thread.
#[tokio::test]
async fn a_burst_from_one_address_does_not_pass_its_share() {
    let running = start_within(limits(50, Some(12))).await;
    let unfinished = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{";
    let mut burst = Vec::new();
    for _ in 0..60 {
        let mut stream = std::net::TcpStream::connect(running.address).unwrap();
        std::io::Write::write_all(&mut stream, unfinished.as_bytes()).unwrap();
        burst.push(stream);
    }
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let served = async {
        let mut stream = other.connect(running.address).await.unwrap();
        stream.write_all(ECHO.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    };
    let answer = tokio::time::timeout(Duration::from_mins(1), served).await.expect("served");
    assert!(answer.ends_with("hi"), "{answer}");
    let mut at_work = 0;
    for stream in burst {
        stream.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(stream).unwrap();
        // Those within the share wait for the rest of their bodies; all others are told.
        let mut answer = [0; 16];
        let ended = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut answer));
        at_work += usize::from(ended.await.is_err());
    }
    assert!(at_work <= 12, "{at_work}");
    running.until_ended("gave_way", 40).await;
}

#[tokio::test]
async fn an_address_with_its_share_at_work_is_refused_the_rest() {
    let running = start_within(limits(50, Some(2))).await;
    let waiting = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let at_work = connect_many(&running, 2, waiting).await;
    // Only an answer shows that both are at work: until then they give way.
    let refused = async {
        loop {
            let mut stream = running.connect().await;
            let mut answer = String::new();
            if stream.read_to_string(&mut answer).await.is_ok() && !answer.is_empty() {
                return answer;
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_mins(1), refused).await.unwrap();
    for part in [
        "HTTP/1.1 429 Too Many Requests\r\n",
        "\r\nRetry-After: 1\r\n",
        "\r\nConnection: close\r\n",
        "\"detail\":\"Too many connections from this address, all of them at work.\"",
        "\"code\":\"rate_limited\"",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    running.until_ended("address_share", 1).await;
    drop(at_work);
    running.until_ended("client", 1).await;
    assert!(is_served(&running).await);
}
