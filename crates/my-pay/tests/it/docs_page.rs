//! The documentation pages in a real browser that can reach nothing but this machine: every
//! operation of the specification is on the page, and the page asks nobody else for anything.

use std::{fs::File, path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::support::{Product, process::Process};

/// Chromium takes a second or two; a machine may be busy.
const BROWSER_PATIENCE: Duration = Duration::from_mins(2);

/// A page after its scripts have run.
struct Page {
    /// The elements, as HTML.
    elements: String,
    /// What the page asked for, in all.
    requests: Vec<String>,
}

impl Page {
    /// Opens a page. Blocks.
    fn open(origin: &str, path: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("requests.json");
        let mut command = browser(folder.path(), &log, origin, path);
        let ended = Process::start(&mut command).wait(BROWSER_PATIENCE);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        Self { elements: ended.stdout, requests: page_requests(&log, origin) }
    }
}

fn browser(folder: &Path, log: &Path, origin: &str, path: &str) -> Command {
    let mut command = Command::new("chromium");
    command.env("HOME", folder);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]);
    command.args(["--no-first-run", "--disable-background-networking", "--disable-sync"]);
    command.args(["--disable-component-update", "--disable-dev-shm-usage", "--no-proxy-server"]);
    // The browser has habits of its own: none of its makers' servers can be found.
    command.arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    command.arg(format!("--log-net-log={}", log.display()));
    // Virtual time stands still while something is loaded: a slow machine does not change the page.
    command.args(["--virtual-time-budget=20000", "--dump-dom"]);
    command.arg(format!("{origin}{path}"));
    command
}

/// Addresses of the requests that are the page's or its navigation's, from the browser's own log.
/// What the browser does by itself has neither the page's origin nor its address.
fn page_requests(log: &Path, origin: &str) -> Vec<String> {
    let log: Value = serde_json::from_reader(File::open(log).unwrap()).unwrap();
    let started = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    assert!(started.is_number(), "the browser's log knows requests");
    let events = log["events"].as_array().unwrap();
    let requests = events.iter().filter(|event| event["type"] == *started);
    let request = |event: &Value| {
        let text = |name: &str| event["params"][name].as_str().unwrap_or_default().to_owned();
        (text("initiator") == origin || text("url").starts_with(origin)).then(|| text("url"))
    };
    requests.filter_map(request).collect()
}

/// Text as it is written in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

async fn check(service: &str) {
    let product = Product::start().await;
    let origin = format!("http://{}", product.client.address);
    let path = format!("/{service}/docs/index.html");
    let opened = origin.clone();
    let page = tokio::task::spawn_blocking(move || Page::open(&opened, &path)).await.unwrap();

    let specification = product.client.get(&format!("/{service}/docs/openapi.json")).send().await;
    let paths = specification.body["paths"].as_object().unwrap();
    assert!(paths.len() > 3, "{}", specification.body);
    for (path, operations) in paths {
        let shown = format!("data-path=\"{path}\"");
        let count = page.elements.matches(&shown).count();
        assert_eq!(count, operations.as_object().unwrap().len(), "{path}: {}", page.elements);
        for operation in operations.as_object().unwrap().values() {
            let summary = escaped(operation["summary"].as_str().unwrap());
            assert!(page.elements.contains(&summary), "{summary}: {}", page.elements);
        }
    }
    let title = specification.body["info"]["title"].as_str().unwrap();
    assert!(page.elements.contains(title), "{}", page.elements);
    for badge in ["validator.swagger.io", "online.swagger.io", "No operations defined", "Failed to"]
    {
        assert!(!page.elements.contains(badge), "{badge}: {}", page.elements);
    }

    let elsewhere: Vec<_> = page.requests.iter().filter(|url| !url.starts_with(&origin)).collect();
    assert!(elsewhere.is_empty(), "the page asks others: {elsewhere:?}");
    let document = format!("{origin}/{service}/docs/openapi.json");
    assert!(page.requests.contains(&document), "{:?}", page.requests);
    product.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_account_service() {
    check("accounts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_money_service() {
    check("money").await;
}
