//! What the account service asks before it closes an account: the wallets' own closing.

use ledger::{AccountId, ClosingDecision, Wallet};
use service::{
    BoxFuture,
    contract::closing::{ClosesWallets, Closing, ClosingAnswer, ClosingFailure, Holding},
    installation::{Installation, OtherInstallation},
};
use tokio::sync::OnceCell;

use crate::{
    engine::{Engine, EngineError},
    store::Database,
};

/// Closes wallets through the engine, for accounts of the database's own installation.
pub(crate) struct Closer {
    pub(crate) database: Database,
    pub(crate) engine: Engine,
    /// The database's, once it has been read: it never changes.
    pub(crate) installation: OnceCell<Installation>,
}

impl Closer {
    async fn close(&self, closing: Closing) -> Result<ClosingAnswer, ClosingFailure> {
        let Closing { account_id, attempt, installation } = closing;
        // The account of another installation with this id is another person's.
        let settle = || self.database.settle_installation(installation);
        let money = self.installation.get_or_try_init(settle).await;
        let money = *money.map_err(|error| ClosingFailure::NotDone(error.into()))?;
        if money != installation {
            let other = OtherInstallation { money, account: installation };
            return Err(ClosingFailure::NotDone(other.into()));
        }
        let closing = ledger::Closing { account_id: AccountId(account_id), attempt };
        match self.engine.close_wallets(closing).await {
            Ok(ClosingDecision::Closed) => {
                tracing::info!(account.id = account_id, "an account's wallets are closed");
                Ok(ClosingAnswer::Closed)
            }
            Ok(ClosingDecision::Refused { holding }) => {
                Ok(ClosingAnswer::Refused { holding: holding.iter().map(holds).collect() })
            }
            Err(error @ EngineError::OutcomeUnknown) => {
                Err(ClosingFailure::OutcomeUnknown(error.into()))
            }
            Err(
                error @ (EngineError::Overloaded
                | EngineError::ShuttingDown
                | EngineError::Unavailable),
            ) => Err(ClosingFailure::NotDone(error.into())),
        }
    }
}

fn holds(wallet: &Wallet) -> Holding {
    Holding {
        wallet_id: wallet.id.0,
        currency: wallet.currency.code().to_owned(),
        balance: wallet.balance,
    }
}

impl ClosesWallets for Closer {
    fn close(&self, closing: Closing) -> BoxFuture<'_, Result<ClosingAnswer, ClosingFailure>> {
        Box::pin(self.close(closing))
    }
}
