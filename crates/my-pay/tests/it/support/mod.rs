//! A product to test: the whole of `my-pay up` on a free port, with its data in a temporary folder,
//! a clock that the test holds, and passwords hashed at the least cost; or the services apart, which
//! another test has started, of which only the gateway's address is known.

pub mod apart;
pub mod backend;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod metrics;
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

use self::process::{Ended, PATIENCE, Process, my_pay};
pub use self::{
    backend::Backend,
    client::{Call, Client, Response},
    person::Person,
};

/// The running product.
pub struct Product {
    /// None if the product is somebody else's, apart.
    own: Option<Own>,
    pub client: Client,
}

/// A product of the test's own, its clock, and its folder.
struct Own {
    up: Up,
    clock: Clock,
    folder: TempDir,
}

impl Product {
    /// Without rate limits, which have tests of their own.
    pub async fn start() -> Self {
        match apart::gateway() {
            Some(address) => {
                // Others use the same product: everybody has email addresses of their own.
                let number = u64::from(std::process::id()) << 32 | person::unique();
                let client = Client::new(address).with_emails_below(number);
                Self { own: None, client }
            }
            None => Self::start_with(|_| {}).await,
        }
    }

    /// With other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        assert_eq!(apart::gateway(), None, "what runs already has its settings");
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load(&Flags::default()).unwrap();
        config.listen = "127.0.0.1:0".parse().unwrap();
        config.data_dir = folder.path().join("data");
        config.rate_limit = Switch::Off;
        config.money.self_service_funding = true;
        config.account.password_memory_kib = 64;
        config.account.password_iterations = 1;
        config.account.password_waiting_max = 10_000;
        change(&mut config);
        let clock = Clock::held(Timestamp::from_micros(1_800_000_000_000_000));
        let up = Up::start(&config, clock.clone()).await.unwrap();
        let client = Client::new(up.address());
        Self { own: Some(Own { up, clock, folder }), client }
    }

    fn own(&self) -> &Own {
        self.own.as_ref().expect("only tests listed in apart.rs ask this of their own product")
    }

    /// Somebody with an account, logged in.
    pub async fn person(&self, name: &str) -> Person {
        Person::register(self.client.clone(), name).await
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.own().clock.advance(by);
    }

    /// Lets this much time pass, where it only makes times in answers differ.
    pub fn let_pass(&self, by: Duration) {
        if let Some(own) = &self.own {
            own.clock.advance(by);
        }
    }

    /// The clock that the test holds.
    pub fn clock(&self) -> &Clock {
        &self.own().clock
    }

    /// The services themselves, for calls that do not pass the gateway.
    pub fn up(&self) -> &Up {
        &self.own().up
    }

    /// The data directory.
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.own().folder.path().join("data")
    }

    /// Runs a command of the program beside the product, to its end.
    pub async fn command(&self, arguments: &[&str]) -> Ended {
        let folder = tempfile::tempdir().unwrap();
        let mut command = my_pay(folder.path(), arguments);
        match &self.own {
            Some(own) => {
                command.arg("--data-dir").arg(own.folder.path().join("data"));
            }
            None => {
                for [ours, its] in apart::DATABASE_VARIABLES {
                    command.env(its, std::env::var_os(ours).unwrap());
                }
            }
        }
        let ending = move || Process::start(&mut command).wait(PATIENCE);
        tokio::task::spawn_blocking(ending).await.unwrap()
    }

    /// Stops the product and audits its books. Whoever started it apart does both in the end.
    pub async fn stop(self) {
        let Some(own) = self.own else { return };
        let database = own.folder.path().join("data/money.db");
        own.up.shut_down().await.unwrap();
        let report = money::store::sqlite::audit(&database).unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

/// Asks again until the answer is yes. Panics if it is not within `patience`.
pub async fn eventually(patience: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        // What is asked in time may be answered late.
        let is_last = tokio::time::Instant::now() >= deadline;
        if is_so().await {
            return;
        }
        assert!(!is_last, "it was not so within {patience:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How soon a revoked token must be refused: at once in one process, everywhere within a second
/// apart.
fn revocation_patience() -> Duration {
    apart::gateway().map_or(Duration::ZERO, |_| Duration::from_secs(1))
}

/// Asks until the token is refused, if it is in time, and returns the last answer.
pub async fn until_revoked(call: impl Fn() -> Call) -> Response {
    let deadline = tokio::time::Instant::now() + revocation_patience();
    loop {
        // What is asked in time may still be answered, however long that takes.
        let is_last = tokio::time::Instant::now() >= deadline;
        let answer = call().send().await;
        if answer.status == 401 || is_last {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
