//! Database URLs: `mysql://user:password@host:port/schema?ssl-mode=verify-identity&ssl-ca=/ca.pem`.

use std::path::PathBuf;

use mysql_async::{Opts, OptsBuilder, SslOpts};

/// Why a database URL cannot be used. Never shows the URL, in which there is a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It does not begin as it should.
    #[error("a database URL begins with `mysql://`")]
    Scheme,
    /// It cannot be read.
    #[error(
        "the database URL is not `mysql://user:password@host:port/schema`, in which other \
         characters than letters, digits and `-._~` are percent-encoded"
    )]
    Malformed,
    /// It names no schema.
    #[error("the database URL names no schema: mysql://user:password@host:port/schema")]
    NoSchema,
    /// It has a parameter that does not exist.
    #[error("the database URL has the parameter `{0}`; there are `ssl-mode`, `ssl-ca`, `ssl-name`")]
    UnknownParameter(String),
    /// A parameter stands there twice.
    #[error("the database URL has the parameter `{0}` twice")]
    Repeated(&'static str),
    /// A mode that does not exist.
    #[error("ssl-mode is disabled, required or verify-identity")]
    UnknownMode,
    /// Something to verify by, and nothing that is verified.
    #[error("ssl-ca and ssl-name need ssl-mode=verify-identity")]
    NothingVerified,
}

/// Reads a URL.
pub(super) fn read(url: &str) -> Result<OptsBuilder, UrlError> {
    if !url.starts_with("mysql://") {
        return Err(UrlError::Scheme);
    }
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let opts = Opts::from_url(base).map_err(|_| UrlError::Malformed)?;
    if opts.db_name().is_none_or(str::is_empty) {
        return Err(UrlError::NoSchema);
    }
    Ok(OptsBuilder::from_opts(opts).ssl_opts(Encryption::read(query)?.options()?))
}

/// What a URL says about encryption.
#[derive(Default)]
struct Encryption<'a> {
    mode: Option<&'a str>,
    authority: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Encryption<'a> {
    fn read(query: &'a str) -> Result<Self, UrlError> {
        let mut all = Self::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, place) = match name {
                "ssl-mode" => ("ssl-mode", &mut all.mode),
                "ssl-ca" => ("ssl-ca", &mut all.authority),
                "ssl-name" => ("ssl-name", &mut all.name),
                other => return Err(UrlError::UnknownParameter(other.to_owned())),
            };
            if place.replace(value).is_some() {
                return Err(UrlError::Repeated(name));
            }
        }
        Ok(all)
    }

    /// There is no mode that verifies the authority and not the name: the library's switch for it
    /// has no effect with the TLS library it uses. `ssl-name` says which name to expect instead.
    fn options(self) -> Result<Option<SslOpts>, UrlError> {
        let mode = self.mode.unwrap_or("disabled");
        if mode != "verify-identity" && (self.authority.is_some() || self.name.is_some()) {
            return Err(UrlError::NothingVerified);
        }
        match mode {
            "disabled" => Ok(None),
            "required" => Ok(Some(SslOpts::default().with_danger_accept_invalid_certs(true))),
            "verify-identity" => Ok(Some(verifying(self.authority, self.name))),
            _ => Err(UrlError::UnknownMode),
        }
    }
}

/// Trusts this authority and no other; without one, those that browsers trust.
fn verifying(authority: Option<&str>, name: Option<&str>) -> SslOpts {
    let options = SslOpts::default().with_danger_tls_hostname_override(name.map(str::to_owned));
    match authority {
        Some(path) => options
            .with_root_certs(vec![PathBuf::from(path).into()])
            .with_disable_built_in_roots(true),
        None => options,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: &UrlError) {
        assert_eq!(read(url).err().as_ref(), Some(expected), "{url}");
    }

    #[test]
    fn urls_are_read() {
        for url in [
            "mysql://root@127.0.0.1:3306/money",
            "mysql://u:p%40ss@db/money?",
            "mysql://u:p@[::1]:3306/money?ssl-mode=required",
            "mysql://u:p@db/money?ssl-mode=verify-identity&ssl-ca=/etc/ca.pem&ssl-name=db.example",
        ] {
            assert!(read(url).is_ok(), "{url}");
        }
        let opts: Opts = read("mysql://u:p%40ss@db:4000/money").unwrap().into();
        assert_eq!((opts.pass(), opts.tcp_port()), (Some("p@ss"), 4000));
    }

    #[test]
    fn mistakes_are_named() {
        check("postgres://a/b", &UrlError::Scheme);
        check("mysql://", &UrlError::Malformed);
        check("mysql://u:p@db:port/money", &UrlError::Malformed);
        check("mysql://u:p@db", &UrlError::NoSchema);
        check("mysql://u:p@db/", &UrlError::NoSchema);
        check("mysql://db/x?pool=7", &UrlError::UnknownParameter("pool".to_owned()));
        check("mysql://db/x?ssl-mode", &UrlError::UnknownMode);
        check("mysql://db/x?ssl-mode=on", &UrlError::UnknownMode);
        check("mysql://db/x?ssl-mode=verify-ca", &UrlError::UnknownMode);
        check("mysql://db/x?ssl-ca=/ca.pem", &UrlError::NothingVerified);
        check("mysql://db/x?ssl-mode=required&ssl-name=db", &UrlError::NothingVerified);
        let repeated = "mysql://db/x?ssl-mode=required&ssl-mode=disabled";
        check(repeated, &UrlError::Repeated("ssl-mode"));
    }
}
