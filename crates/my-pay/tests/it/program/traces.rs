//! Traces: what a request went through, told to a collector; off unless configured.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::support::{
    Person,
    collector::{Collector, Span},
    eventually,
    metrics::{Scrape, operations_address},
    process::{PATIENCE, Program},
};

/// What a client says of its own trace.
const CLIENTS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENTS_SPAN: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{CLIENTS_TRACE}-{CLIENTS_SPAN}-{flags}")
}

fn start(folder: &tempfile::TempDir, endpoint: &str, variables: &[(&str, &str)]) -> Program {
    let mut command = Program::command(folder.path());
    command.env("MY_PAY_TRACING_OTLP_ENDPOINT", endpoint);
    command.env("MY_PAY_SERVER_OPERATIONS_LISTEN", "127.0.0.1:0");
    Program::start(command.envs(variables.iter().copied()))
}

/// Somebody with money, and somebody to send it to.
async fn ann_and_bob(program: &Program) -> (Person, Value) {
    let ann = Person::register(program.client(), "Annabella").await.with_wallet().await;
    let bob = Person::register(program.client(), "Bartholomew").await.with_wallet().await;
    ann.deposit(3_000).await;
    (ann, json!({"receiverWalletId": bob.wallet_id, "amount": 7, "summary": "a secret lunch"}))
}

fn with_request_id<'a>(spans: &'a [Span], id: &str) -> Option<&'a Span> {
    spans.iter().find(|span| span.attributes.get("my_pay.request.id").is_some_and(|of| of == id))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_traced_from_the_gateway_to_the_disk() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let program = start(&folder, &collector.endpoint, &[]);
    let (ann, body) = ann_and_bob(&program).await;
    let sent = ann.post("/money/v1/transfers").key("secretly-keyed").json(&body);
    let sent = sent.header("x-request-id", "lunch").header("traceparent", &traceparent("00"));
    assert_eq!(sent.send().await.status, 201);
    let ended = program.stop();
    assert_eq!(ended.code(), Some(0));
    // The last spans are sent before the end.
    let spans = collector.spans();

    let gateway = with_request_id(&spans, "lunch").expect("it is traced");
    assert_eq!(gateway.name, "POST /money/v1/transfers");
    assert_eq!((gateway.kind, gateway.service.as_str()), (SpanKind::Server, "my-pay"));
    assert_eq!(gateway.attributes["http.response.status_code"], "201");
    assert_eq!(gateway.parent_id, "", "a client does not say where our traces belong");
    assert_ne!(gateway.trace_id, CLIENTS_TRACE);
    assert_eq!(gateway.links, [(CLIENTS_TRACE.to_owned(), CLIENTS_SPAN.to_owned())]);

    let child = |parent: &Span, name: &str| {
        let mut found = spans.iter().filter(|s| s.parent_id == parent.id && s.name == name);
        let child = found.next().unwrap_or_else(|| panic!("{name} below {}", parent.name));
        assert_eq!(child.trace_id, parent.trace_id);
        assert!(found.next().is_none(), "one {name}");
        child.clone()
    };
    let money = child(gateway, "POST /money/v1/transfers");
    assert!(gateway.times.0 <= money.times.0 && money.times.1 <= gateway.times.1);
    let queue = child(&money, "queue");
    let [(batch_trace, batch_id)] = &queue.links[..] else { panic!("{queue:?}") };
    let batch = spans.iter().find(|span| span.id == *batch_id).unwrap();
    assert_eq!(
        (&batch.name[..], &batch.trace_id, &batch.parent_id[..]),
        ("batch", batch_trace, "")
    );
    assert_eq!(batch.links, [(money.trace_id.clone(), money.id)]);
    assert_eq!(batch.attributes["batch.jobs"], "1");
    for stage in ["load", "decide", "persist", "commit", "flush"] {
        let stage = child(batch, stage);
        assert!(stage.times.0 <= stage.times.1 && stage.times.1 <= batch.times.1, "{stage:?}");
    }

    let log: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = log.iter().find(|line| line["request.id"] == "lunch").unwrap();
    assert_eq!(line["trace.id"], gateway.trace_id, "from the log to the trace");

    let login = spans.iter().find(|span| span.name == "hash password").expect("hashing is a part");
    assert!(spans.iter().any(|span| span.id == login.parent_id));
    let all = format!("{spans:?}");
    let summary = "a secret lunch";
    for secret in ["Annabella", &ann.email, &ann.token, &ann.password, "secretly-keyed", summary] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_requests_is_traced() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let ratio = [("MY_PAY_TRACING_SAMPLING_RATIO", "0.1")];
    let program = start(&folder, &collector.endpoint, &ratio);
    for _ in 0..100 {
        let answer = program.client().get("/accounts/health/ping").send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(program.client().get("/readyz").send().await.status, 200);
    }
    assert_eq!(program.stop().code(), Some(0));
    let spans = collector.spans();
    let traces = spans.iter().filter(|span| span.parent_id.is_empty()).count();
    assert!((9..=11).contains(&traces), "{traces} of 100");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_are_followed_decide() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let follow = [("MY_PAY_TRACING_FOLLOW_CLIENTS", "on"), ("MY_PAY_TRACING_SAMPLING_RATIO", "0")];
    let program = start(&folder, &collector.endpoint, &follow);
    let ask = async |id: &str, traceparent: Option<&str>| {
        let mut call = program.client().get("/accounts/health/ping").header("x-request-id", id);
        if let Some(traceparent) = traceparent {
            call = call.header("traceparent", traceparent);
        }
        assert_eq!(call.send().await.status, 200);
    };
    ask("sampled", Some(&traceparent("01"))).await;
    ask("unsampled", Some(&traceparent("00"))).await;
    ask("none", None).await;
    ask("nonsense", Some("00-nonsense-01")).await;
    ask("zero", Some("00-00000000000000000000000000000000-b7ad6b7169203331-01")).await;
    assert_eq!(program.stop().code(), Some(0));
    let spans = collector.spans();
    let followed = with_request_id(&spans, "sampled").expect("it is traced");
    assert_eq!((&followed.trace_id[..], &followed.parent_id[..]), (CLIENTS_TRACE, CLIENTS_SPAN));
    assert!(spans.iter().all(|span| span.trace_id == CLIENTS_TRACE), "{spans:?}");
    for id in ["unsampled", "none", "nonsense", "zero"] {
        assert!(with_request_id(&spans, id).is_none(), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_collector_everything_else_works() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let folder = tempfile::tempdir().unwrap();
    let program = start(&folder, &endpoint, &[]);
    let operations = operations_address(&program.process);
    let lost = || Scrape::of(operations).count(r#"mypay_trace_spans_total{outcome="lost"}"#);
    for round in 0..2 {
        let before = lost();
        let ann = Person::register(program.client(), "Ann").await.with_wallet().await;
        ann.deposit(round + 1).await;
        assert_eq!(ann.balance().await, round + 1);
        eventually(PATIENCE, async || lost() > before).await;
    }
    let ended = program.stop();
    assert_eq!(ended.code(), Some(0));
    let told = ended.stdout.matches("the collector does not take traces").count();
    assert_eq!(told, 1, "once, not each time: {}", ended.stdout);
}
