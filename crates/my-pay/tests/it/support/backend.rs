//! A company's backend: an API key with some scopes, and calls with it.

use account::{
    SqliteStore,
    api_keys::{NewApiKey, create_by_command, read_scopes},
};
use hyper::Method;
use my_pay::data_dir::account_database;
use serde_json::json;

use super::{
    Product, apart,
    client::{Call, Client, Response},
    cluster::Cluster,
    process::{PATIENCE, Process},
};

/// A client that asks with an API key.
#[derive(Clone)]
pub struct Backend {
    pub client: Client,
    pub key: String,
}

impl Backend {
    pub fn call(&self, method: Method, path: &str) -> Call {
        self.client.call(method, path).token(&self.key)
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// Makes a key as this one, which has the scope `keys:write`.
    pub async fn create(&self, scopes: &[&str]) -> Self {
        let made = self.try_create(scopes).await;
        assert_eq!(made.status, 201, "{}", made.body);
        Self { client: self.client.clone(), key: made.body["key"].as_str().unwrap().to_owned() }
    }

    pub async fn try_create(&self, scopes: &[&str]) -> Response {
        let body = json!({"name": "Backend", "scopes": scopes});
        self.post("/accounts/v1/api-keys").json(&body).send().await
    }
}

impl Product {
    /// A backend whose key has these scopes and no end. In a product of the test's own its id is
    /// the next one; an operator's command makes it.
    pub async fn backend(&self, scopes: &[&str]) -> Backend {
        let Some(manager) = apart::api_key() else {
            let path = account_database(&self.data_dir());
            let store = SqliteStore::open_existing(&path).unwrap();
            let scopes = read_scopes(scopes.iter().copied()).unwrap();
            let new = NewApiKey { name: "Backend".to_owned(), scopes, expires_at: None };
            let issued = create_by_command(&store, new, self.clock()).await.unwrap();
            let key = issued.secret.as_str().to_owned();
            return Backend { client: self.client.clone(), key };
        };
        Backend { client: self.client.clone(), key: manager }.create(scopes).await
    }
}

impl Cluster {
    /// A backend whose key an operator's command has made, behind the first gateway.
    pub fn backend(&self, scopes: &[&str]) -> Backend {
        let scopes = scopes.join(",");
        let arguments =
            ["admin", "api-key", "create", "--name", "Backend", "--scopes", scopes.as_str()];
        let ended = Process::start(&mut self.command(&arguments)).wait(PATIENCE);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        Backend { client: self.client(), key: ended.stdout.trim().to_owned() }
    }
}
