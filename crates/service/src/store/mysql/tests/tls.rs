//! Encrypted connections, with certificates of our own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::*;

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Makes an authority, and a server's certificate by it for this name.
fn certify(folder: &Path, name: &str) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let authority = ["req", "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Ours"];
    openssl(folder, &[&authority[..], &key, &["-days", "2"]].concat());
    let request = ["req", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=db"];
    openssl(folder, &[&request[..], &key].concat());
    fs::write(folder.join("names"), format!("subjectAltName={name}\n")).unwrap();
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"];
    let result = ["-CAcreateserial", "-extfile", "names", "-out", "server.pem", "-days", "2"];
    openssl(folder, &[&sign[..], &result].concat());
}

struct Certified {
    server: MariaDb,
    authority: PathBuf,
    _folder: tempfile::TempDir,
}

fn server(name: &str) -> Certified {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path(), name);
    let path = |file: &str| folder.path().join(file).display().to_string();
    let server = MariaDb::start_with(&[
        &format!("--ssl-cert={}", path("server.pem")),
        &format!("--ssl-key={}", path("server.key")),
        "--require-secure-transport=ON",
    ]);
    server.create_database("m");
    Certified { server, authority: folder.path().join("ca.pem"), _folder: folder }
}

impl Certified {
    /// The cipher of a connection with these parameters.
    async fn connect(&self, parameters: &str) -> Result<String, Error> {
        let url = format!("{}?{parameters}", self.server.url("m"));
        let database = Database::new(&url, 1).unwrap();
        let mut connection = database.connection().await?;
        let found: Option<(String, String)> =
            connection.query_first("SHOW SESSION STATUS LIKE 'ssl_cipher'").await?;
        Ok(found.unwrap().1)
    }

    async fn verify(&self, authority: &Path, more: &str) -> Result<String, Error> {
        let authority = authority.display();
        self.connect(&format!("ssl-mode=verify-identity&ssl-ca={authority}{more}")).await
    }
}

#[tokio::test]
async fn a_server_is_verified_as_far_as_it_was_asked_for() {
    let named = server("IP:127.0.0.1");
    let unencrypted = named.connect("ssl-mode=disabled").await;
    assert!(unencrypted.is_err(), "the server insists on encryption");
    for cipher in [
        named.connect("ssl-mode=required").await,
        named.verify(&named.authority, "").await,
        named.verify(&named.authority, "&ssl-name=127.0.0.1").await,
    ] {
        assert!(!cipher.unwrap().is_empty());
    }
    named.verify(&named.authority, "&ssl-name=elsewhere.example").await.unwrap_err();
    // Nobody that browsers trust has signed it.
    named.connect("ssl-mode=verify-identity").await.unwrap_err();

    let misnamed = server("DNS:elsewhere.example");
    misnamed.connect("ssl-mode=required").await.unwrap();
    misnamed.verify(&misnamed.authority, "").await.unwrap_err();
    misnamed.verify(&misnamed.authority, "&ssl-name=elsewhere.example").await.unwrap();
    misnamed.verify(&named.authority, "&ssl-name=elsewhere.example").await.unwrap_err();
    misnamed.verify(Path::new("/nowhere.pem"), "").await.unwrap_err();
}

#[tokio::test]
async fn a_server_that_cannot_encrypt_is_refused() {
    let server = MariaDb::start_with(&["--skip-ssl"]);
    let database = Database::new(&format!("{}?ssl-mode=required", server.url("mysql")), 1).unwrap();
    let refusal = database.ping().await.unwrap_err();
    assert!(matches!(refusal, Error::Database(_)), "{refusal}");
}
