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
fn every_rejection_is_a_problem_of_the_same_name() {
    for rejection in Rejection::ALL {
        assert_eq!(rejection_kind(rejection).code, rejection.code());
    }
}
