//! One trace through services that run apart, whose processes tell a collector each for itself.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use crate::support::{
    Person,
    cluster::{Cluster, Shape},
    collector::{Collector, Span},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_through_all_services() {
    let collector = Collector::start().await;
    let variables = [("MY_PAY_TRACING_OTLP_ENDPOINT", collector.endpoint.as_str())];
    let mut cluster =
        Cluster::start_with(Shape { gateways: 1, accounts: 1, moneys: 1 }, &variables).await;
    let ann = Person::register(cluster.client(), "Ann").await.with_wallet().await;
    ann.deposit(1_000).await;
    // Past the gateway, a client cannot even begin a trace.
    let forged = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (path, status) in [("/money/v1/wallets", 401), ("/money/health/ping", 200)] {
        let past = cluster.moneys[0].client().get(path).header("traceparent", forged);
        assert_eq!(past.exchange().await.unwrap().status, status, "{path}");
    }
    let bob = Person::register(cluster.client(), "Bob").await.with_wallet().await;
    let body = json!({ "receiverWalletId": bob.wallet_id, "amount": 7 });
    let sent = ann.post("/money/v1/transfers").key("one").json(&body);
    let sent = sent.header("x-request-id", "lunch").header("traceparent", forged).send().await;
    assert_eq!(sent.status, 201);
    assert_eq!(cluster.moneys[0].terminate().code(), Some(0));
    let unanswered = ann.get("/money/v1/wallets").header("x-request-id", "gone").send().await;
    assert_eq!(unanswered.status, 503);
    let money_port = cluster.moneys[0].address.port().to_string();
    cluster.stop().await;

    let spans = collector.spans();
    assert!(spans.iter().all(|span| !forged.contains(&span.trace_id)), "{spans:?}");
    let child = |parent: &Span, kind: SpanKind, name: &str| {
        let is_it = |span: &&Span| {
            span.parent_id == parent.id
                && span.trace_id == parent.trace_id
                && (span.kind, span.name.as_str()) == (kind, name)
        };
        spans.iter().find(is_it).unwrap_or_else(|| panic!("{name} below {parent:?}: {spans:#?}"))
    };
    let with_id = |id: &str| {
        let is_it = |s: &&Span| s.attributes.get("my_pay.request.id").is_some_and(|of| of == id);
        spans.iter().find(is_it).expect("it is traced")
    };
    let gone = with_id("gone");
    assert_eq!((gone.has_failed, &gone.attributes["error.type"][..]), (true, "5xx"));
    let gateway = with_id("lunch");
    assert!(!gateway.has_failed);
    assert_eq!(gateway.service, "my-pay-gateway");
    let call = child(gateway, SpanKind::Client, "POST");
    assert_eq!(call.attributes["server.port"], money_port);
    let money = child(call, SpanKind::Server, "POST /money/v1/transfers");
    assert_eq!(money.service, "my-pay-money");
    let queue = child(money, SpanKind::Internal, "queue");
    let (_, batch) = &queue.links[0];
    let batch = spans.iter().find(|span| span.id == *batch).expect("the batch");
    for stage in ["lock", "load", "decide", "persist", "commit"] {
        child(batch, SpanKind::Internal, stage);
    }

    // The first time that a token is seen, the account service is asked.
    let asking = spans.iter().find(|span| span.name == "introspect").expect("it was asked");
    let call = child(asking, SpanKind::Client, "POST");
    let account = spans.iter().find(|span| span.parent_id == call.id).expect("it was asked");
    assert_eq!((account.service.as_str(), account.kind), ("my-pay-account", SpanKind::Server));
    // A long poll that nobody traced begins no trace.
    let roots = spans.iter().filter(|span| span.parent_id.is_empty() && span.name != "batch");
    assert!(roots.into_iter().all(|span| span.service == "my-pay-gateway"));
}
