//! A product to test: the whole of `my-pay up` on a free port, with its data in a temporary folder,
//! a clock that the test holds, and passwords hashed at the least cost.

pub mod client;
pub mod person;
pub mod process;
pub mod random;
pub mod snapshot;
pub mod specification;

use std::time::Duration;

use my_pay::{
    config::{Config, Flags, Switch},
    up::Up,
};
use service::clock::{Clock, Timestamp};
use tempfile::TempDir;

pub use self::{
    client::{Client, Response},
    person::Person,
};

/// The running product, its clock, and its folder.
pub struct Product {
    up: Up,
    pub clock: Clock,
    pub folder: TempDir,
    pub client: Client,
}

impl Product {
    /// Without rate limits, which have tests of their own.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(&Flags::default()).unwrap();
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.data_dir = folder.path().join("data");
        config.rate_limit = Switch::Off;
        config.account.password_memory_kib = 64;
        config.account.password_iterations = 1;
        config.account.password_waiting_max = 10_000;
        change(&mut config);
        let clock = Clock::held(Timestamp::from_micros(1_800_000_000_000_000));
        let up = Up::start(&config, clock.clone()).await.unwrap();
        let client = Client::new(up.address());
        Self { up, clock, folder, client }
    }

    /// Somebody with an account, logged in.
    pub async fn person(&self, name: &str) -> Person {
        Person::register(self.client.clone(), name).await
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// The services themselves, for calls that do not pass the gateway.
    pub fn up(&self) -> &Up {
        &self.up
    }

    /// The data directory.
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Stops the product and audits its books.
    pub async fn stop(self) {
        let database = self.data_dir().join("money.db");
        self.up.shut_down().await.unwrap();
        let report = money::store::sqlite::audit(&database).unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

/// Asks again until the answer is yes. Panics if it is not within `patience`.
pub async fn eventually(patience: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + patience;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "it was not so within {patience:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
