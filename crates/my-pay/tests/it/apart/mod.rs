//! The services apart, one gateway, two account services and three money services on MariaDB and
//! Redis: every test that speaks HTTP, again, through that gateway.

mod api_keys;
mod dump;
mod metrics;
mod operation;
mod owner;
mod traces;

use std::{collections::BTreeSet, process::Command, time::Duration};

use service::contract::scope::Scope;

use crate::support::{
    apart::{API_KEY_VARIABLE, DATABASE_VARIABLES, GATEWAY_VARIABLE},
    cluster::Cluster,
    process::{PATIENCE, Process},
};

/// Modules whose tests start and stop programs of their own, and why they are not asked again.
const OTHER_MODULES: [(&str, &str); 9] = [
    ("apart", "this"),
    ("clock", "starts its own at other times; apart, faults::clock does"),
    ("crash", "kills `my-pay up`; what is killed apart has tests of its own"),
    ("disk", "starts its own, on a disk that fails"),
    ("docs_page", "opens a browser on pages that are the same"),
    ("documented", "starts its own, as the README says"),
    ("faults", "starts its own, to spoil them"),
    ("program", "is about the program's start, settings and commands"),
    ("support", "is what tests are made of"),
];

/// Tests that cannot be asked again of a product that somebody else has started, and why.
const OWN_PRODUCT_ONLY: [(&str, &str); 26] = [
    ("api_keys::a_key_ends_at_its_time", "holds the clock"),
    ("api_keys::a_rotated_key_has_two_secrets_until_the_overlap_is_over", "holds the clock"),
    ("api_keys::commands_manage_keys_while_the_product_runs", "opens SQLite"),
    ("auths::a_refresh_replaces_both_tokens", "holds the clock"),
    ("auths::one_session_too_many_ends_the_oldest", "changes settings"),
    ("auths::sessions_are_listed_newest_first", "holds the clock"),
    ("auths::tokens_end_at_their_time", "holds the clock"),
    ("auths::two_tabs_refresh_at_once_and_a_lost_answer_is_asked_for_again", "holds the clock"),
    ("edge::pages_of_configured_origins_may_call", "changes settings"),
    ("history::from_is_included_and_to_is_not", "holds the clock"),
    ("limits::a_body_must_arrive_in_time", "changes settings"),
    ("limits::a_body_must_be_small_however_it_is_sent", "changes settings"),
    ("limits::a_head_must_arrive_in_time", "changes settings"),
    ("limits::a_session_may_ask_so_often_and_no_more", "changes settings"),
    ("limits::an_address_may_ask_so_often_and_no_more", "changes settings"),
    ("moving_money::with_a_wallet_a_rejection_is_recorded_and_moves_nothing", "owns all wallets"),
    ("payouts::the_money_of_a_closed_wallet_is_paid_out_once", "opens SQLite"),
    ("passwords::after_the_wait_the_right_password_counts", "holds the clock"),
    ("security::a_service_believes_nobody_but_the_gateway", "calls the services in its process"),
    ("security::secrets_are_not_on_disk", "looks into the files of SQLite"),
    ("security::without_a_valid_token_nothing_answers", "holds the clock"),
    ("suspension::a_closed_account_is_closed_for_good", "calls the engine in its process"),
    ("suspension::a_suspended_account_is_locked_at_once_and_its_money_soon", "the same"),
    ("suspension::a_suspended_account_opens_no_wallet", "the same"),
    ("suspension::an_operator_lifts_a_suspension_while_the_product_runs", "opens SQLite"),
    ("wallets::a_wallet_that_is_not_there_is_not_found", "owns all wallets"),
];

/// Tests at once. They share the machine with the services.
const THREADS: &str = "4";

/// The tests of this binary that are asked again.
fn tests_again() -> Vec<String> {
    let ended =
        Process::start(Command::new(std::env::current_exe().unwrap()).arg("--list")).wait(PATIENCE);
    let mut others: BTreeSet<_> = OTHER_MODULES.map(|(module, _)| module).into();
    let mut left_out: BTreeSet<_> = OWN_PRODUCT_ONLY.map(|(test, _)| test).into();
    let mut again = Vec::new();
    for line in ended.stdout.lines() {
        let Some(test) = line.strip_suffix(": test") else { continue };
        let module = test.split("::").next().unwrap();
        others.remove(module);
        let is_other = OTHER_MODULES.iter().any(|(other, _)| *other == module);
        if !is_other && !left_out.remove(test) {
            again.push(test.to_owned());
        }
    }
    assert!(left_out.is_empty(), "there are no such tests: {left_out:?}");
    assert!(others.iter().all(|module| *module == "support"), "no such modules: {others:?}");
    again
}

/// Runs these of this binary's tests on this product, of which they get an API key with all scopes.
fn run(tests: &[String], threads: &str, cluster: &Cluster, api_key: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--exact").args(tests).args(["--test-threads", threads]);
    command.env(GATEWAY_VARIABLE, cluster.gateways[0].address.to_string());
    command.env(API_KEY_VARIABLE, api_key);
    for ([ours, _], schema) in DATABASE_VARIABLES.into_iter().zip(["account", "money"]) {
        command.env(ours, cluster.mariadb.url(schema));
    }
    let ended = Process::start(&mut command).wait(Duration::from_mins(8));
    let verdict = format!("test result: ok. {} passed; 0 failed; 0 ignored;", tests.len());
    assert!(ended.stdout.contains(&verdict), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_over_http_again() {
    let cluster = Cluster::start().await;
    let scopes: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let key = cluster.backend(&scopes).key;
    // Thousands of requests at the same moment are a test alone.
    let (alone, together): (Vec<_>, Vec<_>) =
        tests_again().into_iter().partition(|test| test.starts_with("concurrency::"));
    run(&together, THREADS, &cluster, &key);
    run(&alone, "1", &cluster, &key);
    cluster.stop().await;
}
