//! The table of prefixes, and which paths are looked up in it at all. What the gateway routes and
//! what a service sees must never be two different paths, so a path that somebody on the way could
//! read in two ways is not routed.

use std::sync::Arc;

use axum::http::{Uri, uri::PathAndQuery};
use service::http::problem::{NOT_FOUND, Problem};

use crate::upstream::Upstream;

/// Requests for `prefix`, and for everything below it, go to `upstream`, with their path unchanged.
pub struct Route {
    /// One or more segments, such as `/accounts`, without a slash at the end.
    pub prefix: &'static str,
    /// Who answers.
    pub upstream: Arc<dyn Upstream>,
}

/// The table, longest prefix first.
pub(crate) struct Routes(Vec<Route>);

impl Routes {
    /// Checks the table; the error has one line a problem.
    pub(crate) fn new(mut routes: Vec<Route>) -> Result<Self, String> {
        routes.sort_by_key(|route| (std::cmp::Reverse(route.prefix.len()), route.prefix));
        let mut problems = Vec::new();
        if routes.is_empty() {
            problems.push("there is no route".to_owned());
        }
        for Route { prefix, .. } in &routes {
            if !is_plain(prefix) || prefix.ends_with('/') || prefix.contains(['%', '?', '#']) {
                problems.push(format!("`{prefix}` is not a prefix such as `/accounts`"));
            }
        }
        for pair in routes.windows(2) {
            if pair[0].prefix == pair[1].prefix {
                problems.push(format!("the prefix `{}` is routed twice", pair[0].prefix));
            }
        }
        if problems.is_empty() { Ok(Self(routes)) } else { Err(problems.join("\n")) }
    }

    /// The route of this path.
    pub(crate) fn find(&self, path: &str) -> Result<&Route, Problem> {
        if !is_plain(path) {
            return Err(Problem::new(&NOT_FOUND).detail(
                "The path has an empty, `.` or `..` segment, or an escape that hides one.",
            ));
        }
        let route = self.0.iter().find(|route| is_below(path, route.prefix));
        route.ok_or_else(|| Problem::new(&NOT_FOUND))
    }

    /// Everything that is routed to.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &Arc<dyn Upstream>> {
        self.0.iter().map(|route| &route.upstream)
    }
}

/// A request may name the whole URI (RFC 9112, section 3.2.2), but its scheme and host are the
/// client's choice: services see the path and query, in every form of the request.
pub(crate) fn to_origin_form(uri: &mut Uri) {
    if uri.authority().is_some() {
        let path_and_query = uri.path_and_query().cloned();
        *uri = Uri::from(path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")));
    }
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path has one reading only: no empty segment but a last one, no `.` or `..`, no
/// backslash, nothing but visible ASCII, and no escape of a dot, slash, backslash, percent sign or
/// control.
fn is_plain(path: &str) -> bool {
    let Some(relative) = path.strip_prefix('/') else { return false };
    let mut segments = relative.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if (segment.is_empty() && !is_last) || matches!(segment, "." | "..") {
            return false;
        }
    }
    path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && has_plain_escapes(path)
}

fn has_plain_escapes(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let digits =
            rest.as_bytes().first_chunk::<2>().filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else { return false };
        let byte = digits.iter().fold(0, |byte, digit| byte * 16 + hex_value(*digit));
        !matches!(byte, b'.' | b'/' | b'\\' | b'%') && !byte.is_ascii_control()
    })
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use service::{
        BoxFuture,
        http::health::{Check, Readiness},
    };

    use super::*;
    use crate::upstream::InProcess;

    struct Ready;

    impl Readiness for Ready {
        fn check(&self) -> BoxFuture<'_, Vec<Check>> {
            Box::pin(async { Vec::new() })
        }
    }

    fn routes(prefixes: &[&'static str]) -> Result<Routes, String> {
        let upstream: Arc<dyn Upstream> = Arc::new(InProcess::new(Router::new(), Arc::new(Ready)));
        let route = |prefix: &&'static str| Route { prefix, upstream: Arc::clone(&upstream) };
        Routes::new(prefixes.iter().map(route).collect())
    }

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let routes = routes(&["/a", "/a/b", "/accounts"]).unwrap();
        assert_eq!(routes.find(path).ok().map(|route| route.prefix), expected, "{path:?}");
    }

    #[test]
    fn the_longest_prefix_wins_on_a_segment_boundary() {
        check("/a", Some("/a"));
        check("/a/", Some("/a"));
        check("/a/x", Some("/a"));
        check("/a/b", Some("/a/b"));
        check("/a/b/c", Some("/a/b"));
        check("/a/bc", Some("/a"));
        check("/ab", None);
        check("/A", None);
        check("/accounts/v1/accounts/7", Some("/accounts"));
        check("/", None);
    }

    #[test]
    fn a_path_with_two_readings_is_not_routed() {
        for path in [
            "",
            "*",
            "a",
            "//a",
            "/a//b",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/a/.",
            "/a/%2e%2E/b",
            "/a/%2f",
            "/a/%5C",
            "/a/\\b",
            "/a/%252e",
            "/a/%00",
            "/a/%7f",
            "/a/%",
            "/a/%2",
            "/a/%zz",
            "/a/\u{e9}",
            "/a/ b",
        ] {
            check(path, None);
        }
        for path in ["/a/%20", "/a/%C3%A9", "/a/...", "/a/.hidden", "/a/b.json", "/a/~x"] {
            assert!(is_plain(path), "{path:?}");
        }
    }

    #[test]
    fn services_see_path_and_query_only() {
        for (sent, seen) in [
            ("/a/b?c=d", "/a/b?c=d"),
            ("http://elsewhere/a/b?c=d", "/a/b?c=d"),
            ("http://elsewhere", "/"),
        ] {
            let mut uri = Uri::from_static(sent);
            to_origin_form(&mut uri);
            assert_eq!(uri.to_string(), seen);
        }
    }

    #[test]
    fn a_bad_table_is_refused() {
        for (prefixes, problem) in [
            (&[][..], "there is no route"),
            (&["/a", "/b", "/a"], "the prefix `/a` is routed twice"),
            (&["a"], "`a` is not a prefix such as `/accounts`"),
            (&["/"], "`/` is not a prefix such as `/accounts`"),
            (&["/a/"], "`/a/` is not a prefix such as `/accounts`"),
            (&["/a%20"], "`/a%20` is not a prefix such as `/accounts`"),
        ] {
            assert_eq!(routes(prefixes).err().as_deref(), Some(problem));
        }
    }
}
