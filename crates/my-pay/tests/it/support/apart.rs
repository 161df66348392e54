//! How a test finds out that it is to use a product that another test has started, apart.

use std::net::SocketAddr;

/// Names the address of that product's gateway.
pub const GATEWAY_VARIABLE: &str = "APART_GATEWAY";

/// Name the URLs of its databases, for commands: by what name a test gets one, and by what name the
/// program takes it.
pub const DATABASE_VARIABLES: [[&str; 2]; 2] = [
    ["APART_ACCOUNT_DATABASE_URL", "MY_PAY_ACCOUNT_DATABASE_URL"],
    ["APART_MONEY_DATABASE_URL", "MY_PAY_MONEY_DATABASE_URL"],
];

/// That address, if there is such a product.
pub fn gateway() -> Option<SocketAddr> {
    let address = std::env::var_os(GATEWAY_VARIABLE)?;
    Some(address.to_str().unwrap().parse().unwrap())
}

/// Holds an API key of that product with every scope.
pub const API_KEY_VARIABLE: &str = "APART_API_KEY";

/// That key, if there is such a product.
pub fn api_key() -> Option<String> {
    let key = std::env::var_os(API_KEY_VARIABLE)?;
    Some(key.into_string().unwrap())
}
