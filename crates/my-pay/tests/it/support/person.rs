//! Somebody who uses the product.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::Method;
use serde_json::{Value, json};

use super::client::{Call, Client, Response};

/// Somebody with an account, logged in, perhaps with a wallet.
#[derive(Clone)]
pub struct Person {
    pub client: Client,
    pub account_id: i64,
    pub email: String,
    pub password: String,
    pub token: String,
    pub refresh_token: String,
    /// Zero until [`Person::with_wallet`].
    pub wallet_id: i64,
}

/// Makes keys and emails unique within the test run.
static COUNTER: AtomicU64 = AtomicU64::new(1);

/// A number that nobody else has got.
pub fn unique() -> u64 {
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

impl Person {
    pub async fn register(client: Client, name: &str) -> Self {
        let email = format!("{}{}@example.com", name.to_lowercase().replace(' ', "."), unique());
        let password = format!("{name}'s long secret");
        let made = client
            .post("/accounts/v1/accounts")
            .json(&json!({"name": name, "email": email, "password": password}))
            .send()
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        let login = client
            .post("/accounts/v1/auths")
            .json(&json!({"email": email, "password": password}))
            .send()
            .await;
        assert_eq!(login.status, 201, "{}", login.body);
        Self {
            client,
            account_id: made.body["id"].as_i64().unwrap(),
            email,
            password,
            token: login.body["accessToken"].as_str().unwrap().to_owned(),
            refresh_token: login.body["refreshToken"].as_str().unwrap().to_owned(),
            wallet_id: 0,
        }
    }

    /// With a wallet in won.
    pub async fn with_wallet(mut self) -> Self {
        let opened = self.post("/money/v1/wallets").json(&json!({})).send().await;
        assert_eq!(opened.status, 201, "{}", opened.body);
        self.wallet_id = opened.body["id"].as_i64().unwrap();
        self
    }

    pub fn call(&self, method: Method, path: &str) -> Call {
        self.client.call(method, path).token(&self.token)
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// Moves money by `deposits`, `withdrawals` or `transfers`.
    pub async fn move_money(&self, by: &str, key: &str, body: &Value) -> Response {
        self.post(&format!("/money/v1/{by}")).key(key).json(body).send().await
    }

    /// Tops up the wallet.
    pub async fn deposit(&self, amount: i64) {
        let made = self
            .post("/money/v1/deposits")
            .key(&format!("deposit-{}", unique()))
            .json(&json!({"amount": amount}))
            .send()
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
    }

    /// Closes the account.
    pub async fn close(&self) -> Response {
        let path = format!("/accounts/v1/accounts/{}/closure", self.account_id);
        self.post(&path).json(&json!({"currentPassword": self.password})).send().await
    }

    /// What the wallet holds.
    pub async fn balance(&self) -> i64 {
        let wallet = self.get(&format!("/money/v1/wallets/{}", self.wallet_id)).send().await;
        assert_eq!(wallet.status, 200, "{}", wallet.body);
        wallet.body["balance"].as_i64().unwrap()
    }
}
