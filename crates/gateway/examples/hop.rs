//! Temporary: what one hop over HTTP costs.
#![allow(missing_docs, clippy::all, clippy::pedantic)]
use std::{net::SocketAddr, sync::Arc, time::{Duration, Instant}};
use axum::{Router, body::Body, extract::Request, response::Response, routing::post};
use my_pay_gateway::*;
use service::{BoxFuture, clock::Clock, contract::{identity::*, introspection::*, revocations::*}, http::{health::*, server::*}, shutdown};
use tokio::{io::*, net::*};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::{Client, connect::HttpConnector}, rt::TokioExecutor};

struct Nobody(tokio::sync::broadcast::Sender<Revocation>);
impl Introspection for Nobody {
    fn introspect(&self, _: TokenDigest) -> BoxFuture<'_, std::result::Result<Option<Identity>, IntrospectionUnavailable>> { Box::pin(async { Ok(None) }) }
    fn revocations(&self) -> Revocations { Revocations::local(self.0.subscribe()) }
}
struct Ready;
impl Readiness for Ready { fn check(&self) -> BoxFuture<'_, Vec<Check>> { Box::pin(async { vec![] }) } }

/// The client alone, without a pool: one address.
struct Bare { client: Client<HttpConnector, Full<axum::body::Bytes>>, to: SocketAddr }
impl Upstream for Bare {
    fn call(&self, r: Request) -> BoxFuture<'_, std::result::Result<Response, UpstreamError>> {
        Box::pin(async move {
            let (p, b) = r.into_parts();
            let b = b.collect().await.unwrap().to_bytes();
            let mut q = Request::new(Full::new(b));
            *q.method_mut() = p.method; *q.headers_mut() = p.headers;
            *q.uri_mut() = format!("http://{}{}", self.to, p.uri).parse().unwrap();
            let (p, b) = self.client.request(q).await.unwrap().into_parts();
            Ok(Response::from_parts(p, Body::from(b.collect().await.unwrap().to_bytes())))
        })
    }
}
impl Readiness for Bare { fn check(&self) -> BoxFuture<'_, Vec<Check>> { Box::pin(async { vec![] }) } }

fn limits() -> Limits { Limits { connections_max: 5000, head_timeout: Duration::from_secs(30), drain_delay: Duration::ZERO, drain_timeout: Duration::from_secs(1) } }
fn router() -> Router { Router::new().route("/x/echo", post(|b: axum::body::Bytes| async { b })).merge(routes(Arc::new(Ready))) }

async fn listen<S>(s: S) -> SocketAddr where S: tower::Service<axum::http::Request<Body>, Response = Response, Error = std::convert::Infallible> + Clone + Send + 'static, S::Future: Send {
    let l = TcpListener::bind("127.0.0.1:0").await.unwrap(); let a = l.local_addr().unwrap();
    let (t, sd) = shutdown::channel(); std::mem::forget(t);
    tokio::spawn(serve(l, s, limits(), sd)); a
}
async fn gateway(upstream: Arc<dyn Upstream>) -> SocketAddr {
    let config = Config { rate_limits: RateLimits::OFF, ..Config::default() };
    let n = Nobody(tokio::sync::broadcast::channel(1).0);
    listen(Gateway::start(config, vec![Route { prefix: "/x", upstream }], Arc::new(n), Clock::system()).unwrap()).await
}
async fn load(to: SocketAddr, connections: usize) -> u64 {
    let body = "{\"amount\":100,\"receiver\":12345}";
    let text = format!("POST /x/echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let end = Instant::now() + Duration::from_secs(2);
    let tasks: Vec<_> = (0..connections).map(|_| { let text = text.clone(); tokio::spawn(async move {
        let mut s = TcpStream::connect(to).await.unwrap(); s.set_nodelay(true).unwrap();
        let mut buf = vec![0; 4096]; let mut n = 0u64;
        while Instant::now() < end {
            s.write_all(text.as_bytes()).await.unwrap();
            let mut got = 0;
            loop { let r = s.read(&mut buf[got..]).await.unwrap(); assert!(r > 0); got += r; if buf[..got].ends_with(b"12345}") { break; } }
            assert!(buf.starts_with(b"HTTP/1.1 200")); n += 1;
        } n }) }).collect();
    let mut total = 0; for t in tasks { total += t.await.unwrap(); } total / 2
}
#[tokio::main(worker_threads = 2)]
async fn main() {
    let direct = listen(router()).await;
    let inp = gateway(Arc::new(InProcess::new(router(), Arc::new(Ready)))).await;
    let mut c = HttpConnector::new(); c.set_nodelay(true);
    let bare = gateway(Arc::new(Bare { client: Client::builder(TokioExecutor::new()).build(c), to: direct })).await;
    let pool = |n: usize, sign: bool| async move {
        let mut addresses = vec![]; for _ in 0..n { addresses.push(listen(router()).await.to_string()); }
        let signer = sign.then(|| Signer::new(Keys::parse(&[format!("k:{}A=", "a".repeat(42))]).unwrap(), Party::Gateway, Clock::system()));
        let s = PooledService { name: "x", audience: Party::Money, addresses, keyed_paths: &["/x/echo"] };
        gateway(Arc::new(Pool::start(s, &PoolConfig::default(), signer, Clock::system(), &Metrics::default()).unwrap())).await
    };
    let (p1, p3, p3s) = (pool(1, false).await, pool(3, false).await, pool(3, true).await);
    tokio::time::sleep(Duration::from_secs(7)).await;
    for connections in [16, 64] { for _ in 0..5 {
        for (name, to) in [("direct", direct), ("in process", inp), ("bare client, 1 address", bare), ("pool of 1", p1), ("pool of 3", p3), ("pool of 3, signed", p3s)] {
            print!("{name}: {}  |  ", load(to, connections).await);
        } println!("({connections} connections)");
    } }
}
