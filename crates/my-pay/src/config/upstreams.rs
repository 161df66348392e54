//! Settings of where services are.

use std::collections::HashSet;

use anyhow::bail;
use serde::Serialize;

/// Where the services are when they run apart: `HOST:PORT` of each instance, in a variable
/// separated by commas. Unused by `my-pay up`.
#[derive(Debug, Clone, confique::Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct UpstreamsConfig {
    /// The account services. The gateway and the money services need them.
    #[config(
        env = "MY_PAY_UPSTREAMS_ACCOUNT",
        parse_env = crate::config::given::list,
        default = []
    )]
    pub account: Vec<String>,

    /// The money services. The gateway and the account services need them.
    #[config(
        env = "MY_PAY_UPSTREAMS_MONEY",
        parse_env = crate::config::given::list,
        default = []
    )]
    pub money: Vec<String>,
}

/// More addresses than anyone has instances are a mistake.
const ADDRESSES_MAX: usize = 256;

impl UpstreamsConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        for (name, addresses) in [("account", &self.account), ("money", &self.money)] {
            if addresses.len() > ADDRESSES_MAX {
                return Err(format!("upstreams.{name} has more than {ADDRESSES_MAX} addresses"));
            }
            if let Some(bad) = addresses.iter().find(|address| !is_address(address)) {
                return Err(format!("upstreams.{name}: `{bad}` is not an address (HOST:PORT)"));
            }
            let mut seen = HashSet::new();
            if let Some(twice) = addresses.iter().find(|address| !seen.insert(*address)) {
                return Err(format!("upstreams.{name} names `{twice}` twice"));
            }
        }
        Ok(())
    }

    /// The account services' addresses, which must be given.
    pub fn account(&self) -> anyhow::Result<&[String]> {
        needed(&self.account, "--account-upstream", "MY_PAY_UPSTREAMS_ACCOUNT")
    }

    /// The money services' addresses, which must be given.
    pub fn money(&self) -> anyhow::Result<&[String]> {
        needed(&self.money, "--money-upstream", "MY_PAY_UPSTREAMS_MONEY")
    }
}

fn needed<'a>(addresses: &'a [String], flag: &str, variable: &str) -> anyhow::Result<&'a [String]> {
    if addresses.is_empty() {
        bail!("{flag} is needed: HOST:PORT of each instance (or the variable {variable})");
    }
    Ok(addresses)
}

/// A host name, an IPv4 address or an IPv6 address in brackets, and a port. Names are looked up
/// later.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        }
    };
    is_port && is_host
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn addresses() {
        for address in ["127.0.0.1:8081", "money:8082", "money-1.example.com:80", "[::1]:8081"] {
            assert!(is_address(address), "{address}");
        }
        for address in
            ["", "money", "money:", ":8081", "money:0", "money:65536", "::1:80", "http://money:80"]
        {
            assert!(!is_address(address), "{address}");
        }
    }
}
