//! The rule that keeps dependencies between our crates pointing one way.

use super::Finding;

/// Which of our crates each may name, in any kind of dependency. A crate that is not here is
/// refused, so that a new one has to say where it stands.
const EDGES: &[(&str, &[&str])] = &[
    ("account", &["service", "testing"]),
    ("gateway", &["service", "testing"]),
    ("ledger", &[]),
    ("money", &["ledger", "service", "testing"]),
    ("my-pay", &["account", "gateway", "ledger", "money", "service", "testing"]),
    ("service", &["testing"]),
    ("testing", &[]),
];

/// The crate that is pure, and therefore built from nothing but itself.
const PURE: &str = "ledger";

/// A crate names only the crates of ours that the design lets it name.
pub(crate) fn crate_edges(path: &str, text: &str) -> Vec<Finding> {
    let name = path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml"));
    let Some(name) = name.filter(|name| !name.contains('/')) else { return Vec::new() };
    let Some(allowed) = allowed(name) else {
        return vec![Finding::new(1, format!("say in xtask what the crate `{name}` may name"))];
    };
    let mut findings = Vec::new();
    for Dependency { line, key, for_tests } in dependencies(text) {
        let is_ours = EDGES.iter().any(|(ours, _)| *ours == key);
        if is_ours && !allowed.contains(&key) {
            findings.push(Finding::new(line, format!("`{name}` must not depend on `{key}`")));
        } else if name == PURE && !for_tests {
            findings.push(Finding::new(line, format!("`{name}` is pure: only tests use `{key}`")));
        }
    }
    findings
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    EDGES.iter().find(|(ours, _)| *ours == name).map(|(_, allowed)| *allowed)
}

struct Dependency<'text> {
    line: usize,
    /// Without the prefix of our packages, so that `my-pay-ledger` is `ledger` too.
    key: &'text str,
    for_tests: bool,
}

/// Reads as much TOML as manifests use: `key = …` and `key.workspace = true` under a heading that
/// ends in `dependencies`, and headings such as `[dependencies.key]`.
fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut heading = "";
    for (line, content) in (1..).zip(manifest.lines()) {
        let content = content.trim();
        let key = if let Some(rest) = content.strip_prefix('[') {
            heading = rest.split(']').next().unwrap_or_default();
            heading.rsplit_once("dependencies.").map(|(_, key)| key)
        } else if heading.ends_with("dependencies") && !content.starts_with('#') {
            content.split_once('=').and_then(|(key, _)| key.split('.').next())
        } else {
            None
        };
        if let Some(key) = key {
            let key = key.trim().trim_matches(['"', '\'']);
            let key = key.strip_prefix("my-pay-").unwrap_or(key);
            found.push(Dependency { line, key, for_tests: heading.contains("dev-dependencies") });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, manifest: &str, lines: &[usize]) {
        let findings = crate_edges(&format!("crates/{name}/Cargo.toml"), manifest);
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{name}: {manifest:?}");
    }

    #[test]
    fn edges_of_the_design_are_allowed() {
        check("ledger", "[package]\nname = \"my-pay-ledger\"\n[dependencies]\n", &[]);
        check("ledger", "[dev-dependencies]\nproptest.workspace = true\n", &[]);
        check("money", "[dependencies]\nledger.workspace = true\nservice.workspace = true\n", &[]);
        check("account", "[dependencies]\nservice = { workspace = true }\nserde = \"1\"\n", &[]);
        check("my-pay", "[dependencies]\naccount = 1\ngateway = 1\nledger = 1\nmoney = 1\n", &[]);
    }

    #[test]
    fn every_other_edge_is_refused() {
        for (name, other) in [
            ("ledger", "service"),
            ("service", "ledger"),
            ("account", "money"),
            ("account", "ledger"),
            ("gateway", "account"),
            ("gateway", "money"),
            ("money", "account"),
            ("money", "gateway"),
            ("service", "my-pay"),
        ] {
            check(name, &format!("[dependencies]\n{other}.workspace = true\n"), &[2]);
        }
    }

    #[test]
    fn an_edge_is_found_however_it_is_written() {
        check("gateway", "[dependencies]\nbytes = \"1\"\nmoney = { workspace = true }\n", &[3]);
        check("gateway", "[dependencies]\n\"money\" = { path = \"../money\" }\n", &[2]);
        check("gateway", "[dependencies]\nmy-pay-money = { path = \"../money\" }\n", &[2]);
        check("gateway", "[dependencies.money]\nworkspace = true\n", &[1]);
        check("gateway", "[dev-dependencies]\nmoney.workspace = true\n", &[2]);
        check("gateway", "[target.'cfg(unix)'.dependencies]\nmoney.workspace = true\n", &[2]);
        check("gateway", "[features]\nmoney = []\n[dependencies]\n# money = 1\n", &[]);
    }

    #[test]
    fn the_pure_crate_is_built_from_nothing() {
        check("ledger", "[dependencies]\nserde.workspace = true\n", &[2]);
        check("ledger", "[build-dependencies]\ncc = \"1\"\n", &[2]);
        check("service", "[dependencies]\nserde.workspace = true\n", &[]);
    }

    #[test]
    fn a_new_crate_has_to_say_where_it_stands() {
        check("utils", "[package]\n", &[1]);
        assert_eq!(crate_edges("bench/Cargo.toml", "[dependencies]\nmoney = 1\n"), []);
    }
}
