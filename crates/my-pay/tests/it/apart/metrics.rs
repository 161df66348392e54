//! docs/metrics.md lists every metric: what the processes show and what it says are the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use expect_test::expect_file;
use serde_json::json;

use crate::support::{
    Client, Person,
    cluster::{Cluster, Node, Shape},
    eventually,
    metrics::{Family, Scrape, operations_address},
    process::{PATIENCE, Process, Program},
};

/// What is listed together, by the beginning of its name.
const SECTIONS: [(&str, &str); 10] = [
    ("mypay_http_", "Requests"),
    ("mypay_gateway_", "Gateway"),
    ("mypay_account_", "Account service"),
    ("mypay_identity_", "Identity between services"),
    ("mypay_money_", "Money service"),
    ("mypay_database_", "Connections to MySQL"),
    ("mypay_redis_", "Redis"),
    ("mypay_data_dir_", "Data directory"),
    ("mypay_trace_", "Traces"),
    ("", "Process"),
];

/// What is before the tables.
const HEAD: &str = "# Metrics

Every process serves these at `/metrics` of its operations port (`server.operations_listen`), for Prometheus
(OpenMetrics 1.0). Times are in seconds, in buckets from 100 µs to 10 s, those of Redis from 50 µs to 200 ms. Routes are
patterns, such as `/money/v1/wallets/{id}`, or only whose route it is (`/money`) where no service has answered; `unmatched` where there is
none. Status 499 is a client that went away.
What each is good for on call is in [runbook.md](runbook.md).

Shown by: U `my-pay up`, G `my-pay gateway`, A `my-pay account`, M `my-pay money`. This list is made from what the
processes show, by a test (`UPDATE_EXPECT=1 cargo nextest run -p my-pay apart::metrics`).
";

struct Entry {
    family: Family,
    shown_by: BTreeSet<char>,
}

#[derive(Default)]
struct Catalogue(BTreeMap<String, Entry>);

impl Catalogue {
    fn add(&mut self, process: char, scrape: &Scrape) {
        for (name, family) in scrape.families() {
            let entry = self.0.entry(name.clone()).or_insert_with(|| Entry {
                family: Family { labels: BTreeSet::new(), ..family.clone() },
                shown_by: BTreeSet::new(),
            });
            assert_eq!(
                (&entry.family.kind, &entry.family.help),
                (&family.kind, &family.help),
                "{name} is the same everywhere"
            );
            entry.family.labels.extend(family.labels.iter().cloned());
            entry.shown_by.insert(process);
        }
    }

    fn page(mut self) -> String {
        let mut page = HEAD.to_owned();
        for (prefix, title) in SECTIONS {
            let mut rest = BTreeMap::new();
            write!(page, "\n## {title}\n\n| metric | type | labels | by | meaning |\n").unwrap();
            page.push_str("| --- | --- | --- | --- | --- |\n");
            for (name, entry) in self.0 {
                if name.starts_with(prefix) {
                    page.push_str(&row(&name, &entry));
                } else {
                    rest.insert(name, entry);
                }
            }
            self.0 = rest;
        }
        page
    }
}

fn row(name: &str, Entry { family, shown_by }: &Entry) -> String {
    let suffix = if family.kind == "counter" { "_total" } else { "" };
    let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
    let shown_by: Vec<_> =
        ['U', 'G', 'A', 'M'].into_iter().filter(|p| shown_by.contains(p)).collect();
    let shown_by: String = shown_by.into_iter().collect();
    let (kind, labels, help) = (&family.kind, labels.join(" "), family.help.trim_end_matches('.'));
    format!("| `{name}{suffix}` | {kind} | {labels} | {shown_by} | {help} |\n")
}

fn scrape(node: &Node) -> Scrape {
    Scrape::of(operations_address(node.process()))
}

/// Some of everything, so that every metric has its labels.
async fn use_it(client: impl Fn() -> Client) {
    let ann = Person::register(client(), "Ann").await.with_wallet().await;
    let bob = Person::register(client(), "Bob").await.with_wallet().await;
    ann.deposit(1_000).await;
    let body = json!({ "receiverWalletId": bob.wallet_id, "amount": 1 });
    assert_eq!(ann.move_money("transfers", "one", &body).await.status, 201);
}

/// What money shows once conservation was checked.
async fn checked(process: &Process) -> Scrape {
    let address = operations_address(process);
    let wallets = || Scrape::of(address).count("mypay_money_conservation_wallets");
    eventually(PATIENCE, async || wallets() > 0).await;
    Scrape::of(address)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_listed_and_every_listed_one_is_there() {
    let variables = [
        ("MY_PAY_SERVER_OPERATIONS_LISTEN", "127.0.0.1:0"),
        ("MY_PAY_MONEY_CONSERVATION_INTERVAL_MS", "100"),
    ];
    let shape = Shape { gateways: 1, accounts: 1, moneys: 1 };
    let cluster = Cluster::start_with(shape, &variables).await;
    use_it(|| cluster.client()).await;
    let mut catalogue = Catalogue::default();
    catalogue.add('G', &scrape(&cluster.gateways[0]));
    catalogue.add('A', &scrape(&cluster.accounts[0]));
    catalogue.add('M', &checked(cluster.moneys[0].process()).await);

    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::command(folder.path());
    let program = Program::start(command.envs(variables));
    use_it(|| program.client()).await;
    catalogue.add('U', &checked(&program.process).await);
    expect_file!["../../../../../docs/metrics.md"].assert_eq(&catalogue.page());
    assert_eq!(program.stop().code(), Some(0));
    cluster.stop().await;
}
