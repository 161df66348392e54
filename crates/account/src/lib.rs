//! The account service: people, their passwords, and the tokens that they hold. It alone knows who
//! a token belongs to and what an account may do; it knows nothing of wallets or money.

mod accounts;
pub mod api_keys;
pub mod attempts;
mod auths;
mod background;
mod closings;
pub mod config;
mod demonstration;
pub mod email;
mod error;
mod feed;
mod http;
pub mod ids;
mod introspection;
mod metrics;
pub mod operations;
pub mod password;
mod password_resets;
mod passwords;
mod readiness;
pub mod resets;
mod revocations;
pub mod rotation;
mod seed;
pub mod store;
mod token;

use std::sync::{Arc, OnceLock};

use prometheus_client::registry::Registry;
use service::{
    clock::Clock,
    contract::{closing::ClosesWallets, revocations::Revocation},
    http::docs::Docs,
    installation::Installation,
    trace::carried,
};
use tokio::sync::{OnceCell, broadcast, watch};

pub use accounts::{AccountChange, NewAccount};
pub use auths::{Login, Tokens};
pub use background::Background;
pub use closings::Closings;
pub use config::{Config, InvalidConfig, PasswordConfig};
pub use email::Email;
pub use error::Error;
pub use http::openapi;
pub use password::NewPassword;
pub use password_resets::{IssuedReset, ResetOf};
pub use passwords::{ConfirmedPassword, PasswordChange};
pub use seed::Seeder;
pub use store::{Account, Session, Store, sqlite::SqliteStore};
pub use token::Token;

use api_keys::LastUses;
use ids::{IdName, Ids};
use metrics::Metrics;
use password::Hasher;

/// The service: its use cases, and the contracts that it implements for other services. Cheap to
/// clone.
#[derive(Clone)]
pub struct AccountService(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    config: Config,
    clock: Clock,
    hasher: Hasher,
    account_ids: Ids,
    token_ids: Ids,
    api_key_ids: Ids,
    last_uses: LastUses,
    revocations: broadcast::Sender<Revocation>,
    /// Whether all revocations are seen, those that other processes caused too.
    sees_revocations: watch::Sender<bool>,
    /// The money service, once it is known: in one process it starts after this one.
    wallets: OnceLock<Arc<dyn ClosesWallets>>,
    /// Marked as changed whenever this process appends to the feed.
    feed_grew: watch::Sender<()>,
    /// Once it has been read.
    installation: OnceCell<Installation>,
    metrics: Metrics,
}

/// Revocations that a receiver may be behind before it must forget everything it has cached.
const REVOCATIONS_KEPT: usize = 1024;

impl AccountService {
    /// A service over a store. Fails if the configuration makes no sense.
    pub fn new(store: Arc<dyn Store>, config: Config, clock: Clock) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self(Arc::new(Inner {
            store,
            hasher: Hasher::new(&config.password)?,
            config,
            clock,
            account_ids: Ids::new(IdName::Accounts),
            token_ids: Ids::new(IdName::AuthTokens),
            api_key_ids: Ids::new(IdName::ApiKeys),
            last_uses: LastUses::default(),
            revocations: broadcast::channel(REVOCATIONS_KEPT).0,
            sees_revocations: watch::channel(true).0,
            wallets: OnceLock::new(),
            feed_grew: watch::channel(()).0,
            installation: OnceCell::new(),
            metrics: Metrics::default(),
        })))
    }

    /// Makes the service's metrics readable, and those of its store.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
        self.0.hasher.metrics().register(registry);
        self.0.store.register_metrics(registry);
    }

    /// Which installation the accounts belong to. The database draws it once.
    pub async fn installation(&self) -> Result<Installation, Error> {
        let settle = async || {
            let new = Installation::draw()?;
            Ok::<_, Error>(self.0.store.settle_installation(new).await?)
        };
        self.0.installation.get_or_try_init(settle).await.copied()
    }

    /// Every route of the service, `/accounts` included. Callers are known by the gateway's
    /// extension only.
    pub fn router(&self, docs: Docs) -> axum::Router {
        http::router(self.clone(), docs)
    }
}

/// Runs `work` to its end even if the client goes away meanwhile, so that whatever is committed is
/// also announced to those who cache it.
async fn unbroken<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(carried(work)).await.map_err(Error::BrokeOff)?
}
