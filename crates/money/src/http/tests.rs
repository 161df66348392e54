//! The golden file keeps the code and the published specification equal; the catalogue keeps the
//! ledger's codes and the problems equal. The API itself is tested through the gateway, over TCP.

use expect_test::expect_file;
use ledger::Rejection;

use super::{openapi, problems::rejection_kind};

#[test]
fn the_specification_is_the_golden_file() {
    let document = openapi().to_pretty_json().unwrap() + "\n";
    expect_file!["../../openapi.json"].assert_eq(&document);
}

#[test]
fn the_specification_says_which_declines_are_recorded() {
    let description = openapi().info.description.unwrap();
    let (_, description) = description.split_once("Recorded under the key").unwrap();
    let (recorded, others) = description.split_once("Not recorded").unwrap();
    let (others, _) = others.split_once("\n\n").unwrap();
    for rejection in Rejection::ALL {
        let code = format!("`{}`", rejection.code());
        let found = (recorded.contains(&code), others.contains(&code));
        assert_eq!(found, (rejection.is_recorded(), !rejection.is_recorded()), "{code}");
    }
}

#[test]
fn every_rejection_is_a_problem_of_the_same_name() {
    for rejection in Rejection::ALL {
        assert_eq!(rejection_kind(rejection).code, rejection.code());
    }
}
