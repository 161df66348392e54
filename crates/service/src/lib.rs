//! What every service needs and no service owns: the HTTP server and its shutdown, problem details,
//! strict reading of input, identity, the contracts between services, storage, logs, metrics and
//! traces. It knows nothing of accounts, wallets or routes.

pub mod clock;
pub mod contract;
pub mod counted;
pub mod fatal;
pub mod files;
pub mod http;
pub mod installation;
pub mod jitter;
pub mod metrics;
pub mod operator;
pub mod redis;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod timekeeping;
pub mod trace;
pub mod waiting;

/// A future behind a pointer, for the few traits that are used as objects.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
