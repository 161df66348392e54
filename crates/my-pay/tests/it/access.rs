//! Every call with each kind of caller. The table is compared with the specifications of both
//! services, so a new call needs a row, and what the rows say is then tried.

use std::collections::BTreeSet;

use account::openapi as account_openapi;
use hyper::Method;
use money::openapi as money_openapi;
use serde_json::Value;

use crate::support::{Person, Product, Response};

/// Who may make a call: everyone, people or not, and API keys with one of some scopes.
#[derive(Debug, Clone, Copy)]
enum Who {
    Everyone,
    /// Everyone whose token or key has the scope.
    Both(&'static str),
    /// The same, and API keys with the other scope, too.
    BothOrKeys(&'static str, &'static str),
    People(&'static str),
    Keys(&'static str),
}

use Who::{Both, BothOrKeys, Everyone, Keys, People};

const CALLS: &[(&str, &str, Who)] = &[
    ("get", "/accounts/health/ping", Everyone),
    ("post", "/accounts/v1/accounts", Everyone),
    ("get", "/accounts/v1/accounts/{id}", Both("accounts:read")),
    ("put", "/accounts/v1/accounts/{id}", Both("accounts:write")),
    ("post", "/accounts/v1/accounts/{id}/closure", Both("accounts:write")),
    ("get", "/accounts/v1/accounts/{id}/operations", Keys("operate")),
    ("post", "/accounts/v1/accounts/{id}/operations", Keys("operate")),
    ("put", "/accounts/v1/accounts/{id}/password", People("accounts:write")),
    ("get", "/accounts/v1/api-keys", Keys("keys:write")),
    ("post", "/accounts/v1/api-keys", Keys("keys:write")),
    ("get", "/accounts/v1/api-keys/{id}", Keys("keys:write")),
    ("delete", "/accounts/v1/api-keys/{id}", Keys("keys:write")),
    ("post", "/accounts/v1/api-keys/{id}/rotations", Keys("keys:write")),
    ("get", "/accounts/v1/auths", Both("accounts:read")),
    ("post", "/accounts/v1/auths", Everyone),
    ("delete", "/accounts/v1/auths", Both("accounts:write")),
    ("delete", "/accounts/v1/auths/current", People("accounts:write")),
    ("post", "/accounts/v1/auths/refresh", Everyone),
    ("post", "/accounts/v1/password-resets", Keys("accounts:write")),
    ("post", "/accounts/v1/password-resets/redemptions", Everyone),
    ("get", "/money/health/ping", Everyone),
    ("get", "/money/v1/books/balances", Keys("books:read")),
    ("get", "/money/v1/books/transfers", Keys("books:read")),
    // The products of tests let people fund their wallets.
    ("post", "/money/v1/deposits", Both("money:fund")),
    ("get", "/money/v1/transactions", BothOrKeys("wallets:read", "books:read")),
    ("get", "/money/v1/transfers", Both("wallets:read")),
    ("post", "/money/v1/transfers", Both("money:send")),
    ("get", "/money/v1/transfers/{id}", BothOrKeys("wallets:read", "books:read")),
    ("get", "/money/v1/wallets", Both("wallets:read")),
    ("post", "/money/v1/wallets", Both("wallets:write")),
    ("get", "/money/v1/wallets/{id}", BothOrKeys("wallets:read", "books:read")),
    ("get", "/money/v1/wallets/{id}/operations", Keys("operate")),
    ("post", "/money/v1/wallets/{id}/operations", Keys("operate")),
    ("post", "/money/v1/wallets/{id}/payouts", Keys("operate")),
    ("post", "/money/v1/withdrawals", Both("money:fund")),
];

const SCOPES: [&str; 9] = [
    "accounts:read",
    "accounts:write",
    "wallets:read",
    "wallets:write",
    "money:send",
    "money:fund",
    "books:read",
    "operate",
    "keys:write",
];

impl Who {
    /// The scope that people need, if they may make the call at all.
    fn of_people(self) -> Option<&'static str> {
        match self {
            Everyone | Keys(_) => None,
            Both(scope) | BothOrKeys(scope, _) | People(scope) => Some(scope),
        }
    }

    /// The scopes of which an API key needs one.
    fn of_keys(self) -> Vec<&'static str> {
        match self {
            Everyone | People(_) => Vec::new(),
            Both(scope) | Keys(scope) => vec![scope],
            BothOrKeys(scope, other) => vec![scope, other],
        }
    }

    /// The scope that a caller without the right one is told.
    fn named(self) -> &'static str {
        self.of_people().or(self.of_keys().first().copied()).unwrap_or_default()
    }
}

/// A call as a specification has it: method, path, and its kinds of callers with their scopes.
fn declared() -> BTreeSet<(String, String, Vec<String>)> {
    let mut calls = BTreeSet::new();
    for document in [account_openapi(), money_openapi()] {
        let document = serde_json::to_value(document).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let security = operation["security"].as_array().unwrap().iter();
                let callers = security.map(Value::to_string).collect();
                calls.insert((method.clone(), path.clone(), callers));
            }
        }
    }
    calls
}

#[test]
fn the_specifications_declare_what_the_table_says() {
    let table = CALLS.iter().map(|(method, path, who)| {
        let of_people = who.of_people().map(|scope| format!(r#"{{"bearer":["{scope}"]}}"#));
        let of_keys = who.of_keys().into_iter();
        let of_keys = of_keys.map(|scope| format!(r#"{{"api_key":["{scope}"]}}"#));
        let of_everyone = matches!(who, Everyone).then(|| "{}".to_owned());
        let callers = of_everyone.into_iter().chain(of_people).chain(of_keys).collect();
        ((*method).to_owned(), (*path).to_owned(), callers)
    });
    assert_eq!(table.collect::<BTreeSet<_>>(), declared());
}

/// The path with the id of something that is not there, so that calls which may be made change
/// nothing.
fn path(pattern: &str) -> String {
    let id = if pattern.contains("/transfers/") {
        "00000000-0000-7000-8000-000000000000"
    } else {
        "9007199254740991"
    };
    pattern.replace("{id}", id)
}

#[track_caller]
fn check_missing(answer: &Response, scope: &str, what: &str) {
    assert_eq!((answer.status, answer.code()), (403, "insufficient_scope"), "{what}");
    assert_eq!(answer.body["scope"], scope, "{what}");
    let challenge =
        format!(r#"Bearer realm="my-pay", error="insufficient_scope", scope="{scope}""#);
    assert_eq!(answer.header("www-authenticate"), challenge, "{what}");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("`{scope}`")), "{what}: {detail}");
}

#[track_caller]
fn check_allowed(answer: &Response, what: &str) {
    assert!(answer.status != 401 && answer.code() != "insufficient_scope", "{what}: {answer:?}");
    assert!(answer.status < 500, "{what}: {answer:?}");
}

#[tokio::test]
async fn every_call_needs_its_scope() {
    let product = Product::start().await;
    let person = product.person("Ann").await;
    let mut with_one = Vec::new();
    let mut with_all_but = Vec::new();
    for scope in SCOPES {
        with_one.push(product.backend(&[scope]).await);
        let others: Vec<_> = SCOPES.into_iter().filter(|other| *other != scope).collect();
        with_all_but.push(product.backend(&others).await);
    }
    let index = |scope: &str| SCOPES.iter().position(|known| *known == scope).unwrap();

    for &(method, pattern, who) in CALLS {
        if matches!(who, Everyone) {
            continue;
        }
        let what = format!("{method} {pattern}");
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = path(pattern);
        let anonymous = product.client.call(method.clone(), &path).send().await;
        assert_eq!((anonymous.status, anonymous.code()), (401, "missing_token"), "{what}");

        if who.of_people().is_none() {
            let asked = person.call(method.clone(), &path).send().await;
            check_missing(&asked, who.named(), &format!("{what} by a person"));
        }
        let enough: Vec<_> = who.of_keys().into_iter().map(index).collect();
        for (key, scope) in SCOPES.iter().enumerate() {
            let what = format!("{what} with the scope {scope} alone");
            let call = with_one[key].call(method.clone(), &path);
            if enough.contains(&key) {
                check_allowed(&call.send().await, &what);
            } else {
                let named = who.of_keys().first().copied().unwrap_or(who.named());
                check_missing(&call.send().await, named, &what);
            }
        }
        // All others together do not make up for the one that is missing.
        if let [needed] = enough[..] {
            let answer = with_all_but[needed].call(method.clone(), &path).send().await;
            check_missing(&answer, SCOPES[needed], &format!("{what} with all other scopes"));
        }
    }
}

/// A person's calls go as they always went: what the table gives to people is given to them.
#[tokio::test]
async fn people_make_the_calls_that_are_theirs() {
    let product = Product::start().await;
    for &(method, pattern, who) in CALLS {
        if who.of_people().is_none() {
            continue;
        }
        // Of their own each, because some calls end a session or an account.
        let person: Person = product.person("Ann").await;
        let method: Method = method.to_uppercase().parse().unwrap();
        let answer = person.call(method.clone(), &path(pattern)).send().await;
        check_allowed(&answer, &format!("{method} {pattern}"));
    }
}
