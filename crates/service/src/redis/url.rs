//! Where Redis is, and how to log in, without ever showing the password.

use std::{fmt, str::FromStr};

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult};

/// `redis://USER:PASSWORD@HOST:PORT/DATABASE`, of which all but the host may be left out. Shown
/// without user and password.
#[derive(Clone)]
pub struct RedisUrl(ConnectionInfo);

/// Why a URL is not one of Redis. It does not show the URL, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedisUrl {
    /// It is some other text.
    #[error("it must be like redis://HOST:PORT/DATABASE")]
    Malformed,
    /// It asks for TLS.
    #[error("TLS to Redis (rediss://) is not built in: use a private network or a TLS proxy")]
    Tls,
}

impl RedisUrl {
    /// The library's own client, for what is no call: publishing and listening.
    pub fn client(&self) -> RedisResult<Client> {
        Client::open(self.0.clone())
    }
}

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("redis") => {}
            Some("rediss") => return Err(InvalidRedisUrl::Tls),
            _ => return Err(InvalidRedisUrl::Malformed),
        }
        let info = text.into_connection_info().map_err(|_| InvalidRedisUrl::Malformed)?;
        // A call is a small message that must not wait for more to send.
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let login = info.redis_settings().clone().set_skip_set_lib_name();
        Ok(Self(info.set_tcp_settings(tcp).set_redis_settings(login)))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.0.redis_settings().db();
        match self.0.addr() {
            ConnectionAddr::Tcp(host, port) if host.contains(':') => {
                write!(f, "redis://[{host}]:{port}/{database}")
            }
            address => write!(f, "redis://{address}/{database}"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (text, shown) in [
            ("redis://cache", "redis://cache:6379/0"),
            ("redis://cache:7000/3", "redis://cache:7000/3"),
            ("redis://[::1]:7000", "redis://[::1]:7000/0"),
            ("redis://:secret@cache:7000", "redis://cache:7000/0"),
            ("redis://ann:se%40cret@cache:7000/1", "redis://cache:7000/1"),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!([url.to_string(), format!("{url:?}")], [shown, shown]);
        }
    }

    #[test]
    fn what_is_no_url_of_redis_is_refused() {
        for (text, error) in [
            ("", InvalidRedisUrl::Malformed),
            ("cache:6379", InvalidRedisUrl::Malformed),
            ("http://cache:6379", InvalidRedisUrl::Malformed),
            ("redis://", InvalidRedisUrl::Malformed),
            ("redis://cache:port", InvalidRedisUrl::Malformed),
            ("redis://cache/first", InvalidRedisUrl::Malformed),
            ("unix:///run/redis.sock", InvalidRedisUrl::Malformed),
            ("rediss://:secret@cache", InvalidRedisUrl::Tls),
        ] {
            assert_eq!(text.parse::<RedisUrl>().map(|url| url.to_string()), Err(error), "{text}");
        }
    }
}
