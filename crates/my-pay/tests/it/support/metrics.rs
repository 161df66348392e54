//! What a process shows on its operations port, read as Prometheus reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use super::process::Process;

/// One look at the metrics of a process.
pub struct Scrape {
    families: BTreeMap<String, Family>,
    /// Everything before the value of each sample, and the value.
    samples: BTreeMap<String, f64>,
}

/// What is said of a metric, and the labels that its samples have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    pub kind: String,
    pub help: String,
    pub labels: BTreeSet<String>,
}

/// Where a process shows its metrics, as its log says before it says where clients connect to.
pub fn operations_address(process: &Process) -> SocketAddr {
    let address = |line: &String| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["operations.listen"].as_str()?.parse().ok()
    };
    process.lines.iter().find_map(address).expect("it serves metrics")
}

/// The answer to a request, head and body, as text.
pub fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Scrape {
    /// Looks now.
    pub fn of(address: SocketAddr) -> Self {
        let answer = get(address, "/metrics");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let mut scrape = Self { families: BTreeMap::new(), samples: BTreeMap::new() };
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut current = String::new();
        for line in body.lines() {
            let words: Vec<_> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "HELP", name, help] => {
                    name.clone_into(&mut current);
                    let family = Family { help: help.to_owned(), ..Family::default() };
                    let before = scrape.families.insert(current.clone(), family);
                    assert!(before.is_none(), "{name} is shown twice");
                }
                ["#", "TYPE", name, kind] => {
                    assert_eq!(name, current);
                    kind.clone_into(&mut scrape.families.get_mut(name).unwrap().kind);
                }
                ["#", ..] => {}
                _ => scrape.sample(&current, line),
            }
        }
        assert!(body.ends_with("# EOF\n"), "{body}");
        scrape
    }

    fn sample(&mut self, family: &str, line: &str) {
        // No label value of ours contains a space.
        let (series, value) = line.split_once(' ').unwrap();
        assert!(series.starts_with(family), "{series} is below {family}");
        if let Some((_, labels)) = series.split_once('{') {
            let names = labels.trim_end_matches('}').split(',').map(|label| label.split_once('='));
            let names = names.map(|label| label.unwrap().0).filter(|name| *name != "le");
            let known = &mut self.families.get_mut(family).unwrap().labels;
            known.extend(names.map(str::to_owned));
        }
        self.samples.insert(series.to_owned(), value.parse().unwrap());
    }

    /// Every metric.
    pub fn families(&self) -> &BTreeMap<String, Family> {
        &self.families
    }

    /// The value of a series, written with its labels; 0 if there is such a metric, but no such
    /// series yet.
    pub fn value(&self, series: &str) -> f64 {
        let name = series.split('{').next().unwrap();
        let families = &self.families;
        let is_of =
            |suffix| name.strip_suffix(suffix).is_some_and(|name| families.contains_key(name));
        assert!(["", "_total", "_count", "_sum", "_bucket"].into_iter().any(is_of), "no {name}");
        self.samples.get(series).copied().unwrap_or(0.0)
    }

    /// The same of what is counted, as a whole number.
    #[expect(clippy::cast_possible_truncation, reason = "what tests count is small")]
    pub fn count(&self, series: &str) -> i64 {
        self.value(series).round() as i64
    }
}
