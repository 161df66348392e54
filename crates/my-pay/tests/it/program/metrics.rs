//! The operations port, apart from the clients'.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::support::process::{Process, Program};

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_are_on_a_port_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::command(folder.path());
    command.env("MY_PAY_SERVER_OPERATIONS_LISTEN", "127.0.0.1:0");
    let mut process = Process::start(&mut command);
    let mut listener = |field: &str| -> SocketAddr {
        process.wait_for(|line| {
            serde_json::from_str::<Value>(line).ok()?[field].as_str()?.parse().ok()
        })
    };
    let (operations, clients) = (listener("operations.listen"), listener("listen"));
    let metrics = get(operations, "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 "), "{metrics}");
    assert!(metrics.contains("content-type: application/openmetrics-text"), "{metrics}");
    for name in ["mypay_money_feed_sequence", "mypay_gateway_introspection"] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    assert!(metrics.contains("# EOF"), "{metrics}");
    assert!(get(clients, "/metrics").starts_with("HTTP/1.1 404 "), "clients do not see them");
}
